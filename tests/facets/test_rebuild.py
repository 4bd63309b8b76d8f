"""Hundreds of contexts are folded anew together; what differed is right afterwards, and named."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import Any

import pytest

from omnibus import Event, NotFound
from omnibus.testing.clock import START
from omnibus.timeline import TOGETHER

PEOPLE = [f"c{number:03d}" for number in range(TOGETHER + 30)]


@pytest.fixture
async def bus(shop: Any) -> Any:
    shop.channel("mail")
    made = await shop.open()
    await made.parts.store.create([(each, ()) for each in PEOPLE], START)
    views = [
        Event(f"{each}-{n}", "t", "product.viewed", START - timedelta(hours=n), each, {"sku": f"s{n}"})
        for each in PEOPLE
        for n in range(3)
    ]
    await made.parts.timeline.put(views)
    return made


async def test_only_those_that_differed_are_named_and_mended(shop: Any, bus: Any) -> None:
    assert await bus.rebuild_all(PEOPLE) == []
    store, wrong = bus.parts.store, [PEOPLE[3], PEOPLE[-2]]
    before = {who: each.bodies for who, each in (await store.load(wrong)).items()}
    for each in wrong:
        await store.rewrite(each, {"engagement": b'{"touches":[],"views":[],"visiting":"till"}'}, None)
    assert await bus.rebuild_all(PEOPLE) == wrong
    after = await store.load(wrong)
    assert {who: each.bodies for who, each in after.items()} == before
    assert all(each.through is not None for each in after.values())
    assert await bus.rebuild_all(PEOPLE) == []


async def test_an_unknown_one_is_told_and_the_others_are_done(shop: Any, bus: Any) -> None:
    await bus.parts.store.rewrite(PEOPLE[0], {"cart": b"{}"}, None)
    with pytest.raises(NotFound, match="nobody"):
        await bus.rebuild_all(["nobody", *PEOPLE])
    assert await bus.rebuild_all(PEOPLE) == []


async def test_an_event_that_comes_meanwhile_is_not_lost(shop: Any, bus: Any) -> None:
    """The rebuilt context would be older than the store's: it is folded once more."""
    store, who = bus.parts.store, PEOPLE[7]
    await store.rewrite(who, {}, None)
    usual, told = store.put, []

    async def put(changes: Any) -> Any:
        if not told:
            told.append(1)
            await store.rewrite(who, {"cart": b"{}"}, None)  # somebody else is faster
        return await usual(changes)

    store.put = put
    assert await bus.rebuild_all([who]) == [who]
    assert await bus.rebuild_all([who]) == []
    assert told == [1]


async def test_only_one_timeline_is_held_at_a_time(bus: Any) -> None:
    """However many customers are folded anew and however long their timelines are, no more memory is needed."""
    held, before = [], _alive()
    await bus.parts.store.histories(PEOPLE, lambda told: held.append(_alive() - before - len(told.events)))
    assert len(held) == len(PEOPLE)
    assert max(held) <= 3, "those of the one before, which its fold let go of just now"


def _alive() -> int:
    return sum(type(each) is Event for each in gc.get_objects())
