"""What is urgent: taken up beside the rounds, never behind what is not, and never more in flight than slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from omnibus import State
from omnibus.errors import StoreFull
from omnibus.model.attempt import Receipt
from omnibus.model.message import Purpose
from omnibus.outbound import ahead

PATIENCE = 60  # seconds after which a test has failed


@pytest.fixture
async def bus(shop: Any) -> Any:
    shop.channel("mail", members={"max_in_flight": 50})
    shop.message("news", via=["mail"], topic="news", purpose="service")
    shop.message("code", via=["mail"], topic="account", purpose="transactional")
    shop.message("when", "# Hello\n\nAt {{ at_ }}.\n", via=["mail"], topic="account", purpose="transactional")
    shop.message("still", via=["mail"], topic="account", purpose="transactional", while_=["cart.open"])
    return await shop.open()


@asynccontextmanager
async def working(bus: Any) -> AsyncIterator[None]:
    """Let the bus work meanwhile."""
    stop = asyncio.Event()
    task = asyncio.create_task(bus.work(stop))
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except BaseException:  # it failed: nobody waits for what hangs
        for each in (task, *bus.parts.dispatcher.senders.tasks):
            each.cancel()
        await asyncio.wait({task})
        raise
    stop.set()
    bus.parts.bell.ring()
    await task


class Doorman:
    """Stand in a fake wire's way: what is not urgent waits until the gate is open."""

    def __init__(self, wire: Any) -> None:
        self.usual, wire.take = wire.take, self.take
        self.gate, self._moved = asyncio.Event(), asyncio.Condition()
        self.urgent: list[str] = []
        self.inside = self.most = self.others = 0

    async def take(self, handed: Any) -> Receipt:
        self.inside += 1
        self.most = max(self.most, self.inside)
        if handed.attempt.purpose is Purpose.TRANSACTIONAL:
            self.urgent.append(handed.attempt.delivery)
        else:
            self.others += 1
        try:
            async with self._moved:
                self._moved.notify_all()
            if handed.attempt.purpose is not Purpose.TRANSACTIONAL:
                await self.gate.wait()
            return await self.usual(handed)
        finally:
            self.inside -= 1

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait for what was handed over."""
        async with self._moved:
            await self._moved.wait_for(met)


async def many(bus: Any, shop: Any, count: int) -> list[Any]:
    return [(await bus.send("news", await shop.ada(email=f"p{number}@example.com")))[0] for number in range(count)]


async def test_a_provider_that_hangs_leaves_room_for_what_is_urgent(bus: Any, shop: Any) -> None:
    senders, door, ada = bus.parts.dispatcher.senders, Doorman(shop.wire("mail")), await shop.ada()
    await many(bus, shop, senders.slots + 5)
    async with working(bus):
        await door.until(lambda: door.others == senders.slots - senders.kept)
        codes = [(await bus.send("code", ada))[0].id for _ in range(2)]
        await door.until(lambda: len(door.urgent) == 2)
        assert door.urgent == codes, "one after the other: they are one person's"
        assert door.others == senders.slots - senders.kept
        door.gate.set()
        await door.until(lambda: door.others == senders.slots + 5)
    await bus.drain()
    await shop.balanced()


async def test_it_overtakes_a_batch_whose_attempts_are_being_written(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, door, ada = bus.parts.store, Doorman(shop.wire("mail")), await shop.ada()
    begun, gate, usual = asyncio.Event(), asyncio.Event(), store.attempt

    async def attempt(tries: Sequence[Any]) -> Any:
        if len(tries) > 1:
            begun.set()
            await gate.wait()
        return await usual(tries)

    monkeypatch.setattr(store, "attempt", attempt)
    await many(bus, shop, 40)
    async with working(bus):
        await begun.wait()
        (code,) = await bus.send("code", ada)
        await door.until(lambda: door.urgent == [code.id])
        assert door.others == 0
        gate.set()
        door.gate.set()
        await door.until(lambda: door.others == 40)
    await shop.balanced()


async def test_a_batch_that_is_being_prepared_stands_aside(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "MOMENT", PATIENCE)
    store, door, ada = bus.parts.store, Doorman(shop.wire("mail")), await shop.ada()
    accepting, usual, accept, attempt = asyncio.Event(), store.load, store.accept, store.attempt
    sends: list[asyncio.Task[Any]] = []
    sizes: list[int] = []

    async def accepts(wishes: Sequence[Any], *, take: Any) -> Any:
        accepting.set()
        sizes.append(len(take.tries))
        return await accept(wishes, take=take)

    async def load(ids: Sequence[str], **told: Any) -> Any:
        if len(ids) > 1 and not sends:
            accepting.clear()
            sends.append(asyncio.create_task(bus.send("code", ada)))
            await accepting.wait()
        return await usual(ids, **told)

    async def attempts(tries: Sequence[Any]) -> Any:
        sizes.append(len(tries))
        return await attempt(tries)

    await many(bus, shop, 40)
    for name, wrapped in (("accept", accepts), ("load", load), ("attempt", attempts)):
        monkeypatch.setattr(store, name, wrapped)
    door.gate.set()
    async with working(bus):
        await door.until(lambda: door.others == 40)
    assert len(door.urgent) == 1
    assert sizes[:2] == [1, 40], "the batch was claimed before, and waited until the urgent one was written down"
    await shop.balanced()


async def test_what_the_same_commit_gives_us_is_claimed_no_more(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, door, ada, taken = bus.parts.store, Doorman(shop.wire("mail")), await shop.ada(), []
    usual = store.claim

    async def claim(*told: Any, **more: Any) -> Any:
        found = await usual(*told, **more)
        taken.extend(each.id for each in found)
        return found

    monkeypatch.setattr(store, "claim", claim)
    async with working(bus):
        (warm,) = await bus.send("news", ada)  # whoever works has begun
        door.gate.set()
        await door.until(lambda: door.others == 1)
        bob = await shop.ada(email="bob@example.com")
        (code,) = await bus.send("code", bob)
        await door.until(lambda: door.urgent == [code.id])
    assert taken == [warm.id]
    assert await shop.state(code) is State.SENT
    await shop.balanced()


async def test_the_same_key_again_is_not_handed_over_again(bus: Any, shop: Any) -> None:
    """What was accepted before is in hand, with the very lease that we work under."""
    wire, ada = shop.wire("mail"), await shop.ada()
    inside, gate, usual = asyncio.Event(), asyncio.Event(), wire.take

    async def take(handed: Any) -> Receipt:
        inside.set()
        await gate.wait()
        return await usual(handed)

    wire.take = take
    async with working(bus):
        await bus.send("news", ada)
        await inside.wait()
        inside.clear()
        bob = await shop.ada(email="bob@example.com")
        first, second = await asyncio.gather(*(bus.send("code", bob, key="k") for _ in range(2)))
        await inside.wait()
        assert [each.id for each in first] == [each.id for each in second]
        assert [each.id for each in await bus.send("code", bob, key="k")] == [each.id for each in first]
        gate.set()
    assert len(wire.handed) == 2
    await shop.balanced()


async def test_never_more_in_flight_than_slots(bus: Any, shop: Any) -> None:
    senders, wire = bus.parts.dispatcher.senders, shop.wire("mail")
    people = [await shop.ada(email=f"p{number}@example.com") for number in range(senders.slots + 20)]
    inside, most, gate, full, usual = 0, 0, asyncio.Event(), asyncio.Event(), wire.take

    async def take(handed: Any) -> Receipt:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == senders.slots:
            full.set()
        await gate.wait()
        inside -= 1
        return await usual(handed)

    wire.take = take
    async with working(bus):
        await bus.send("news", await shop.ada())
        await asyncio.gather(*(bus.send("code", each) for each in people))
        await full.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        open_ = [each for who in people for each in await bus.parts.store.deliveries(customer=who.id)]
        tried = [each for one in open_ for each in await bus.parts.store.attempts(one.id)]
        assert len(tried) <= senders.slots
        gate.set()
    await bus.drain()
    assert most == senders.slots
    assert senders.taken == senders.urgent == 0
    await shop.balanced()


async def test_what_an_unanswered_acceptance_holds_is_freed(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ada, usual = bus.parts.store, await shop.ada(), bus.parts.store.accept
    await bus.parts.dispatcher.round()  # it works

    async def accept(wishes: Sequence[Any], **told: Any) -> Any:
        monkeypatch.setattr(store, "accept", usual)
        await usual(wishes, **told)
        raise StoreFull("the line went dead")

    monkeypatch.setattr(store, "accept", accept)
    with pytest.raises(StoreFull):
        await bus.send("code", ada)
    (row,) = await store.deliveries(customer=ada.id)
    assert row.state is State.SENDING
    (tried,) = await store.attempts(row.id)
    assert tried.outcome == "", "its attempt is stored, too, and nobody acted on it"
    await bus.parts.dispatcher.round()
    await bus.drain()
    assert await shop.state(row) is State.SENT
    assert [each.outcome for each in await store.attempts(row.id)] == ["not_made", "accepted"]
    assert len(shop.wire("mail").handed) == 1
    await shop.balanced()


async def test_what_is_due_later_waits_for_its_time(bus: Any, shop: Any) -> None:
    ada, later = await shop.ada(), shop.clock.now() + timedelta(hours=1)
    await bus.parts.dispatcher.round()
    (code,) = await bus.send("code", ada, at=later)
    await bus.parts.dispatcher.finish()
    assert await shop.state(code) is State.QUEUED
    await shop.until(timedelta(hours=1))
    assert await shop.state(code) is State.SENT


async def test_one_commit_stands_before_the_request(bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepted, taken and attempted: nothing else is written, and what the request says was judged."""
    store, ada, wire = bus.parts.store, await shop.ada(), shop.wire("mail")
    engine, usual, written, before = store.engine, wire.take, 0, []
    await bus.parts.dispatcher.round()  # it works
    write = engine.write

    async def writes(job: Any, **told: Any) -> Any:
        nonlocal written
        written += 1
        return await write(job, **told)

    async def take(handed: Any) -> Receipt:
        (row,) = await store.deliveries(customer=ada.id)
        before.extend([written, row.state, [each.outcome for each in await store.attempts(row.id)]])
        return await usual(handed)

    monkeypatch.setattr(engine, "write", writes)
    wire.take = take
    (code,) = await bus.send("code", ada.id)
    await bus.parts.dispatcher.finish()
    assert before == [1, State.SENDING, [""]]
    assert await shop.state(code) is State.SENT
    assert (await bus.why(code.id))["decisions"]
    await shop.balanced()


@asynccontextmanager
async def meanwhile(bus: Any, monkeypatch: pytest.MonkeyPatch, does: Callable[[], Any]) -> AsyncIterator[None]:
    """Let something happen between the verdict and the commit that accepts, takes and attempts."""
    store, usual = bus.parts.store, bus.parts.store.accept
    asked: list[int] = []

    async def accept(wishes: Sequence[Any], *, take: Any) -> Any:
        monkeypatch.setattr(store, "accept", usual)
        asked.append(len(take.tries))
        await does()
        return await usual(wishes, take=take)

    monkeypatch.setattr(store, "accept", accept)
    await bus.parts.dispatcher.round()  # it works
    yield
    await bus.parts.dispatcher.finish()
    assert asked == [1], "it was judged before it was accepted"


async def test_a_verdict_that_is_too_old_does_not_count(bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit that accepts asks the attempt's guards: what moved meanwhile is judged again."""
    ada = await shop.ada()
    await bus.track(
        ada, "cart.updated", {"id": "c", "currency": "GBP", "lines": [{"sku": "mug", "name": "Mug", "price": "1"}]}
    )
    async with meanwhile(bus, monkeypatch, lambda: bus.track(ada, "cart.cleared", {"id": "c"})):
        (told,) = await bus.send("still", ada)
    assert await shop.state(told) is State.DROPPED
    assert await bus.parts.store.attempts(told.id) == []
    assert shop.wire("mail").handed == []
    await shop.balanced()


async def test_a_provider_that_rests_since_is_not_asked(bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, until = await shop.ada(), shop.clock.now() + timedelta(hours=1)
    (name,) = [f"mail/{each.scheme}" for each in bus.lines[("mail", "person")].providers]
    async with meanwhile(bus, monkeypatch, lambda: bus.parts.store.pause(name, until, "429")):
        (code,) = await bus.send("code", ada)
    row = await shop.row(code)
    assert (row.state, row.due) == (State.HELD, until)
    assert await bus.parts.store.attempts(code.id) == []
    assert shop.wire("mail").handed == []
    await shop.balanced()


async def test_what_is_refused_leaves_nothing_behind(bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged, and then not accepted: dropped in no book, and the slot is free again."""
    ada, senders, store = await shop.ada(), bus.parts.dispatcher.senders, bus.parts.store
    await bus.parts.dispatcher.round()  # it works

    async def full(*_: Any, **__: Any) -> Any:
        raise StoreFull("no room")

    usual, settle, settled = store.accept, store.settle, list[str]()

    async def settles(settlements: Sequence[Any]) -> Any:
        settled.extend(each.reason for each in settlements)
        return await settle(settlements)

    monkeypatch.setattr(store, "accept", full)
    monkeypatch.setattr(store, "settle", settles)
    for name in ("code", "still"):  # one would be sent, the other dropped
        with pytest.raises(StoreFull):
            await bus.send(name, ada)
    monkeypatch.setattr(store, "accept", usual)
    await bus.parts.dispatcher.finish()
    assert settled == ["the store was away"], "an attempt that nobody acted on is closed, should it be stored after all"
    assert senders.taken == senders.urgent == 0
    assert (await bus.audit())["accepted"] == 0
    assert not [each for each in await bus.timeline(ada) if each.type.startswith("message.")]
    assert shop.wire("mail").handed == []
    await shop.balanced()


async def test_what_may_not_go_is_dropped_once_it_is_accepted(bus: Any, shop: Any) -> None:
    ada = await shop.ada()
    await bus.parts.dispatcher.round()  # it works
    (told,) = await bus.send("still", ada)
    await bus.parts.dispatcher.finish()
    assert await shop.state(told) is State.DROPPED
    assert "message.dropped" in [each.type for each in await bus.timeline(ada)]
    await shop.balanced()


async def test_what_is_in_hand_at_once_says_the_same_as_what_is_claimed(bus: Any, shop: Any) -> None:
    """Values are those of the row, whoever has them in memory still."""
    ada, told = await shop.ada(), {"at_": shop.clock.now()}
    await bus.send("when", ada, **told)
    await bus.drain()
    await bus.parts.dispatcher.round()  # it works
    await bus.send("when", ada, **told)
    await bus.parts.dispatcher.finish()
    claimed, at_once = (each.content.text for each in shop.wire("mail").handed)
    assert claimed == at_once
