"""OUTBOX: a wish becomes deliveries. Nothing is decided here but how many there are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from omnibus.errors import MessageError
from omnibus.model.customer import public
from omnibus.model.delivery import Delivery, State
from omnibus.model.ids import Ids
from omnibus.model.message import CallToAction, Media, Message, Purpose
from omnibus.outbound.resolve import Lines
from omnibus.store import Wish

LIFE = timedelta(days=3)  # how long a message makes sense whose author did not say

Via = Sequence[str]


def wish(
    message: Message, customer: str, lines: Lines, ids: Ids, *, now: datetime, brand: str, values: Mapping[str, Any],
    key: str, origin: str = "", at: datetime | None = None, inline: bool = False, channel: str = "",
) -> Wish:  # fmt: skip
    """Make the deliveries of one message to one customer.

    ``spread: one``: one delivery that may go by any interrupting channel of `via`, and one for each ambient channel
    that accompanies it. ``spread: all``, and a public message: one per channel.

    Raises:
        MessageError: no channel is allowed.
    """
    allowed = (
        (channel,)
        if channel
        else message.via or tuple(name for name, audience in lines if audience == message.audience)
    )
    if not allowed:
        raise MessageError(
            "no channel may carry it", where=message.source or message.name, fix="give `via: [email, …]`"
        )
    deliveries = []
    for via in _split(message, allowed, lines):
        start = max(at or now, now)
        deliveries.append(
            Delivery(
                id=ids.new(now), customer=customer, subject=customer, message=message.name, purpose=message.purpose,
                topic=message.topic, brand=brand, audience=message.audience, via=via, state=State.QUEUED, due=start,
                accepted=now, expires=start + (message.expires or LIFE), values=dict(values), key=key, origin=origin,
                premises=message.while_, offer=message.offer, inline=write_inline(message) if inline else "",
            )
        )  # fmt: skip
    to = (
        channel if message.audience == "public" else customer
    )  # the account behind a channel may change, the wish is the same
    said = digest(message, to, values, inline=inline) if key else ""  # compared under a key only
    return Wish(key, said, tuple(deliveries))


def _split(message: Message, allowed: Via, lines: Lines) -> list[tuple[str, ...]]:
    if message.spread == "all" or message.audience == "public":
        return [(name,) for name in allowed]
    ambient = [name for name in allowed if _ambient(lines, name)]
    main = tuple(name for name in allowed if name not in ambient)
    return [*([main] if main else []), *[(name,) for name in ambient]]


def _ambient(lines: Lines, name: str) -> bool:
    line = lines.get((name, "person"))
    return line is not None and line.channel.capabilities.ambient


def public_customer(name: str, lines: Lines) -> str:
    """Name the reserved customer of the account that a channel posts from."""
    line = lines.get((name, "public"))
    return public(name, line.providers[0].account if line else "default")


def digest(message: Message, customer: str, values: Mapping[str, Any], *, inline: bool) -> str:
    """Hash what was asked for under a key: the same key with something else is a conflict."""
    said = asdict(message) if inline else message.name
    told = json.dumps([said, customer, dict(values)], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()


def write_inline(message: Message) -> str:
    """Keep a message that was handed in whole, as JSON."""
    told = asdict(message)
    told["expires"] = message.expires.total_seconds() if message.expires else None
    return json.dumps(told, default=str)


def read_inline(text: str) -> Message:
    """Read what ``write_inline`` kept."""
    told = json.loads(text)
    told["expires"] = timedelta(seconds=told["expires"]) if told["expires"] is not None else None
    told["purpose"] = Purpose(told["purpose"])
    told["cta"] = CallToAction(**told["cta"]) if told["cta"] else None
    told["media"] = tuple(Media(**each) for each in told["media"])
    told["while_"], told["via"] = tuple(told["while_"]), tuple(told["via"])
    return Message(**told)
