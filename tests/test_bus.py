"""The ring end to end: embedded store, fake channels, a clock that stands still."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from omnibus import MessageError, NotFound, Refused, State, TryLater, Unreachable
from omnibus.model.message import Message, Purpose

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize("answer", [Refused("no"), Unreachable("dead")])
async def test_a_definite_failure_tries_the_next_route(shop: Any, answer: Exception) -> None:
    shop.channel("mail")
    shop.channel("text", identity="phone")
    shop.message("hello", via=["mail", "text"])
    bus = await shop.open()
    shop.wire("mail").answers(answer)
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    row = await shop.row(one)
    assert (row.state, row.channel, row.attempts, len(row.tried)) == (State.SENT, "text", 2, 1)
    assert [each.outcome for each in await bus.parts.store.attempts(one.id)][-1] == "accepted"
    suppressed = (await bus.context(one.customer)).named("consent").suppressed
    assert len(suppressed) == isinstance(answer, Unreachable)
    await shop.balanced()


async def test_when_every_route_failed_the_last_reason_stands(shop: Any) -> None:
    shop.channel("mail", "one", "two")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    shop.wire("mail", "one").answers(Refused("first"))
    shop.wire("mail", "two").answers(Refused("second"))
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    row = await shop.row(one)
    assert (row.state, row.reason) == (State.FAILED, "second")
    assert await shop.types(one.customer, "message") == ["message.failed"]


async def test_the_list_of_providers_heals_by_itself(shop: Any) -> None:
    shop.channel("mail", "one", "two")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    shop.wire("mail", "one").answers(TryLater("429", retry_after=60))
    rows = [(await bus.send("hello", ada))[0] for _ in range(2)]
    await bus.drain()
    assert [(await shop.state(each)).value for each in rows] == ["queued", "sent"]
    assert len(shop.wire("mail", "two").handed) == 1
    await shop.until(2 * HOUR)
    (late,) = await bus.send("hello", ada)
    await bus.drain()
    assert (await shop.row(late)).provider == "one"


async def test_a_cart_paid_at_the_till_kills_every_reminder(shop: Any) -> None:
    """J2: waiting ones are dropped at that moment, the banner is taken off."""
    shop.channel("mail")
    shop.channel("screen", identity=None, ambient=True)
    shop.message("cart", via=["mail", "screen"], while_=["cart.open"])
    bus = await shop.open()
    ada = await shop.ada()
    cart = {"id": "cart-A1", "lines": [{"sku": "A1", "name": "Boots", "quantity": 1, "price": "39.00"}]}
    await bus.track(ada, "cart.updated", cart, id="c1")
    card, *_ = [each for each in await bus.send("cart", ada) if each.via == ("screen",)]
    await bus.drain()
    later = await bus.send("cart", ada, at=shop.clock.now() + DAY)
    await bus.track(ada, "order.placed", {"id": "o1"}, id="o1", source="till")
    await bus.drain()
    assert await shop.state(card) is State.WITHDRAWN
    assert {await shop.state(each) for each in later} == {State.DROPPED}
    assert len(shop.wire("screen").withdrawn) == 1
    assert len(shop.wire("mail").handed) == 1
    await shop.balanced()


async def test_the_app_takes_back_what_waits_and_what_is_on_show(shop: Any) -> None:
    shop.channel("mail", withdraw=False)
    shop.channel("screen", identity=None, ambient=True)
    shop.message("hello", via=["mail", "screen"])
    bus = await shop.open()
    ada = await shop.ada()
    mail, card = await bus.send("hello", ada, at=shop.clock.now() + HOUR)
    assert (await bus.withdraw(mail.id)).state is State.DROPPED
    await shop.until(HOUR)
    assert (await bus.withdraw(card.id)).withdraw
    await bus.drain()
    assert await shop.state(card) is State.WITHDRAWN
    assert (await bus.withdraw(card.id)).state is State.WITHDRAWN, "twice is once"
    with pytest.raises(NotFound):
        await bus.withdraw("nothing")
    await shop.balanced()


async def test_taking_back_beside_a_moving_context(shop: Any) -> None:
    """The store says stale, and it is tried again rather than forgotten."""
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    (one,) = await bus.send("hello", ada, at=shop.clock.now() + HOUR)
    store, usual, once = bus.parts.store, bus.parts.store.put, [1]

    async def put(changes: Any) -> Any:
        if once:
            once.clear()
            await bus.track(ada, "product.viewed", {"sku": "A"}, id="v")
        return await usual(changes)

    store.put = put
    assert (await bus.withdraw(one.id)).state is State.DROPPED


async def test_a_card_ends_at_its_deadline(shop: Any) -> None:
    shop.channel("screen", identity=None, ambient=True)
    shop.message("card", via=["screen"], expires="2h")
    bus = await shop.open()
    (card,) = await bus.send("card", await shop.ada())
    await shop.until(HOUR)
    assert await shop.state(card) is State.SENT
    await shop.until(HOUR)
    assert await shop.state(card) is State.WITHDRAWN


async def test_a_provider_that_breaks_while_taking_off_stops_nobody(shop: Any) -> None:
    async def withdraw(self: Any, receipt: Any, keep: Any) -> None:
        raise KeyError("bug")

    shop.channel("screen", identity=None, ambient=True, members={"withdraw": withdraw})
    shop.channel("mail")
    shop.message("card", via=["screen"])
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    (card,) = await bus.send("card", ada)
    await bus.drain()
    await bus.withdraw(card.id)
    (mail,) = await bus.send("hello", ada)
    await bus.drain()
    assert [await shop.state(each) for each in (card, mail)] == [State.SENT, State.SENT]
    assert (await shop.row(card)).due == shop.clock.now() + timedelta(seconds=30)


async def test_spread_all_goes_by_each_channel(shop: Any) -> None:
    shop.channel("mail")
    shop.channel("text", identity="phone")
    shop.message("recall", via=["mail", "text"], spread="all", purpose="service")
    bus = await shop.open()
    made = await bus.send("recall", await shop.ada())
    await bus.drain()
    assert [(each.via, await shop.state(each)) for each in made] == [(("mail",), State.SENT), (("text",), State.SENT)]


async def test_publishing_is_one_delivery_for_each_channel(shop: Any) -> None:
    for name in ("posts", "stories"):
        shop.channel(name, identity=None, audience="public")
    shop.message("launch", via=["posts", "stories"], audience="public")
    bus = await shop.open()
    made = await bus.publish("launch")
    await bus.drain()
    assert [(each.customer, each.audience, await shop.state(each)) for each in made] == [
        ("public:posts:fake", "public", State.SENT), ("public:stories:fake", "public", State.SENT),
    ]  # fmt: skip
    assert await shop.types("public:posts:fake") == ["message.sent"]
    await shop.balanced()


async def test_a_message_handed_in_whole(shop: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    message = Message(
        "note", Purpose.SERVICE, headline="Hello", body="Your parcel is here.", via=("mail",), expires=HOUR
    )
    (one,) = await bus.send(message, await shop.ada())
    await bus.drain()
    assert "Your parcel is here." in shop.wire("mail").handed[0].content.text
    assert (await shop.row(one)).expires == shop.clock.now() + HOUR


async def test_a_broken_message_is_the_messages_fault(shop: Any) -> None:
    """It is parked with its cause, and the others go."""
    shop.channel("mail")
    shop.message("broken", "# Hello\n\n{{ values.a.b.c }}{{ 1 // 0 }}\n", via=["mail"])
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    bad, good = [(await bus.send(name, ada))[0] for name in ("broken", "hello")]
    await shop.until(DAY)
    row = await shop.row(bad)
    assert row.state is State.FAILED
    assert row.reason
    assert await shop.state(good) is State.SENT
    await shop.balanced()


async def test_a_channel_that_raises_is_parked_after_five_faults(shop: Any) -> None:
    calls: list[int] = []

    def compose(self: Any, *told: Any) -> Any:
        calls.append(1)
        raise ZeroDivisionError

    shop.channel("mail", channel={"compose": compose})
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    (one,) = await bus.send("hello", await shop.ada())
    await shop.until(DAY)
    row = await shop.row(one)
    assert (row.state, row.reason, len(calls)) == (State.FAILED, "poison: ZeroDivisionError", 5)


async def test_why_tells_the_whole_decision(shop: Any) -> None:
    shop.channel("mail")
    shop.channel("text", identity="phone")
    shop.message("hello", via=["text", "mail"])
    bus = await shop.open()
    ada = await shop.ada(email="ada@example.com")
    (one,) = await bus.send("hello", ada)
    await bus.drain()
    told = await bus.why(one.id)
    assert told["state"] == "sent"
    (decision,) = told["decisions"]
    assert decision["route"] == "mail/mailone"
    assert decision["without"] == ["text: no phone known"]
    assert decision["routes"][0]["policies"]["consent"]["send"].startswith("granted by app yes-")
    assert [each["outcome"] for each in told["attempts"]] == ["accepted"]


async def test_preview_sends_nothing(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", "# Hello {{ customer.first_name }}\n\nBoots.\n", via=["mail"])
    bus = await shop.open()
    (shown,) = await bus.preview("hello", await shop.ada())
    assert shown.content is not None
    assert "Hello Ada" in shown.content.text
    assert shown.judgement is not None
    assert (await bus.audit())["accepted"] == 0


async def test_who_and_what_is_unknown_is_said(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    for wrong in (bus.send("hello", "nobody"), bus.context("nobody"), bus.why("nothing"), bus.timeline("nobody")):
        with pytest.raises(NotFound):
            await wrong
    with pytest.raises((NotFound, MessageError)):
        await bus.send("helo", await shop.ada())
