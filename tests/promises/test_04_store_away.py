"""Promise 4, when the store goes away on the road out: what nobody handed over is not lost, and what was answered is written down."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from omnibus import Receipt, TryLater
from omnibus.errors import StoreFull
from omnibus.model.delivery import State
from omnibus.outbound.road import settle_soon

pytestmark = pytest.mark.promise


async def one_sent(shop: Any) -> tuple[Any, Any]:
    """Open a shop of one way, and accept one message."""
    shop.channel("mail", "one")
    shop.message("hello", via=["mail"], purpose="marketing", topic="news")
    bus = await shop.open()
    (delivery,) = await bus.send("hello", await shop.ada())
    return bus, delivery


async def drained_while(bus: Any, call: str, away: Any) -> None:
    """Work while one of the store's calls ends in `StoreFull`; it is as usual again afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bus.parts.store, call, away)
        with pytest.raises(StoreFull):
            await bus.drain()


@pytest.mark.parametrize("where", ["load", "attempt", "attempt committed"])
async def test_a_store_that_goes_away_before_the_hand_over_leaves_nothing_unknown(shop: Any, where: str) -> None:
    """The attempt may be stored while its commit was not answered; nobody acted on it, and whoever knows that says so."""
    shop.policy = "[policy]\nquiet_hours = false\n"
    bus, delivery = await one_sent(shop)
    store = bus.parts.store
    usual = getattr(store, where.split(maxsplit=1)[0])

    async def away(*args: Any, **named: Any) -> Any:
        if where.endswith("committed"):
            await usual(*args, **named)
        raise StoreFull("the database restarted during the commit; look before you repeat it")

    await drained_while(bus, where.split(maxsplit=1)[0], away)
    await bus.drain()
    row = await shop.row(delivery)
    assert (row.state.value, row.reason, row.flagged) == ("sent", "accepted", False)
    told = [(each.outcome, each.points) for each in await store.attempts(delivery.id)]
    assert told == [*([("not_made", 0)] if where.endswith("committed") else []), ("accepted", 1)]
    assert len(shop.wire("mail", "one").handed) == 1
    await shop.balanced()


async def test_an_attempt_that_was_not_made_is_no_lost_answer(shop: Any) -> None:
    """Its lease ran out before it was said: another worker found an open attempt, and learns now what it was."""
    bus, delivery = await one_sent(shop)
    store = bus.parts.store
    usual = store.attempt

    async def away(*args: Any, **named: Any) -> Any:
        await usual(*args, **named)
        await store.rescue(shop.clock.now(), everything=True)
        raise StoreFull("away")

    await drained_while(bus, "attempt", away)
    assert (await shop.row(delivery)).state.value == "unknown"
    await bus.drain()
    assert (await shop.row(delivery)).state.value == "sent"
    assert len(shop.wire("mail", "one").handed) == 1
    await shop.balanced()


async def test_a_limit_is_no_lost_answer_though_the_store_is_away(shop: Any) -> None:
    """The provider took nothing; that its rest could not be written down for the others changes nothing of it."""
    bus, delivery = await one_sent(shop)
    store = bus.parts.store
    shop.wire("mail", "one").answers(TryLater("rate_limited", retry_after=60))

    async def away(*args: Any, **named: Any) -> None:
        raise StoreFull("away")

    await drained_while(bus, "pause", away)
    await bus.drain()
    assert [each.outcome for each in await store.attempts(delivery.id)] == ["later"]
    await shop.until(timedelta(minutes=2))
    row = await shop.row(delivery)
    assert (row.state.value, row.flagged) == ("sent", False)
    await shop.balanced()


async def test_a_note_that_cannot_be_kept_is_no_refusal(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store goes away between two requests of one hand-over: the first has arrived, so no other route follows."""
    shop.channel("mail", "one")
    shop.channel("text", identity="phone")
    shop.message("hello", via=["mail", "text"], purpose="marketing", topic="news")
    bus = await shop.open()
    (delivery,) = await bus.send("hello", await shop.ada(email="ada@example.com", phone="+442079460000"))
    provider = bus.lines["mail", "person"].providers[0]
    usual = provider.deliver

    async def deliver(content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        receipt = await usual(content, address, attempt, keep)
        await keep.set("sent", attempt.id)
        return receipt

    async def full(*args: Any) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(provider, "deliver", deliver)
    monkeypatch.setattr(bus.parts.store, "note", full)
    await bus.drain()
    assert [each.reason for each in await bus.parts.store.attempts(delivery.id)] == ["store_away"]
    await shop.until(timedelta(days=4))
    row = await shop.row(delivery)
    assert (row.state.value, row.reason) == ("failed", "answer_lost")
    assert (len(shop.wire("mail", "one").handed), shop.wire("text").handed) == (1, [])
    await shop.balanced()


async def test_a_claim_that_was_not_answered_is_free_again_at_once(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are in the hands of a lease that knows nothing of them: it ends, and nobody waits for its time to run out."""
    bus, delivery = await one_sent(shop)
    store = bus.parts.store
    usual, lost = store.claim, list[str]()

    async def claim(*args: Any, **named: Any) -> Any:
        found = await usual(*args, **named)
        if found and not lost:
            lost.append(found[0].id)
            raise StoreFull("the database restarted during the commit; look before you repeat it")
        return found

    monkeypatch.setattr(store, "claim", claim)
    stop = asyncio.Event()
    working = asyncio.create_task(bus.work(stop))
    async with asyncio.timeout(20):
        while await shop.state(delivery) != "sent":  # noqa: ASYNC110 - the store tells, nobody else
            await asyncio.sleep(0.01)
    stop.set()
    bus.parts.bell.ring()
    await working
    assert len(shop.wire("mail", "one").handed) == 1
    await shop.balanced()


async def test_an_answer_is_written_down_though_the_batch_before_it_failed(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of one commit loses its own batch to `unknown`, and nothing that was answered meanwhile."""
    shop.channel("mail", "one")
    shop.message("hello", via=["mail"], purpose="service")
    bus = await shop.open()
    who = await shop.ada()
    settling, store = bus.parts.road.settling, bus.parts.store
    usual, begun, go_on = store.settle, asyncio.Event(), asyncio.Event()

    async def settle(*args: Any, **named: Any) -> Any:
        monkeypatch.setattr(store, "settle", usual)
        begun.set()
        await go_on.wait()
        raise RuntimeError("a fault of the store")

    monkeypatch.setattr(store, "settle", settle)
    first, second = [(await bus.send("hello", who))[0] for _ in range(2)]
    claimed = await store.claim(shop.clock.now(), limit=1, lease="ours", term=60)
    assert [each.id for each in claimed] == [first.id]
    settle_soon(bus.parts.road, claimed[0], State.DROPPED, "first")
    settling.flush()
    await begun.wait()
    settle_soon(bus.parts.road, claimed[0], State.DROPPED, "second")
    go_on.set()
    with pytest.raises(RuntimeError):
        await bus.drain()
    await bus.drain()
    assert (await shop.row(first)).reason == "second"
    assert await shop.state(second) == "sent"
