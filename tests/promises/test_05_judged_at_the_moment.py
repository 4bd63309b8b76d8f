"""Promise 5: what binds is the context in the transaction of the attempt, not the one it was judged from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from omnibus import Refused, State, Unknown
from omnibus.store import Grant

pytestmark = pytest.mark.promise
STOP = {"channel": "mail", "purpose": "marketing", "topic": "*"}


async def shop_with(shop: Any, **front: Any) -> Any:
    shop.channel("mail")
    shop.message("hello", via=["mail"], **front)
    return await shop.open()


def just_before_the_attempt(bus: Any, act: Callable[[], Awaitable[Any]]) -> list[Grant]:
    """Let something be committed between the verdict and the attempt, once; lists what the attempts were answered."""
    store, grants, once = bus.parts.store, [], [act]
    usual = store.attempt

    async def attempt(tries: Any) -> Any:
        if once:
            await once.pop()()
        answers = await usual(tries)
        grants.extend(answers)
        return answers

    store.attempt = attempt
    return grants


async def test_consent_withdrawn_between_verdict_and_attempt(shop: Any) -> None:
    bus = await shop_with(shop)
    ada = await shop.ada()
    (one,) = await bus.send("hello", ada)
    grants = just_before_the_attempt(bus, lambda: bus.track(ada, "consent.withdrawn", STOP, id="stop"))
    await bus.drain()
    assert grants == [Grant.STALE]
    assert shop.wire("mail").handed == []
    row = await shop.row(one)
    assert row.state is State.DROPPED
    assert row.reason.startswith("mail: consent withdrawn (app stop at ")
    await shop.balanced()


async def test_a_premise_that_breaks_between_verdict_and_attempt(shop: Any) -> None:
    bus = await shop_with(shop, while_=["cart.open"])
    ada = await shop.ada()
    lines = [{"sku": "A1", "quantity": 1, "price": "5"}]
    await bus.track(ada, "cart.updated", {"id": "c1", "lines": lines}, id="c1")
    (one,) = await bus.send("hello", ada)
    grants = just_before_the_attempt(bus, lambda: bus.track(ada, "order.placed", {"id": "o1"}, id="o1", source="till"))
    await bus.drain()
    assert grants == [Grant.STALE]
    assert (await shop.row(one)).reason == "mail: premise cart.open no longer holds"
    assert shop.wire("mail").handed == []


async def test_something_unrelated_only_costs_another_look(shop: Any) -> None:
    bus = await shop_with(shop)
    ada = await shop.ada()
    (one,) = await bus.send("hello", ada)
    grants = just_before_the_attempt(bus, lambda: bus.track(ada, "product.viewed", {"sku": "A1"}, id="v1"))
    await bus.drain()
    assert grants == [Grant.STALE, Grant.GRANTED]
    assert await shop.state(one) is State.SENT


async def test_a_merge_between_verdict_and_attempt(shop: Any) -> None:
    """Consent after a merge is the stricter one, also for who had no context of their own."""
    bus = await shop_with(shop)
    ada = await bus.customers.upsert(email="ada@example.com")
    bob = await bus.customers.upsert(email="bob@example.com")
    for who in (ada, bob):
        await bus.track(who, "consent.granted", STOP, id=f"yes-{who.id}")
    shop.clock.advance(timedelta(seconds=1))
    await bus.track(bob, "consent.withdrawn", STOP, id="no")
    (one,) = await bus.send("hello", ada)
    grants = just_before_the_attempt(bus, lambda: bus.customers.merge(ada.id, bob.id))
    await bus.drain()
    assert grants == [Grant.STALE]
    assert await shop.state(one) is State.DROPPED
    assert shop.wire("mail").handed == []


async def test_night_falls_while_it_waits(shop: Any) -> None:
    shop.policy = '[policy]\nquiet_hours = "21:00-08:00"\nbudget = false\n'
    bus = await shop_with(shop)
    ada = await shop.ada(email="ada@example.com", zone="America/New_York")
    evening = shop.clock.now().replace(day=22, hour=1, minute=59)  # 20:59 on the 21st in New York
    (one,) = await bus.send("hello", ada, at=evening)
    shop.clock.set(evening + timedelta(minutes=1))
    await bus.drain()
    row = await shop.row(one)
    assert (row.state, row.reason) == (State.HELD, "quiet hours in America/New_York")
    assert row.due.isoformat() == "2026-11-22T13:00:00+00:00"
    await shop.until(row.due)
    assert await shop.state(one) is State.SENT
    assert await shop.types(ada, "message") == ["message.held", "message.sent"]


async def test_held_messages_are_judged_again(shop: Any) -> None:
    shop.policy = '[policy]\nquiet_hours = "21:00-08:00"\nbudget = false\n'
    bus = await shop_with(shop)
    ada = await shop.ada(email="ada@example.com", zone="UTC")
    shop.clock.set(shop.clock.now().replace(hour=23))
    (one,) = await bus.send("hello", ada)
    await bus.drain()
    assert await shop.state(one) is State.HELD
    await bus.track(ada, "consent.withdrawn", STOP, id="stop")
    await shop.until(timedelta(hours=12))
    assert await shop.state(one) is State.DROPPED
    assert shop.wire("mail").handed == []


BUDGET = '[policy]\nquiet_hours = false\nbudget = { window = "7d", points = 3, mail = 1 }\n'


async def spent(bus: Any, shop: Any, ada: Any) -> list[tuple[int, str]]:
    week = shop.clock.now() - timedelta(days=7)
    loaded = (await bus.parts.store.load([ada.id], since=week))[ada.id]
    return [(each.points, each.channel) for each in loaded.spent]


async def test_the_budget_is_exact_over_many_at_once(shop: Any) -> None:
    shop.policy = BUDGET
    bus = await shop_with(shop)
    ada = await shop.ada()
    await asyncio.gather(*(bus.send("hello", ada) for _ in range(12)))
    await bus.drain()
    assert len(shop.wire("mail").handed) == 3
    assert await spent(bus, shop, ada) == [(1, "mail")] * 3
    await shop.balanced()


async def test_the_budget_is_checked_in_the_attempts_transaction(shop: Any) -> None:
    """Even when the verdict knew nothing of what was spent."""
    shop.policy = BUDGET
    bus = await shop_with(shop)
    ada = await shop.ada()
    for _ in range(3):
        await bus.send("hello", ada)
    await bus.drain()
    (one,) = await bus.send("hello", ada)
    usual, blind = bus.parts.store.load, [True]

    async def load(ids: Any, *, since: Any = None) -> Any:
        return await usual(ids, since=None if blind else since)

    bus.parts.store.load = load
    grants = just_before_the_attempt(bus, lambda: asyncio.sleep(0))
    usual_attempt = bus.parts.store.attempt

    async def attempt(tries: Any) -> Any:
        answers = await usual_attempt(tries)
        blind.clear()
        return answers

    bus.parts.store.attempt = attempt
    await bus.drain()
    assert grants == [Grant.OVER]
    assert len(shop.wire("mail").handed) == 3
    assert (await shop.row(one)).reason == "mail: budget of 3 points in 7 days is spent"


@pytest.mark.parametrize(
    ("answer", "points"), [(Refused("no"), 0), (Unknown("lost"), 1)], ids=["refused: given back", "lost: counts"]
)
async def test_what_surely_did_not_arrive_is_given_back(shop: Any, answer: Exception, points: int) -> None:
    shop.policy = BUDGET
    bus = await shop_with(shop)
    ada = await shop.ada()
    shop.wire("mail").answers(answer)
    await bus.send("hello", ada)
    await bus.drain()
    assert sum(each for each, _ in await spent(bus, shop, ada)) == points


async def test_a_bounce_gives_the_points_back(shop: Any) -> None:
    shop.policy = BUDGET
    bus = await shop_with(shop)
    ada = await shop.ada()
    (one,) = await bus.send("hello", ada)
    await bus.drain()
    assert await spent(bus, shop, ada) == [(1, "mail")]
    (attempt,) = await bus.parts.store.attempts(one.id)
    await shop.report("mail", {"id": "b", "type": "message.bounced", "attempt": attempt.id, "data": {"hard": True}})
    assert await shop.state(one) is State.BOUNCED
    assert await spent(bus, shop, ada) == []


async def test_the_window_rolls(shop: Any) -> None:
    shop.policy = BUDGET
    bus = await shop_with(shop, expires="30d")
    ada = await shop.ada()
    first = shop.clock.now()
    for hours in (0, 1, 2, 3, 4):
        await bus.send("hello", ada, at=first + timedelta(hours=hours))
    await shop.until(timedelta(days=6))
    assert len(shop.wire("mail").handed) == 3
    await shop.until(first + timedelta(days=7, hours=1))
    assert [each.attempt.started - first for each in shop.wire("mail").handed[3:]] == [
        timedelta(days=7), timedelta(days=7, hours=1),
    ]  # fmt: skip


async def test_receipts_cost_no_reminder(shop: Any) -> None:
    shop.policy = BUDGET
    shop.message("receipt", via=["mail"], purpose="transactional")
    bus = await shop_with(shop)
    ada = await shop.ada()
    for _ in range(5):
        await bus.send("receipt", ada)
    await bus.drain()
    assert await spent(bus, shop, ada) == []
    await bus.send("hello", ada)
    await bus.drain()
    assert len(shop.wire("mail").handed) == 6


async def test_a_card_whose_reason_went_while_it_was_placed_is_taken_off(shop: Any) -> None:
    """J2: the cart is paid between the card's attempt and its receipt; the banner must not stay."""
    shop.channel("screen", identity=None, ambient=True)
    shop.message("card", via=["screen"], while_=["cart.open"])
    bus = await shop.open()
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", {"id": "c1", "lines": [{"sku": "A1", "quantity": 1, "price": "5"}]}, id="c1")
    (card,) = await bus.send("card", ada)
    wire = shop.wire("screen")
    usual = wire.take

    async def take(handed: Any) -> Any:
        await bus.track(ada, "order.placed", {"id": "o1"}, id="o1", source="till")
        return await usual(handed)

    wire.take = take
    await bus.drain()
    assert await shop.state(card) is State.WITHDRAWN
    assert len(wire.withdrawn) == 1
