"""PREVIEW: the same stages as on the road out, up to the content; nothing is stored or sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from omnibus.errors import MessageError
from omnibus.model.content import Content
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.outbound.judge import Judgement, judge
from omnibus.outbound.resolve import ChannelLine, resolve
from omnibus.outbound.road import Road


@dataclass(frozen=True, slots=True)
class Shown:
    """Show what one channel would say to one customer now, and whether it would go."""

    channel: str
    judgement: Judgement | None
    content: Content | None
    error: str = ""


async def preview(road: Road, delivery: Delivery) -> list[Shown]:
    """Show what each allowed channel would say, in the order of `via`; one that is not enabled or cannot say it tells why."""
    return [await _by(road, replace(delivery, id="preview", via=(name,)), name) for name in delivery.via]


async def _by(road: Road, delivery: Delivery, name: str) -> Shown:
    now, line = road.now(), road.lines.get((name, delivery.audience))
    if line is None:
        return Shown(name, None, None, "not enabled")
    loaded = (await road.store.load([delivery.customer], since=now - road.window))[delivery.customer]
    context = road.timeline.context(loaded)
    resolved = resolve(delivery, context, road.lines, now, await road.store.pauses(now))
    judgement = judge(delivery, resolved, road.policies, context, road.brand, now)
    try:
        return Shown(name, judgement, _content(road, delivery, line, context, now))
    except MessageError as error:
        return Shown(name, judgement, None, str(error))


def _content(road: Road, delivery: Delivery, line: ChannelLine, context: Context, now: datetime) -> Content:
    promised = road.promised(delivery, context, now)
    terms = promised.terms if promised else None
    _, content = road.composer.compose(delivery, line.channel, context, terms, now)
    return content
