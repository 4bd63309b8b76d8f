"""What is finished leaves both stores after its time, and nothing that counts it notices."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from omnibus.errors import NotFound, StoreFull
from omnibus.outbound.pruning import CURSOR, PAGE, Pruner
from omnibus.settings import Retention
from omnibus.upkeep import Pruned

DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("databases").make() if request.param == "postgres" else "sqlite:shop.db"


@pytest.fixture
async def busy(shop: Any) -> Any:
    """A shop in which five were told, and one waits for a year."""
    shop.channel("mail")
    shop.message("hello", via=["mail"], purpose="service", topic="news", expires="400d")
    shop.message("news", via=["mail"], topic="news")
    bus = await shop.open()
    for number in range(5):
        who = await bus.customers.upsert(email=f"p{number}@example.com")
        await bus.send("news", who, key=f"k{number}")
    ada = await shop.ada()
    await bus.send("hello", ada, key="now")
    await bus.send("hello", ada, key="later", at=shop.clock.now() + 365 * DAY)
    await bus.drain()
    return shop


async def passed(shop: Any) -> list[Pruned]:
    return [page async for page in shop.bus.parts.pruner.pages()]


async def test_after_its_time_only_the_counts_are_left(busy: Any) -> None:
    bus = busy.bus
    (told,) = await bus.parts.store.deliveries(state=["sent"])
    before = await bus.audit()
    assert (before["accepted"], before["sent"], before["dropped"], before["queued"]) == (7, 1, 5, 1)
    assert sum(page.deliveries + page.keys for page in await passed(busy)) == 0
    busy.clock.set(busy.clock.now() + 31 * DAY)
    pages = await passed(busy)
    assert [(page.deliveries, page.keys) for page in pages] == [(0, 7), (0, 0)], "30 days: the keys"
    again = await bus.send("hello", told.customer, key="now")
    assert again[0].id != told.id, "so the key is free again"
    busy.clock.set(busy.clock.now() + 63 * DAY)
    assert sum(page.deliveries for page in await passed(busy)) == 5, "90 days: what ended; a deadline of 400d stays"
    busy.clock.set(busy.clock.now() + 400 * DAY)
    await bus.drain()
    busy.clock.set(busy.clock.now() + 401 * DAY)
    await passed(busy)
    assert await bus.parts.store.deliveries() == []
    with pytest.raises(NotFound):
        await bus.why(told.id)
    after = await bus.audit()
    assert (after["accepted"], after["final"], after["waiting"], after["pruned"], after["dropped"]) == (8, 8, 0, 8, 5)
    assert after["sent"] + after["expired"] == 3
    await busy.balanced()
    assert "message.sent" in await busy.types(told.customer, "message"), "the timeline stays"


async def test_a_campaign_adds_up_the_same(busy: Any) -> None:
    bus = busy.bus
    await bus.launch("news", name="spring")
    await bus.drain()
    before = await bus.campaigns.status("spring")
    assert before.final == 6
    assert before.reasons["dropped"]
    busy.clock.set(busy.clock.now() + 95 * DAY)
    assert sum(page.deliveries for page in await passed(busy)) == 11
    after = await bus.campaigns.status("spring")
    assert (after.states, after.reasons, after.standing) == (before.states, before.reasons, "done")
    await busy.balanced()


async def test_a_pass_goes_on_where_the_last_one_was(busy: Any) -> None:
    """Keys are looked at once; what is kept for ever is not looked at."""
    store, later = busy.bus.parts.store, busy.clock.now() + 95 * DAY
    seen: list[str] = []
    usual = store.forget_keys

    async def watched(before: Any, *, after: str = "", limit: int = PAGE) -> Pruned:
        seen.append(after)
        return await usual(before, after=after, limit=2)

    store.forget_keys = watched
    assert [each async for each in Pruner(store, lambda: later, Retention(deliveries=None, repeats=None)).pages()] == []
    keep = Retention(deliveries=None)
    assert sum([each.keys async for each in Pruner(store, lambda: later, keep).pages()]) == 7
    assert len(seen) == 4
    assert await store.note(*CURSOR) == seen[-1]
    seen.clear()
    assert sum([each.keys async for each in Pruner(store, lambda: later, keep).pages()]) == 0
    assert len(seen) == 1
    assert len(await store.deliveries()) == 7


async def test_it_rests_longer_than_it_works_and_outlives_a_full_disk(busy: Any) -> None:
    store, rested = busy.bus.parts.store, list[float]()
    usual, full = store.prune, [True]

    async def refusing(*given: Any, **told: Any) -> Pruned:
        if full:
            full.clear()
            raise StoreFull("no room")
        return await usual(*given, **told)

    async def rest(seconds: float) -> None:
        rested.append(seconds)
        if len(rested) == 6:
            raise asyncio.CancelledError

    store.prune = refusing
    later = busy.clock.now() + 1000 * DAY
    with pytest.raises(asyncio.CancelledError):
        await Pruner(store, lambda: later, Retention(), rest=rest).run()
    whole = [each for each in rested if each >= 1_800]
    assert len(whole) == 3, "before each pass, the one that found no room included"
    assert all(each <= 3_600 for each in whole)
    assert (await store.audit(later))["pruned"] == 6


async def test_work_prunes_beside_its_work(busy: Any) -> None:
    """Until it is stopped."""
    bus, begun = busy.bus, asyncio.Event()

    async def run() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            begun.clear()

    bus.parts.pruner.run = run
    stop = asyncio.Event()
    working = asyncio.create_task(bus.work(stop))
    async with asyncio.timeout(30):
        await begun.wait()
    stop.set()
    bus.parts.bell.ring()
    await working
    assert not begun.is_set()


async def test_the_list_of_a_campaign_that_is_done_goes_with_the_keys(
    busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sums stay, and its name is still taken: nobody is reached twice."""
    bus = busy.bus
    monkeypatch.setattr("omnibus.outbound.pruning.LIST", 4)
    await bus.launch("news", name="spring")
    await bus.drain()
    before = await bus.campaigns.status("spring")
    assert (before.standing, before.campaign.expanded) == ("done", 6)
    assert [page.recipients for page in await passed(busy) if page.recipients] == []
    busy.clock.set(busy.clock.now() + 31 * DAY)
    assert [page.recipients for page in await passed(busy) if page.recipients] == [4, 2]
    assert await bus.campaigns.status("spring") == before
    assert await bus.launch("news", name="spring") == before.campaign
    await bus.drain()
    assert await bus.campaigns.status("spring") == before
    assert [page.recipients for page in await passed(busy) if page.recipients] == []
