"""DROP: what waits of a stopped campaign, page by page, each one short commit; by whoever stopped it, and by the workers.

Two who do it at once begin at its two ends, so they meet once and not at every page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from omnibus.model.campaign import STOPPED
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.roll import Roll
from omnibus.store import Move
from omnibus.timeline import Timeline

PAGE = 300  # deliveries in one commit
DROPPED = "message.dropped"

Dropped = Callable[[Delivery, datetime, str], Event]


async def drop(roll: Roll, timeline: Timeline, dropped: Dropped, name: str, *, last: bool = False) -> int:
    """Drop a page.

    Args:
        dropped: delivery, time, reason → the event that says so.
        last: begin with what is due last.

    Returns:
        How many were dropped, or taken out of the workers' hands; 0 once nothing is left, or others were faster.
    """
    now = timeline.now()
    page = await roll.undone(name, PAGE, last=last)
    if not page:
        return await roll.follow(name, now, PAGE)
    facts = [(each, dropped(each, now, STOPPED)) for each in page]
    if timeline.facets.listeners(DROPPED):
        return await _told(timeline, facts)
    count = await roll.drop(facts)
    timeline.ring(())
    return count


async def _told(timeline: Timeline, facts: Sequence[tuple[Delivery, Event]]) -> int:
    """Drop deliveries whose customers' contexts change by it; what was moved meanwhile is on the next page again."""
    told: dict[str, list[tuple[Delivery, Event]]] = {}
    for each in facts:
        told.setdefault(each[0].customer, []).append(each)
    loaded = await timeline.store.load(list(told))
    changes = [
        await timeline.fold(
            loaded[who], [event for _, event in own],
            moves=tuple([Move(each.id, State.DROPPED, STOPPED) for each, _ in own]),
        )
        for who, own in told.items() if who in loaded
    ]  # fmt: skip
    done = await timeline.store.put(changes)
    timeline.ring([each.customer for each in changes])
    return sum([len(each.moves) for each, ok in zip(changes, done, strict=True) if ok])
