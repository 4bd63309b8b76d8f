"""Promise 8: a webhook counts once, only when somebody entitled sent it, and never moves anything back."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from omnibus import State
from omnibus.errors import StoreFull

pytestmark = pytest.mark.promise


async def sent(shop: Any) -> tuple[Any, str]:
    shop.channel("mail")
    shop.channel("text", identity="phone")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    (attempt,) = await bus.parts.store.attempts(one.id)
    return one, attempt.id


@pytest.mark.parametrize("secret", ["", "wrong", "fake "])
async def test_forged_ones_change_nothing(shop: Any, secret: str) -> None:
    one, attempt = await sent(shop)
    answer = await shop.report("mail", {"id": "r1", "type": "message.delivered", "attempt": attempt}, secret=secret)
    assert answer.status == 401
    assert await shop.state(one) is State.SENT


async def test_without_a_secret_everything_is_forged(shop: Any) -> None:
    shop.channel("mail")
    shop.tables[-1] = shop.tables[-1].replace('webhook_secret = "fake"', "")
    bus = await shop.open()
    ada = await shop.ada()
    told = {"id": "r1", "type": "conversation.received", "identity": ["email", "ada@example.com"]}
    for secret in ("", "fake"):
        assert (await shop.report("mail", told, secret=secret)).status == 401
    assert "conversation.received" not in await shop.types(ada)
    assert bus is shop.bus


async def test_the_same_report_a_hundred_times(shop: Any) -> None:
    one, attempt = await sent(shop)
    for _ in range(100):
        told = {"id": "r1", "type": "message.opened", "attempt": attempt}
        assert (await shop.report("mail", told)).status == 204
    assert (await shop.types(one.customer)).count("message.opened") == 1


@pytest.mark.parametrize("order", list(itertools.permutations(["delivered", "opened", "clicked"])))
async def test_late_ones_never_move_back(shop: Any, order: tuple[str, ...]) -> None:
    one, attempt = await sent(shop)
    ranks = []
    for what in order:
        await shop.report("mail", {"id": what, "type": f"message.{what}", "attempt": attempt})
        ranks.append(["delivered", "opened", "clicked"].index((await shop.state(one)).value))
    assert ranks == sorted(ranks)
    assert (await shop.state(one)).value == "clicked"


async def test_machine_opens_are_no_opens(shop: Any) -> None:
    one, attempt = await sent(shop)
    await shop.report("mail", {"id": "r1", "type": "message.opened", "attempt": attempt, "data": {"machine": True}})
    assert await shop.state(one) is State.SENT


@pytest.mark.parametrize("what", ["delivered", "opened", "replied"])
async def test_a_report_that_overtakes_the_receipt(shop: Any, what: str) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    wire = shop.wire("mail")
    usual, answers = wire.take, []

    async def take(handed: Any) -> Any:
        told = {"id": "r1", "type": f"message.{what}", "attempt": handed.attempt.id}
        answers.append((await shop.report("mail", told)).status)
        return await usual(handed)

    wire.take = take
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    assert answers == [204]
    assert (await shop.state(one)).value == what
    await shop.balanced()


async def test_a_report_that_overtakes_a_lost_answer_settles_it(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"], purpose="transactional")
    bus = await shop.open()
    wire = shop.wire("mail")
    wire.lose(arrived=True)
    usual = wire.take

    async def take(handed: Any) -> Any:
        await shop.report("mail", {"id": "r1", "type": "message.delivered", "attempt": handed.attempt.id})
        return await usual(handed)

    wire.take = take
    (one,) = await bus.send("hello", await shop.ada())
    await shop.until(timedelta(days=1))
    assert await shop.state(one) is State.DELIVERED
    assert len(wire.handed) == 1
    await shop.balanced()


async def test_a_bounce_that_overtakes_the_receipt_goes_on_to_the_next_route(shop: Any) -> None:
    shop.channel("mail")
    shop.channel("text", identity="phone")
    shop.message("hello", via=["mail", "text"])
    bus = await shop.open()
    wire = shop.wire("mail")
    usual = wire.take

    async def take(handed: Any) -> Any:
        told = {
            "id": "r1",
            "type": "message.bounced",
            "attempt": handed.attempt.id,
            "data": {"hard": True, "reason": "dead"},
        }
        await shop.report("mail", told)
        return await usual(handed)

    wire.take = take
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    row = await shop.row(one)
    assert (row.state, row.channel) == (State.SENT, "text")
    assert len(wire.handed) == 1
    await shop.balanced()


async def test_a_report_during_a_lookup_is_not_undone_by_it(shop: Any) -> None:
    """The provider says `absent`, while its report of the arrival is already with us."""
    from omnibus import Absent

    async def lookup(self: Any, attempt: Any, address: str, keep: Any) -> Absent:
        await shop.report("mail", {"id": "r1", "type": "message.delivered", "attempt": attempt.id})
        return Absent()

    shop.channel("mail", idempotency="lookup", members={"lookup": lookup})
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    shop.wire("mail").lose(arrived=True)
    (one,) = await bus.send("hello", await shop.ada())
    await shop.until(timedelta(hours=1))
    assert await shop.state(one) is State.DELIVERED
    assert len(shop.wire("mail").handed) == 1
    await shop.balanced()


@pytest.mark.parametrize("first", ["sent", "delivered"])
async def test_a_later_bounce_goes_on_to_the_next_route_once(shop: Any, first: str) -> None:
    shop.channel("mail")
    shop.channel("text", identity="phone")
    shop.message("hello", via=["mail", "text"])
    bus = await shop.open()
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    (attempt,) = await bus.parts.store.attempts(one.id)
    if first == "delivered":
        await shop.report("mail", {"id": "d", "type": "message.delivered", "attempt": attempt.id})
    for id_ in ("b1", "b2"):
        told = {"id": id_, "type": "message.bounced", "attempt": attempt.id, "data": {"hard": True, "reason": "dead"}}
        await shop.report("mail", told)
        await bus.drain()
    row = await shop.row(one)
    assert (row.state.value, row.channel) == ("sent", "text")
    await shop.report("mail", {"id": "late", "type": "message.delivered", "attempt": attempt.id})
    assert await shop.state(one) is State.SENT, "the mail's news is not the text's"
    assert len(shop.wire("text").handed) == 1
    await shop.balanced()


async def test_a_report_binds_to_this_providers_attempts_only(shop: Any) -> None:
    one, attempt = await sent(shop)
    told = {"id": "r1", "type": "message.bounced", "attempt": attempt, "data": {"hard": True}}
    assert (await shop.report("text", told)).status == 503
    assert await shop.state(one) is State.SENT
    assert (await shop.bus.context(one.customer)).named("consent").suppressed == {}


async def test_an_unknown_provider_id_waits_a_while_and_then_counts_as_nobodys(shop: Any) -> None:
    await sent(shop)
    told = {"id": "r1", "type": "message.delivered", "provider_id": "who", "at": shop.clock.now()}
    answer = await shop.report("mail", told)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    shop.clock.advance(timedelta(minutes=10))
    assert (await shop.report("mail", told)).status == 204


async def test_only_after_the_commit_it_is_2xx(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, attempt = await sent(shop)

    async def full(changes: Any) -> Any:
        raise StoreFull("full")

    told = {"id": "r1", "type": "message.opened", "attempt": attempt}
    with monkeypatch.context() as patch:
        patch.setattr(shop.bus.parts.store, "put", full)
        answer = await shop.report("mail", told)
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert (await shop.report("mail", told)).status == 204


async def test_a_stop_by_reply_withdraws_consent(shop: Any) -> None:
    shop.channel("text", identity="phone")
    shop.message("hello", via=["text"])
    bus = await shop.open()
    ada = await shop.ada()
    shop.clock.advance(timedelta(minutes=1))
    told = {"id": "s1", "type": "consent.withdrawn", "identity": ["phone", "+442079460000"],
            "data": {"channel": "text", "purpose": "*", "topic": "*"}}  # fmt: skip
    assert (await shop.report("text", told)).status == 204
    (one,) = await bus.send("hello", ada)
    await bus.drain()
    assert await shop.state(one) is State.DROPPED


async def test_a_bounce_about_somebody_suppresses_nobody(shop: Any) -> None:
    """Only a hand-over of ours can prove that an address is dead."""
    shop.channel("mail")
    bus = await shop.open()
    ada = await shop.ada()
    told = {"id": "x", "type": "message.bounced", "identity": ["email", "ada@example.com"], "data": {"hard": True}}
    await shop.report("mail", told)
    assert (await bus.context(ada)).named("consent").suppressed == {}


@pytest.mark.parametrize(("channel", "scheme"), [("mail", "nobody"), ("nowhere", "mailone")])
async def test_who_is_not_configured_is_404(shop: Any, channel: str, scheme: str) -> None:
    await sent(shop)
    assert (await shop.report(channel, {"id": "r1"}, scheme=scheme)).status == 404
