"""Promise 6: in order among what is due; after a death the work goes on; a provider's `not before` binds every worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest

from omnibus import Refused, State, TryLater
from omnibus.errors import MessageError, StoreFull
from omnibus.testing import FakeChannel

pytestmark = pytest.mark.promise


async def test_in_order_among_what_is_due(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"], purpose="service")
    bus = await shop.open()
    ada, now = await shop.ada(), shop.clock.now()
    made = {name: (await bus.send("hello", ada, at=now + timedelta(minutes=due)))[0] for name, due in
            {"later": 30, "first": 1, "second": 2, "third": 2, "never yet": 60 * 24}.items()}  # fmt: skip
    shop.clock.advance(timedelta(minutes=45))
    await bus.drain()
    order = [each.attempt.delivery for each in shop.wire("mail").handed]
    assert order == [made[name].id for name in ("first", "second", "third", "later")]


@pytest.mark.parametrize("why", ["refused", "unsayable", "store away", "worker dead"])
async def test_what_has_to_go_again_at_once_keeps_its_place(
    shop: Any, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """By another route, after the store was away or its worker died: what came after it does not go before it."""
    unsayable = [why == "unsayable"]

    def compose(self: Any, *told: Any) -> Any:
        if unsayable.pop() if unsayable else False:
            raise MessageError("too long")
        return FakeChannel.compose(self, *told)

    shop.channel("mail", channel={"compose": compose})
    shop.channel("text", identity="phone")
    shop.message("hello", via=["mail", "text"], purpose="service")
    bus = await shop.open()
    ada = await shop.ada(email="ada@example.com", phone="+442079460000")
    now, store = shop.clock.now(), bus.parts.store
    first, second = [(await bus.send("hello", ada, at=now + timedelta(minutes=due)))[0].id for due in (1, 2)]
    shop.clock.advance(timedelta(minutes=3))
    if why == "refused":
        shop.wire("mail").answers(Refused("no"))
    elif why == "worker dead":
        await store.claim(shop.clock.now(), limit=1, lease="dead", term=60)
        await store.rescue(shop.clock.now(), everything=True)
    elif why == "store away":
        with monkeypatch.context() as patch:
            patch.setattr(store, "attempt", AsyncMock(side_effect=StoreFull("away")))
            with pytest.raises(StoreFull):
                await bus.drain()
    await bus.drain()
    tried = [each for delivery in (first, second) for each in await store.attempts(delivery)]
    assert [each.delivery for each in tried if each.outcome == "accepted"] == [first, second]
    assert max(tried, key=lambda each: each.id).delivery == second, "the last to leave"
    await shop.balanced()


async def test_one_that_waits_holds_nobody_up(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"], purpose="service")
    bus = await shop.open()
    ada = await shop.ada()
    shop.wire("mail").answers(TryLater("busy"))
    first, second = [(await bus.send("hello", ada))[0] for _ in range(2)]
    await bus.drain()
    assert (await shop.state(first), await shop.state(second)) == (State.QUEUED, State.SENT)
    await shop.until(timedelta(minutes=1))
    assert await shop.state(first) is State.SENT


async def test_after_a_death_the_next_worker_takes_over(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    for _ in range(2):
        await bus.send("hello", ada)
    claimed = await bus.parts.store.claim(shop.clock.now(), limit=10, lease="dead", term=60)
    assert len(claimed) == 1, "one of a customer at a time"
    await bus.drain()
    assert shop.wire("mail").handed == [], "its lane is held"
    bus = await shop.reopen()
    assert await bus.parts.store.rescue(shop.clock.now(), everything=True) == 1
    await bus.drain()
    assert len(shop.wire("mail").handed) == 2
    await shop.balanced()


async def test_a_lease_that_ran_out_is_rescued_and_a_live_one_is_not(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    store = bus.parts.store
    for n in range(2):
        await bus.send("hello", await shop.ada(email=f"p{n}@example.com"), key=str(n))
    (dead,) = await store.claim(shop.clock.now(), limit=1, lease="dead", term=-1)
    (live,) = await store.claim(shop.clock.now(), limit=1, lease="live", term=60)
    assert await store.rescue(shop.clock.now()) == 1
    assert (await shop.state(dead), await shop.state(live)) == (State.QUEUED, State.SENDING)
    (again,) = await store.claim(shop.clock.now(), limit=10, lease="next", term=60)
    assert again.id == dead.id


async def test_429_binds_every_worker_until_its_time(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"], purpose="transactional")
    bus = await shop.open()
    wire, start = shop.wire("mail"), shop.clock.now()
    people = [await shop.ada(email=f"p{n}@example.com") for n in range(6)]
    wire.answers(TryLater("rate_limited", retry_after=90))
    await bus.send("hello", people[0])
    await bus.drain()
    other = await shop.open()  # another worker on the same store
    for each in people[1:]:
        await other.send("hello", each)
    await other.drain()
    shop.clock.advance(timedelta(seconds=89))
    await other.drain()
    await bus.drain()
    assert len(wire.handed) == 1, "nobody asks before"
    await shop.until(start + timedelta(seconds=90))
    assert len(wire.handed) == 7
    assert {each.attempt.started - start for each in wire.handed[1:]} == {timedelta(seconds=90)}


async def test_a_wait_for_one_recipient_alone_holds_nobody_else_up(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"], purpose="transactional")
    bus = await shop.open()
    wire, start = shop.wire("mail"), shop.clock.now()
    wire.answers(TryLater("greylisted", retry_after=300, alone=True))
    rows = [(await bus.send("hello", await shop.ada(email=f"p{n}@example.com")))[0] for n in range(2)]
    await bus.drain()
    assert await bus.parts.store.pauses(start) == {}
    assert [await shop.state(each) for each in rows] == [State.QUEUED, State.SENT]
    shop.clock.advance(timedelta(seconds=299))
    await bus.drain()
    assert len(wire.handed) == 2, "its own recipient is not asked before"
    await shop.until(start + timedelta(seconds=300))
    assert await shop.state(rows[0]) is State.SENT
    await shop.balanced()


async def test_a_try_that_came_too_late_is_refused_in_the_transaction(shop: Any) -> None:
    """The pause commits after the verdict and before the attempt."""
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    (one,) = await bus.send("hello", await shop.ada())
    store, usual = bus.parts.store, bus.parts.store.attempt

    async def attempt(tries: Any) -> Any:
        await store.pause("mail/mailone", shop.clock.now() + timedelta(hours=1), "429")
        return await usual(tries)

    store.attempt = attempt
    await bus.drain()
    assert shop.wire("mail").handed == []
    row = await shop.row(one)
    assert (row.state, row.reason) == (State.HELD, "every provider of a possible route rests")
    assert row.due == shop.clock.now() + timedelta(hours=1)


async def test_a_shorter_pause_does_not_shorten(shop: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    store, now = bus.parts.store, shop.clock.now()
    await store.pause("mail/one", now + timedelta(minutes=10), "429")
    await store.pause("mail/one", now + timedelta(minutes=1), "429")
    assert await store.pauses(now) == {"mail/one": (now + timedelta(minutes=10), "429")}
    assert await store.pauses(now + timedelta(minutes=10)) == {}


async def test_an_accounts_trouble_is_not_the_messages(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    wire = shop.wire("mail")
    wire.answers(TryLater("401", account=True))
    rows = [(await bus.send("hello", await shop.ada(email=f"p{n}@example.com")))[0] for n in range(3)]
    await bus.drain()
    assert {(await shop.state(each)).value for each in rows} <= {"queued", "held", "sent"}
    assert await bus.parts.store.pauses(shop.clock.now())
    await shop.until(timedelta(minutes=10))
    assert {(await shop.state(each)).value for each in rows} == {"sent"}
    await shop.balanced()


async def test_one_slow_answer_delays_no_other(shop: Any) -> None:
    from omnibus.testing import HANG

    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    wire = shop.wire("mail")
    wire.answers(HANG)
    people = [await shop.ada(email=f"p{n}@example.com") for n in range(3)]
    for each in people:
        await bus.send("hello", each)
    while len(wire.arrived) < 2:
        await bus.parts.dispatcher.round()
    assert len(wire.handed) == 3
    wire.release()
    await bus.drain()
    assert len(wire.arrived) == 3


async def test_a_claim_waits_for_more_room_only_under_pressure(shop: Any) -> None:
    """Some slots are kept for what is urgent, which waits for no round."""
    shop.channel("mail")
    shop.message("hello", via=["mail"], topic="news")
    bus = await shop.open()
    dispatcher = bus.parts.dispatcher
    room = dispatcher.senders.slots - dispatcher.senders.kept
    assert 0 < room < dispatcher.senders.slots
    for number in range(room):
        await bus.send("hello", await shop.ada(email=f"p{number}@example.com"))
    await dispatcher.round()  # all it could take: there may be more
    assert dispatcher._enough() == room
    await bus.drain()
    assert dispatcher._enough() == dispatcher.senders.slots // 3
    await shop.balanced()


async def test_what_is_urgent_goes_before_what_the_same_person_waits_for(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"], topic="news")
    shop.message("code", via=["mail"], purpose="transactional", topic="account")
    bus, ada = await shop.open(), await shop.ada()
    sent = [(await bus.send(each, ada))[0].id for each in ("hello", "hello", "code", "hello", "code")]
    await bus.drain()
    order = [each.attempt.delivery for each in shop.wire("mail").handed]
    assert order == [sent[place] for place in (2, 4, 0, 1, 3)]
    await shop.balanced()
