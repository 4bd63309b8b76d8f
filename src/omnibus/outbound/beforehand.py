"""BEFOREHAND: what is urgent is judged and composed before it is accepted, so that one commit accepts, takes and attempts it.

The verdict is as fresh as any: that commit asks the attempt's guards. What is not simply sent says nothing here (held,
dropped, cannot be composed, a fault): it is accepted like all others, and judged again when it is in somebody's hands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from omnibus.model.delivery import Delivery
from omnibus.outbound.prepare import Preparation, Ready
from omnibus.outbound.road import Road
from omnibus.outbound.turn import in_turn


async def beforehand(road: Road, deliveries: Sequence[Delivery], lease: str) -> list[Ready]:
    """Prepare what is about to be accepted, as if a claim under *lease* had given it; gives what may leave then.

    Raises:
        StoreFull: the store is away.
    """
    now, store, first = road.now(), road.store, dict[str, Delivery]()
    for each in deliveries:
        if each.due <= now and each.customer not in first:  # one of a person at a time
            first[each.customer] = replace(each, lease=lease)
    if not first:
        return []
    loaded = await store.load(list(first), since=now - road.window)
    preparation = Preparation(road, {}, now, {}, _nothing)  # who rests is asked by the attempt
    known = [(each, mine) for who, each in first.items() if (mine := loaded.get(who)) and mine.customer.id == who]
    return [
        each for each in preparation.ready(await in_turn(preparation, preparation.choose(known))) if each.late is None
    ]


def _nothing(*_: Any, **__: Any) -> None:
    """Settle nothing: there is no row yet."""
