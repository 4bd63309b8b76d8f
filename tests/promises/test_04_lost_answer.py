"""Promise 4: an answer that is lost is never guessed. One table for every idempotency and purpose."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from omnibus import Receipt, Refused, TryLater, Unknown, Unreachable
from omnibus.testing import FakeChannel

pytestmark = pytest.mark.promise

PURPOSES = ("transactional", "service", "marketing")
DAY = timedelta(days=1)


class Died(BaseException):
    """What no `except Exception` catches."""


async def one_lost(shop: Any, idempotency: str, purpose: str, *, arrived: bool, times: int = 1, **members: Any) -> Any:
    """Send once on a channel with two providers, beside a second channel; the first answers are lost."""
    shop.channel("mail", "one", "two", idempotency=idempotency, members=members)
    shop.channel("text", identity="phone")
    shop.message("hello", via=["mail", "text"], purpose=purpose)
    bus = await shop.open()
    for _ in range(times):
        shop.wire("mail", "one").lose(arrived=arrived)
    (delivery,) = await bus.send("hello", await shop.ada())
    await shop.until(DAY)
    assert shop.wire("mail", "two").handed == [], "never another provider"
    assert shop.wire("text").handed == [], "never another channel"
    await shop.balanced()
    return await shop.row(delivery)


def keys(shop: Any) -> list[str]:
    return [each.attempt.id for each in shop.wire("mail", "one").handed]


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("arrived", [True, False])
async def test_key_hands_the_same_key_over_again(shop: Any, purpose: str, arrived: bool) -> None:
    row = await one_lost(shop, "key", purpose, arrived=arrived)
    assert (row.state.value, row.flagged, row.attempts) == ("sent", False, 1)
    assert len(keys(shop)) == 2
    assert len(set(keys(shop))) == 1
    assert len(shop.wire("mail", "one").arrived) == 1
    assert [each.attempt.resent for each in shop.wire("mail", "one").handed] == [False, True]


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_key_goes_on_within_its_window_then_by_purpose(shop: Any, purpose: str) -> None:
    row = await one_lost(shop, "key", purpose, arrived=True, times=120, key_window=50)
    tried = keys(shop)
    first, rest = tried[0], [each for each in tried if each != tried[0]]
    assert tried.count(first) > 5, "again and again within 0.8 of the window"
    if purpose == "transactional":
        assert row.flagged
        assert len(set(rest)) == 1, "one resend"
    else:
        assert not rest
    assert (row.state.value, row.reason) == ("failed", "answer_lost")


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("arrived", [True, False])
async def test_lookup_asks_first(shop: Any, purpose: str, arrived: bool) -> None:
    row = await one_lost(shop, "lookup", purpose, arrived=arrived)
    assert row.state.value == "sent"
    assert not row.flagged
    assert len(keys(shop)) == (1 if arrived else 2), "handed over again only when surely absent"
    assert len(shop.wire("mail", "one").arrived) == 1


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("fault", [Unknown("who knows"), TryLater("busy"), KeyError("bug")])
async def test_a_lookup_that_tells_nothing_asks_three_times(shop: Any, purpose: str, fault: Exception) -> None:
    asked: list[float] = []

    async def lookup(self: Any, attempt: Any, address: str, keep: Any) -> Any:
        asked.append((shop.clock.now() - attempt.started).total_seconds())
        raise fault

    row = await one_lost(shop, "lookup", purpose, arrived=True, lookup=lookup)
    if purpose == "transactional":
        assert (row.state.value, row.flagged, len(keys(shop))) == ("sent", True, 2)
    else:
        assert (row.state.value, row.reason, len(keys(shop))) == ("failed", "answer_lost", 1)
    assert asked == [30.0, 150.0, 750.0]


@pytest.mark.parametrize("idempotency", ["none", "echo"])
@pytest.mark.parametrize("purpose", PURPOSES)
async def test_none_goes_by_purpose(shop: Any, purpose: str, idempotency: str) -> None:
    row = await one_lost(shop, idempotency, purpose, arrived=True)
    if purpose == "transactional":
        assert (row.state.value, row.flagged, len(set(keys(shop)))) == ("sent", True, 2)
    else:
        assert (row.state.value, row.reason, row.flagged) == ("failed", "answer_lost", False)
        assert len(keys(shop)) == 1, "silence rather than twice"


@pytest.mark.parametrize("idempotency", ["none", "echo", "key", "lookup"])
async def test_lost_twice_is_the_end(shop: Any, idempotency: str) -> None:
    row = await one_lost(shop, idempotency, "transactional", arrived=True, times=2, key_window=1)
    if idempotency == "lookup":
        assert row.state.value == "sent"
        return
    assert (row.state.value, row.reason, len(keys(shop))) == ("failed", "answer_lost", 2)


async def test_echo_waits_for_the_receipt(shop: Any) -> None:
    shop.channel("mail", idempotency="echo")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    shop.wire("mail").lose(arrived=True)
    (delivery,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    assert (await shop.state(delivery)).value == "unknown"
    assert await bus.next_due() == shop.clock.now() + timedelta(minutes=15)
    (attempt,) = await bus.parts.store.attempts(delivery.id)
    answer = await shop.report("mail", {"id": "r1", "type": "message.delivered", "attempt": attempt.id})
    assert answer.status == 204
    assert (await shop.state(delivery)).value == "delivered"
    await shop.until(DAY)
    assert len(shop.wire("mail").handed) == 1
    await shop.balanced()


async def test_a_late_receipt_lifts_answer_lost_and_nothing_else(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    shop.wire("mail").lose(arrived=True)
    shop.wire("mail").answers(Refused("no"))
    rows = [(await bus.send("hello", ada))[0] for _ in range(2)]
    await bus.drain()
    assert [(await shop.state(each)).value for each in rows] == ["failed", "failed"]
    for number, each in enumerate(rows):
        (attempt,) = await bus.parts.store.attempts(each.id)
        await shop.report("mail", {"id": f"r{number}", "type": "message.opened", "attempt": attempt.id})
    assert [(await shop.state(each)).value for each in rows] == ["opened", "failed"]
    await shop.balanced()


@pytest.mark.parametrize("answer", [TryLater("running"), TryLater("slow down", retry_after=60)])
@pytest.mark.parametrize("purpose", PURPOSES)
async def test_try_later_on_the_same_key_keeps_the_key(shop: Any, answer: TryLater, purpose: str) -> None:
    """The second request was refused, but the first may have arrived: a new key would be a second message."""
    shop.channel("mail", "one", "two", idempotency="key")
    shop.message("hello", via=["mail"], purpose=purpose)
    bus = await shop.open()
    wire = shop.wire("mail", "one")
    wire.lose(arrived=True)
    wire.answers(answer)
    (delivery,) = await bus.send("hello", await shop.ada())
    await shop.until(DAY)
    assert len(set(keys(shop))) == 1
    assert shop.wire("mail", "two").handed == []
    assert (await shop.state(delivery)).value == "sent"
    await shop.balanced()


@pytest.mark.parametrize("answer", [Refused("other body"), Unreachable("dead")])
@pytest.mark.parametrize("purpose", PURPOSES)
async def test_a_refusal_of_the_same_key_ends_it(shop: Any, answer: Exception, purpose: str) -> None:
    shop.channel("mail", "one", "two", idempotency="key")
    shop.channel("text", identity="phone")
    shop.message("hello", via=["mail", "text"], purpose=purpose)
    bus = await shop.open()
    shop.wire("mail", "one").lose(arrived=True)
    shop.wire("mail", "one").answers(answer)
    (delivery,) = await bus.send("hello", await shop.ada())
    await shop.until(DAY)
    row = await shop.row(delivery)
    assert (row.state.value, row.reason) == ("failed", "answer_lost")
    assert shop.wire("mail", "two").handed == shop.wire("text").handed == []
    await shop.balanced()


async def test_an_unknown_is_not_held_back_into_a_second_message(shop: Any) -> None:
    """Night falls between the loss and the look: it stays unknown, and its key stays its key."""
    shop.policy = '[policy]\nquiet_hours = "21:00-08:00"\nbudget = false\n'
    shop.channel("mail", "one", "two", idempotency="key")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada(email="ada@example.com", zone="UTC")
    shop.clock.set(shop.clock.now().replace(hour=20, minute=59, second=59, microsecond=500_000))
    shop.wire("mail", "one").lose(arrived=True)
    (delivery,) = await bus.send("hello", ada)
    await bus.drain()
    shop.clock.advance(timedelta(seconds=2))
    await bus.drain()
    assert (await shop.state(delivery)).value == "unknown"
    await shop.until(DAY)
    assert len(set(keys(shop))) == 1
    assert (await shop.state(delivery)).value == "sent"


async def test_a_resting_provider_does_not_turn_an_unknown_into_anothers(shop: Any) -> None:
    shop.channel("mail", "one", "two", idempotency="key")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    shop.wire("mail", "one").lose(arrived=True)
    (delivery,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    await bus.parts.store.pause("mail/one", shop.clock.now() + timedelta(hours=1), "429")
    await shop.until(timedelta(minutes=30))
    assert (await shop.state(delivery)).value == "unknown"
    await shop.until(DAY)
    assert shop.wire("mail", "two").handed == []
    assert (await shop.state(delivery)).value == "sent"


async def test_a_deadline_that_passes_while_unknown_is_no_expiry(shop: Any) -> None:
    shop.channel("mail", idempotency="echo")
    shop.message("code", via=["mail"], purpose="transactional", expires="5m")
    bus = await shop.open()
    shop.wire("mail").lose(arrived=True)
    (delivery,) = await bus.send("code", await shop.ada())
    await shop.until(DAY)
    row = await shop.row(delivery)
    assert (row.state.value, row.reason, len(shop.wire("mail").handed)) == ("failed", "answer_lost", 1)


@pytest.mark.parametrize("idempotency", ["none", "key", "lookup"])
async def test_a_worker_that_dies_in_the_hand_over_leaves_unknown(shop: Any, idempotency: str) -> None:
    """The attempt row is committed before the request leaves, so a crash is a counted doubt, not a silent duplicate."""
    shop.channel("mail", idempotency=idempotency)
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    (delivery,) = await bus.send("hello", await shop.ada())
    seen: list[str] = []

    async def dies(handed: Any) -> Receipt:
        (attempt,) = await bus.parts.store.attempts(delivery.id)
        seen.append(attempt.outcome)
        raise Died

    wire = shop.wire("mail")
    usual, wire.take = wire.take, dies
    with pytest.raises(Died):
        await bus.drain()
    wire.take = usual
    assert seen == [""], "its row was there, and open"
    bus.parts.dispatcher.senders.tasks.clear()
    bus = await shop.reopen()
    assert await bus.parts.store.rescue(shop.clock.now(), everything=True) == 1
    assert (await shop.state(delivery)).value == "unknown"
    await shop.until(DAY)
    row = await shop.row(delivery)
    assert row.state.value == ("failed" if idempotency == "none" else "sent")
    assert len(wire.arrived) == (0 if idempotency == "none" else 1)
    await shop.balanced()


async def test_what_may_have_arrived_is_no_poison(shop: Any) -> None:
    """Its channel breaks before the same key can be used again: whether it arrived, a report may still tell."""
    calls: list[int] = []

    def compose(self: Any, *told: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise ZeroDivisionError
        return FakeChannel.compose(self, *told)

    shop.channel("mail", "one", idempotency="key", channel={"compose": compose})
    shop.message("hello", via=["mail"], purpose="marketing", topic="news")
    bus = await shop.open()
    shop.wire("mail", "one").lose(arrived=True)
    (delivery,) = await bus.send("hello", await shop.ada())
    await shop.until(timedelta(days=1))
    row = await shop.row(delivery)
    assert (row.state.value, row.reason, len(calls)) == ("failed", "answer_lost", 6)
    told = {"id": "r", "type": "message.delivered", "attempt": keys(shop)[0]}
    assert (await shop.report("mail", told, scheme="one")).status == 204
    assert (await shop.row(delivery)).state.value == "delivered"
    await shop.balanced()


async def test_an_attempt_whose_provider_is_gone_is_closed(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker died, and who could tell is configured no more: it ends, and no attempt stays open for ever."""
    shop.channel("mail", "one")
    shop.message("hello", via=["mail"], purpose="service")
    bus = await shop.open()
    (delivery,) = await bus.send("hello", await shop.ada())

    async def dies(handed: Any) -> Receipt:
        raise Died

    shop.wire("mail", "one").take = dies
    with pytest.raises(Died):
        await bus.drain()
    bus.parts.dispatcher.senders.tasks.clear()
    bus = await shop.reopen()
    assert await bus.parts.store.rescue(shop.clock.now(), everything=True) == 1
    monkeypatch.setattr("omnibus.outbound.road.Road.provider", lambda *_: None)
    await bus.drain()
    row = await shop.row(delivery)
    assert (row.state.value, row.reason) == ("failed", "answer_lost")
    assert [each.outcome for each in await bus.parts.store.attempts(delivery.id)] == ["unknown"]
