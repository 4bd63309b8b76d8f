"""A rate in the configuration, kept end to end on both stores: nothing is tried before its turn, and all of it comes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from omnibus import State, TryLater
from omnibus.errors import ConfigError, MessageError
from omnibus.store import Grant
from omnibus.testing import FakeChannel


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("databases").make() if request.param == "postgres" else "sqlite:shop.db"


async def opened(shop: Any, rate: str, count: int = 0, *providers: str) -> list[Any]:
    """Open a shop whose mail has a rate, and send to so many."""
    shop.channel("mail", *providers)
    shop.tables[-1] += f"rate = {rate}\n"
    shop.message("hello", via=["mail"], purpose="service", topic="news")
    shop.message("code", via=["mail"], purpose="transactional", topic="account")
    bus = await shop.open()
    people = [await bus.customers.upsert(email=f"p{number}@example.com") for number in range(count)]
    return [(await bus.send("hello", each))[0] for each in people]


async def test_beyond_the_rate_nothing_is_tried(shop: Any) -> None:
    sent = await opened(shop, '"1/h"', 4)
    await shop.bus.drain()
    assert len(shop.wire("mail").handed) == 1
    rows = [await shop.row(each) for each in sent]
    waiting = [each for each in rows if each.state is State.QUEUED]
    assert len(waiting) == 3
    assert {(each.attempts, each.faults, each.reason) for each in waiting} == {(0, 0, "waits for its turn")}
    assert all(each.due > shop.clock.now() for each in waiting)
    for each in waiting:
        assert await shop.bus.parts.store.attempts(each.id) == []
    shop.clock.set(shop.clock.now() + timedelta(minutes=30))
    await shop.bus.drain()
    assert len(shop.wire("mail").handed) == 1, "rates run by the machine's time, which no other clock moves"
    await shop.balanced()


def wordless(self: Any, draft: Any, layout: Any, context: Any) -> Any:
    if draft.message.name == "wordless":
        raise MessageError("the facts alone do not fit")
    return FakeChannel.compose(self, draft, layout, context)


async def test_a_token_of_what_cannot_be_said_goes_to_the_next(shop: Any) -> None:
    shop.channel("mail", channel={"compose": wordless})
    shop.tables[-1] += 'rate = "1/h"\n'
    for name in ("wordless", "hello"):
        shop.message(name, via=["mail"], purpose="service", topic="news")
    await shop.open()
    ada, bob = [await shop.bus.customers.upsert(email=f"{each}@example.com") for each in ("ada", "bob")]
    (never,) = await shop.bus.send("wordless", ada)
    await shop.bus.drain()
    (sent,) = await shop.bus.send("hello", bob)
    await shop.bus.drain()
    assert [await shop.state(each) for each in (never, sent)] == [State.FAILED, State.SENT]


async def test_a_token_of_what_is_judged_again_is_its_own(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The context moved between judging and attempt: the same token does for the second try."""
    (sent,) = await opened(shop, '"1/h"', 1)
    store = shop.bus.parts.store
    usual, tried = store.attempt, list[int]()

    async def attempt(wishes: Any) -> Any:
        tried.append(len(wishes))
        return [Grant.STALE] if len(tried) == 1 else await usual(wishes)

    monkeypatch.setattr(store, "attempt", attempt)
    await shop.bus.drain()
    assert (tried, await shop.state(sent)) == ([1, 1], State.SENT)


async def test_at_a_rate_that_allows_it_all_of_it_goes(shop: Any) -> None:
    sent = await opened(shop, '"50/s"', 15)
    while (await shop.bus.audit())["waiting"]:
        await shop.until(timedelta(seconds=1))
    assert {await shop.state(each) for each in sent} == {State.SENT}
    assert len(shop.wire("mail").handed) == 15
    assert {(await shop.row(each)).attempts for each in sent} == {1}
    await shop.balanced()


async def test_what_is_urgent_is_first(shop: Any) -> None:
    await opened(shop, '"1/h"', 3)
    who = await shop.bus.customers.upsert(email="late@example.com")
    (code,) = await shop.bus.send("code", who)
    await shop.bus.drain()
    assert [each.attempt.delivery for each in shop.wire("mail").handed] == [code.id]


async def test_a_turn_is_not_waited_for_beyond_the_deadline(shop: Any) -> None:
    shop.message("short", via=["mail"], purpose="service", topic="news", expires="10s")
    await opened(shop, '"1/h"', 1)
    who = await shop.bus.customers.upsert(email="late@example.com")
    await shop.bus.drain()
    (late,) = await shop.bus.send("short", who)
    await shop.until(timedelta(seconds=10))
    assert await shop.state(late) is State.EXPIRED
    await shop.balanced()


async def test_two_workers_share_one_rate(shop: Any) -> None:
    """Two dispatchers on one store, each with its own blocks: together no more than the rate allows."""
    await opened(shop, '"2/h"', 8)
    from omnibus.outbound.dispatch import Dispatcher
    from omnibus.outbound.rates import Rates
    from omnibus.parts import make_rates

    bus = shop.bus
    first = bus.parts.dispatcher
    second = Dispatcher(bus.parts.road, slots=4)
    first.senders.slots = 4
    await first.round()
    bus.parts.road.rates = Rates(bus.parts.store, make_rates(bus.parts.settings))
    await second.round()
    await first.finish()
    await second.finish()
    assert len(shop.wire("mail").handed) == 1


async def test_a_429_is_obeyed_and_moves_the_rate(shop: Any) -> None:
    """Who waits for a provider that rests takes no tokens; the rate begins anew when the rest is over."""
    sent = await opened(shop, '"1000/s"', 3)
    shop.wire("mail").answers(TryLater("429", retry_after=600))
    await shop.bus.drain()
    handed = len(shop.wire("mail").handed)
    block = await shop.bus.parts.store.tokens("mail/mailone", make_rate(shop), 1)
    assert block.tokens == 0
    assert 500 < block.wait < 601
    await shop.bus.drain()
    assert len(shop.wire("mail").handed) == handed
    assert State.QUEUED in {await shop.state(each) for each in sent}
    await shop.balanced()


def make_rate(shop: Any) -> Any:
    from omnibus.parts import make_rates

    return make_rates(shop.bus.parts.settings)["mail/mailone"]


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ('"fast"', r"omnibus\.toml \[channels\.mail\] rate: it must be a rate such as"),
        ("100", r"omnibus\.toml \[channels\.mail\] rate: it must be a rate such as"),
        ('"0/s"', "it must be a rate from 1/d to 100000/s"),
        ('{ mailtwo = "1/s" }', "`mailtwo` is no provider of this channel; did you mean `mailone`"),
    ],
)
async def test_a_wrong_rate_is_refused(shop: Any, told: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        await opened(shop, told)


async def test_each_provider_may_have_its_own(shop: Any) -> None:
    await opened(shop, '{ mailtwo = "1/h" }', 0, "mailone", "mailtwo")
    from omnibus.parts import make_rates

    assert list(make_rates(shop.bus.parts.settings)) == ["mail/mailtwo"]


async def test_beyond_the_rate_nothing_is_written(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await opened(shop, '"1/h"', 4)
    composer, said = shop.bus.parts.road.composer, list[str]()

    class Counting:
        def compose(self, delivery: Any, *told: Any) -> Any:
            said.append(delivery.id)
            return composer.compose(delivery, *told)

    monkeypatch.setattr(shop.bus.parts.road, "composer", Counting())
    await shop.bus.drain()
    assert said == [each.attempt.delivery for each in shop.wire("mail").handed]
    assert len(said) == 1
