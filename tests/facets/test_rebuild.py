"""Hundreds of contexts are folded anew together; what differed is right afterwards, and named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from omnibus import Event, NotFound
from omnibus.stores.sqlite.histories import histories
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


async def test_no_more_is_held_than_fits(bus: Any) -> None:
    """Of customers with many events only the first are read; one alone is read whole."""
    read = bus.parts.store.engine.read
    assert list(await read(lambda db: histories(db, PEOPLE[:8], 13))) == PEOPLE[:4]
    assert list(await read(lambda db: histories(db, PEOPLE[:8], 5))) == PEOPLE[:1]
    (one,) = (await read(lambda db: histories(db, PEOPLE[:1], 2))).values()
    assert [each.id for each in one.events] == ["c000-2", "c000-1", "c000-0"]
