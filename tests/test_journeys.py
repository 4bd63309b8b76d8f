"""Journeys in the ring, end to end: embedded store, fake channels, a clock that stands still."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omnibus.errors import Conflict, NotFound

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def lines(sku: str = "A1") -> dict[str, Any]:
    return {"id": f"cart-{sku}", "lines": [{"sku": sku, "name": "Boots", "quantity": 1, "price": "39.00"}]}


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
    """By another worker, who took it up before it was marked as heard."""
    steps = (
        "trigger: cart.updated\nsteps:\n" + "  - wait_for: product.viewed\n    timeout: 9d\n" * 2 + "  - send: first\n"
    )
    bus = await journey(shop, steps)
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", lines(), id="c1")
    await bus.drain()
    await bus.track(ada, "product.viewed", {"sku": "A1"}, id="v1")
    store, usual = bus.parts.store, bus.parts.store.step

    async def dies(steps: Any) -> None:
        await usual([replace(each, heard=()) for each in steps])
        raise ConnectionResetError

    store.step = dies
    with pytest.raises(ConnectionResetError):
        await bus.drain()
    store.step = usual
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


async def test_events_of_different_people_are_heard_together_and_ones_own_in_turn(shop: Any) -> None:
    bus = await journey(shop, "trigger: cart.updated\ngoal: [order.placed]\nsteps:\n  - wait: 1h\n  - send: first\n")
    ada, *others = [await shop.ada(email=f"{name}@example.com") for name in ("ada", "ben", "cy", "dee")]
    await bus.drain()
    for number, who in enumerate((ada, *others)):
        await bus.track(who, "cart.updated", lines(), id=f"c{number}")
    await bus.track(ada, "order.placed", {"id": "o", "lines": []}, id="o")
    store, usual = bus.parts.store, bus.parts.store.step
    sizes: list[int] = []

    async def counted(steps: Any) -> Any:
        sizes.append(len(steps))
        return await usual(steps)

    store.step = counted
    assert await bus.parts.journeys.advance() == 5
    assert sizes == [4, 1], "all the carts in one commit, then her order"
    runs = {each.customer: each for each in await store.runs(live=False)}
    assert {who: each.reason for who, each in runs.items()} == {ada.id: "goal reached"} | {
        each.id: "" for each in others
    }
    assert await bus.parts.journeys.advance() == 0, "and all of it was heard"


async def test_who_was_faster_is_followed(shop: Any) -> None:
    """A fact that comes between the look and the commit makes only that person's step stale; it is taken again."""
    bus = await journey(shop)
    ada, ben = [await shop.ada(email=f"{name}@example.com") for name in ("ada", "ben")]
    for who in (ada, ben):
        await bus.track(who, "cart.updated", lines(), id=f"c-{who.id}")
    store, usual = bus.parts.store, bus.parts.store.step
    answers: list[list[bool]] = []

    async def overtaken(steps: Any) -> Any:
        if not answers:
            await bus.track(ada, "visit.started", {"place": "web"}, id="v")
        answers.append(await usual(steps))
        return answers[-1]

    store.step = overtaken
    await bus.drain()
    assert sorted(answers[0]) == [False, True]
    assert answers[1] == [True]
    assert sorted(each.customer for each in await store.runs()) == sorted((ada.id, ben.id))
    assert await bus.rebuild(ada.id)


async def test_whoever_is_always_faster_is_told_of(shop: Any) -> None:
    bus = await journey(shop)
    await bus.track(await shop.ada(), "cart.updated", lines(), id="c1")

    async def never(steps: Any) -> Any:
        return [False for _ in steps]

    bus.parts.store.step = never
    with pytest.raises(Conflict):
        await bus.drain()


async def test_what_no_facet_hears_is_not_folded_anew_for_its_place(shop: Any) -> None:
    """A journey's own facts bear the moment of what they follow on, and often an earlier name."""
    bus = await journey(shop)
    ada = await shop.ada()
    await bus.drain()
    store, usual = bus.parts.store, bus.parts.store.events
    read: list[Any] = []

    async def counted(subjects: Any, **told: Any) -> Any:
        read.append(subjects)
        return await usual(subjects, **told)

    store.events = counted
    await bus.track(ada, "cart.updated", lines(), id="zzz", at=shop.clock.now())
    await bus.drain()
    assert (await usual([ada.id]))[-1].id == "zzz", "what the journey said of it belongs before it"
    assert (await store.runs(customer=ada.id)) != []
    assert read == []
    through = (await store.load([ada.id]))[ada.id].through
    assert through is not None
    assert through[1] == "zzz", "what was folded last stays the last"
    assert await bus.rebuild(ada.id)
    await bus.track(ada, "cart.updated", lines("B2"), id="aaa", at=shop.clock.now())
    assert read, "what a facet hears is"
    assert await bus.rebuild(ada.id)


async def test_a_fact_told_of_a_merged_id_is_of_who_that_is_now(shop: Any) -> None:
    bus = await journey(shop)
    ada, ben = [await shop.ada(email=f"{name}@example.com") for name in ("ada", "ben")]
    await bus.customers.merge(ada.id, ben.id)
    assert await bus.track(ada.id, "visit.started", {"place": "web"}, id="v")
    (told,) = [each for each in await bus.timeline(ben.id) if each.id == "v"]
    assert told.subject == ben.id
    with pytest.raises(NotFound):
        await bus.track("nobody", "visit.started", {"place": "web"}, id="v2")
