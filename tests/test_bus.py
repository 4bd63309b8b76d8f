"""The ring end to end: embedded store, fake channels, a clock that stands still."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from omnibus import MessageError, NotFound, Refused, State, TryLater, Unreachable
from omnibus.model.message import Message, Purpose

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def lines(sku: str = "A1") -> dict[str, Any]:
    return {"id": f"cart-{sku}", "lines": [{"sku": sku, "name": "Boots", "quantity": 1, "price": "39.00"}]}


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
    await bus.track(ada, "cart.updated", lines(), id="c1")
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


WELCOME = """
trigger: cart.updated
goal: [order.placed]
once: per key
key: cart.id
steps:
  - wait: 1h
  - send: first
    in: 30m
  - wait_for: message.opened
    timeout: 1d
    then:
      - branch: cart.open
        then: [{ send: second }]
    else:
      - exit: not interested
"""


async def journey(shop: Any, text: str = WELCOME) -> Any:
    shop.channel("mail")
    for name in ("first", "second"):
        shop.message(name, via=["mail"])
    shop.journey("rescue", text)
    return await shop.open()


async def run_of(shop: Any) -> Any:
    (run,) = await shop.bus.parts.store.runs(live=False)
    return run


def told(shop: Any) -> list[str]:
    return [each.attempt.message for each in shop.wire("mail").handed]


async def test_a_journey_by_its_event(shop: Any) -> None:
    bus = await journey(shop)
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", lines(), id="c1")
    await shop.until(HOUR)
    assert told(shop) == [], "`in:` lets it wait in the outbox"
    await shop.until(timedelta(minutes=30))
    assert told(shop) == ["first"]
    (delivery,) = await bus.parts.store.deliveries(customer=ada.id)
    (attempt,) = await bus.parts.store.attempts(delivery.id)
    await shop.report("mail", {"id": "o", "type": "message.opened", "attempt": attempt.id})
    await bus.drain()
    assert told(shop) == ["first", "second"]
    assert (await run_of(shop)).reason == "finished"
    assert await shop.types(ada, "journey") == ["journey.entered", "journey.advanced", "journey.left"]
    await shop.balanced()


async def test_a_journey_by_its_timeout(shop: Any) -> None:
    bus = await journey(shop)
    await bus.track(await shop.ada(), "cart.updated", lines(), id="c1")
    await shop.until(2 * DAY)
    assert told(shop) == ["first"]
    assert (await run_of(shop)).reason == "not interested"


async def test_the_goal_ends_it_wherever_it_stands(shop: Any) -> None:
    bus = await journey(shop)
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", lines(), id="c1")
    await bus.drain()
    await bus.track(ada, "order.placed", {"id": "o"}, id="o", source="till")
    await shop.until(2 * DAY)
    assert told(shop) == []
    assert (await run_of(shop)).reason == "goal reached"


async def test_once_for_each_key(shop: Any) -> None:
    bus = await journey(shop)
    ada = await shop.ada()
    for number, sku in enumerate(["A1", "A1", "B2"]):
        await bus.track(ada, "cart.updated", lines(sku), id=f"c{number}")
        await bus.drain()
    assert sorted(each.entry for each in await bus.parts.store.runs(customer=ada.id)) == ["cart-A1", "cart-B2"]


async def test_a_run_stays_on_its_version(shop: Any) -> None:
    bus = await journey(shop)
    await bus.track(await shop.ada(), "cart.updated", lines(), id="c1")
    await bus.drain()
    shop.journey("rescue", "trigger: cart.updated\nsteps:\n  - exit: rewritten\n")
    bus = await shop.reopen()
    await shop.until(2 * HOUR)
    assert told(shop) == ["first"]
    assert bus is shop.bus


async def test_an_event_heard_twice_moves_a_run_once(shop: Any) -> None:
    """A crash between the step and the mark `heard`."""
    steps = (
        "trigger: cart.updated\nsteps:\n" + "  - wait_for: product.viewed\n    timeout: 9d\n" * 2 + "  - send: first\n"
    )
    bus = await journey(shop, steps)
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", lines(), id="c1")
    await bus.drain()
    await bus.track(ada, "product.viewed", {"sku": "A1"}, id="v1")
    store, usual = bus.parts.store, bus.parts.store.heard

    async def dies(events: Any) -> None:
        raise ConnectionResetError

    store.heard = dies
    with pytest.raises(ConnectionResetError):
        await bus.drain()
    store.heard = usual
    await bus.drain()
    assert (await run_of(shop)).node == "1"
    await bus.track(ada, "product.viewed", {"sku": "A1"}, id="v2")
    await bus.drain()
    assert told(shop) == ["first"]


async def test_timer_and_event_at_one_moment_move_it_once(shop: Any) -> None:
    bus = await journey(shop)
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", lines(), id="c1")
    await shop.until(timedelta(minutes=90))
    (run,) = await bus.parts.store.runs(customer=ada.id)
    (delivery,) = await bus.parts.store.deliveries(customer=ada.id)
    (attempt,) = await bus.parts.store.attempts(delivery.id)
    shop.clock.set(run.due)
    await shop.report("mail", {"id": "o", "type": "message.opened", "attempt": attempt.id})
    await bus.drain()
    found = await run_of(shop)
    assert found.revision == run.revision + 1
    assert (told(shop), found.reason) == (["first", "second"], "finished")


async def test_a_journey_may_publish_first(shop: Any) -> None:
    """Before anybody has, its public is nobody yet."""
    shop.channel("posts", identity=None, audience="public")
    shop.message("launch", via=["posts"], audience="public")
    shop.journey("shout", "trigger: order.placed\nsteps:\n  - publish: launch\n    via: [posts]\n")
    bus = await shop.open()
    await bus.track(await shop.ada(), "order.placed", {"id": "o"}, id="o")
    await bus.drain()
    assert len(shop.wire("posts").handed) == 1
    await shop.balanced()


async def test_waiting_until_an_hour_is_by_their_clock(shop: Any) -> None:
    bus = await journey(shop, 'trigger: cart.updated\nsteps:\n  - wait: { until: "09:00" }\n  - send: first\n')
    ada = await shop.ada(email="ada@example.com", zone="Asia/Tokyo")
    await bus.track(ada, "cart.updated", lines(), id="c1")
    await bus.drain()
    assert (await run_of(shop)).due.isoformat() == "2026-11-22T00:00:00+00:00"


async def test_the_drive_lives_from_due_to_due(shop: Any) -> None:
    from omnibus.simulate import Drive, VirtualClock

    class Nobody:
        next_due = None

        async def pump(self) -> int:
            return 0

    bus = await journey(shop)
    clock = VirtualClock(shop.clock.now(), shop.folder / "clock")
    bus.parts.road.now = bus.parts.timeline.now = bus.now = clock.now
    await bus.track(await shop.ada(), "cart.updated", lines(), id="c1")
    ticks: list[Any] = []
    await Drive(bus, Nobody(), clock, ticks.append).until(shop.clock.now() + 3 * DAY)
    assert [each - shop.clock.now() for each in ticks] == [HOUR, 1.5 * HOUR, DAY + HOUR, 3 * DAY]
    assert VirtualClock(shop.clock.now(), shop.folder / "clock").now() == shop.clock.now() + 3 * DAY
    clock.advance_to(shop.clock.now())
    assert clock.now() == shop.clock.now() + 3 * DAY


async def test_a_worker_whose_leases_cannot_be_renewed_says_so(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else than a store without room: it would look as if it worked, and lose what it holds."""
    shop.channel("mail")
    bus = await shop.open()
    bus.parts.road.lease_term = 0.01

    async def renew(*told: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(bus.parts.store, "renew", renew)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(20) as bound:
            await bus.work()
    assert not bound.expired(), "it was told at once, not when the work was ended"
