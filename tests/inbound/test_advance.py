"""What journeys hear and wake: who enters, what moves a run, and what happens where something is gone or in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from omnibus.errors import MessageError
from omnibus.inbound import advance
from omnibus.inbound.walk import Walk, facts
from omnibus.model.run import Run

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WAITS = "trigger: cart.updated\ngoal: order.placed\nsteps:\n  - wait: 1h\n  - send: hello\n"


async def opened(shop: Any, text: str = WAITS) -> Any:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    shop.journey("rescue", text)
    return await shop.open()


async def runs(shop: Any) -> list[Run]:
    found: list[Run] = await shop.bus.parts.store.runs(live=False)
    return found


async def test_only_the_source_that_is_named_lets_in(shop: Any) -> None:
    bus = await opened(shop, 'trigger:\n  event: cart.updated\n  source: "till*"\nsteps:\n  - wait: 1h\n')
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", {"id": "c"}, id="1", source="web")
    await bus.drain()
    assert await runs(shop) == []
    await bus.track(ada, "cart.updated", {"id": "c"}, id="2", source="till-3")
    await bus.drain()
    assert len(await runs(shop)) == 1


@pytest.mark.parametrize(("note", "entries"), [("a\0b", ["ab"]), ("\0", []), ("", []), (None, []), (0, ["0"])])
async def test_what_a_run_is_for_is_a_text_that_can_be_kept(shop: Any, note: Any, entries: list[str]) -> None:
    bus = await opened(shop, "trigger: cart.updated\nonce: per key\nkey: event.note\nsteps:\n  - wait: 1h\n")
    await bus.track(await shop.ada(), "cart.updated", {"id": "c", **({} if note is None else {"note": note})}, id="1")
    await bus.drain()
    assert [each.entry for each in await runs(shop)] == entries


async def test_only_where_its_premise_holds_somebody_enters(shop: Any) -> None:
    bus = await opened(shop, "trigger:\n  event: cart.updated\n  where: [cart.open]\nsteps:\n  - wait: 1h\n")
    ada = await shop.ada()
    for id_, cart in enumerate(([], [{"sku": "A1", "quantity": 1, "price": "5"}])):
        await bus.track(ada, "cart.updated", {"id": "c", "lines": cart}, id=str(id_))
        await bus.drain()
        assert len(await runs(shop)) == id_


async def test_what_a_run_was_entered_by_does_not_move_it(shop: Any) -> None:
    """Heard again after a crash, it is not what the run waits for."""
    bus = await opened(shop, "trigger: cart.updated\nsteps:\n  - wait_for: cart.updated\n    timeout: 9d\n")
    await bus.track(await shop.ada(), "cart.updated", {"id": "c"}, id="c")
    store, usual = bus.parts.store, bus.parts.store.step

    async def unmarked(steps: Any) -> Any:
        return await usual([replace(each, heard=()) for each in steps])

    store.step = unmarked
    assert await bus.parts.journeys.advance() == 1
    store.step = usual
    await bus.drain()
    assert [(each.node, each.revision) for each in await runs(shop)] == [("0", 1)]


async def test_what_was_before_a_run_began_does_not_move_it(shop: Any) -> None:
    """An older order, told late, is no answer to the reminder that began after it."""
    bus = await opened(shop)
    ada = await shop.ada()
    shop.clock.advance(HOUR)
    await bus.track(ada, "cart.updated", {"id": "c"}, id="1")
    await bus.drain()
    await bus.track(ada, "order.placed", {"id": "o", "lines": []}, id="o", at=shop.clock.now() - MINUTE)
    await bus.drain()
    assert [each.reason for each in await runs(shop)] == [""]
    await bus.track(ada, "order.placed", {"id": "p", "lines": []}, id="p", at=shop.clock.now())
    await bus.drain()
    assert [each.reason for each in await runs(shop)] == ["goal reached"]


@pytest.mark.parametrize("by", ["event", "timer"])
async def test_a_run_whose_definition_is_gone_leaves_when_its_time_comes(shop: Any, by: str) -> None:
    bus = await opened(shop)
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", {"id": "c"}, id="1")
    await bus.drain()
    journeys = bus.parts.journeys
    journeys.journeys = {}
    journeys._known.clear()

    async def gone(*_: str) -> None:
        return None

    bus.parts.store.definition = gone
    if by == "event":
        await bus.track(ada, "order.placed", {"id": "o", "lines": []}, id="o")
        await bus.drain()
        assert [each.reason for each in await runs(shop)] == [""], "nobody knows what its goal was"
    await shop.until(HOUR)
    assert [(each.node, each.reason) for each in await runs(shop)] == [("", "its definition is gone")]
    assert await bus.drain() == 0


async def test_what_is_told_of_nobody_is_heard_by_nobody_and_not_kept_waiting(shop: Any) -> None:
    """They were erased between the fact and its hearing."""
    bus = await opened(shop)
    await bus.track(await shop.ada(), "cart.updated", {"id": "c"}, id="1")
    store, usual = bus.parts.store, bus.parts.store.cues

    async def alone(*told: Any) -> Any:
        return replace(await usual(*told), walkers={})

    store.cues = alone
    assert await bus.parts.journeys.advance() == 1
    assert await store.stirred(9) == []
    assert await runs(shop) == []


async def test_no_more_go_together_than_one_commit_should_hold(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advance, "TOGETHER", 2)
    bus = await opened(shop)
    people = [await shop.ada(email=f"{name}@example.com") for name in ("ada", "ben", "cy")]
    await bus.drain()
    for who in people:
        await bus.track(who, "cart.updated", {"id": "c"}, id=f"c-{who.id}")
    store, usual, sizes = bus.parts.store, bus.parts.store.step, list[int]()

    async def counted(steps: Any) -> Any:
        sizes.append(len(steps))
        return await usual(steps)

    store.step = counted
    await bus.parts.journeys.advance()
    assert sizes == [2, 1]
    assert len(await runs(shop)) == 3


async def test_one_of_whom_much_is_told_is_followed_to_the_end(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round after round brings them further: that nobody else was faster is what counts, not how many rounds there are."""
    monkeypatch.setattr(advance, "TRIES", 2)
    bus = await opened(shop, "trigger: cart.updated\nonce: per key\nkey: event.id\nsteps:\n  - wait: 1h\n")
    ada = await shop.ada()
    await bus.drain()
    for number in range(5):
        await bus.track(ada, "cart.updated", {"id": f"c{number}"}, id=f"{number}")
    assert await bus.parts.journeys.advance() == 5
    assert len(await runs(shop)) == 5


async def test_what_moved_a_run_is_remembered_but_not_for_ever(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advance, "HEARD", 2)
    waits = "  - wait_for: product.viewed\n    timeout: 9d\n"
    bus = await opened(shop, f"trigger: cart.updated\nsteps:\n{waits * 4}")
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", {"id": "c"}, id="c", source="web")
    for number in range(3):
        await bus.drain()
        await bus.track(ada, "product.viewed", {"sku": "A1"}, id=f"v{number}", source="web")
    await bus.drain()
    (run,) = await runs(shop)
    assert (run.node, run.values["heard"]) == ("3", ["web v1", "web v2"])


async def test_a_timer_that_an_event_forestalled_moves_nothing(shop: Any) -> None:
    """Both are found by one look; by the timer's turn the run waits for something else."""
    waits = "  - wait_for: product.viewed\n    timeout: 1h\n"
    bus = await opened(shop, f"trigger: cart.updated\nsteps:\n{waits * 3}")
    ada = await shop.ada()
    await bus.track(ada, "cart.updated", {"id": "c"}, id="c")
    await bus.drain()
    shop.clock.advance(HOUR)
    await bus.track(ada, "product.viewed", {"sku": "A1"}, id="v")
    assert await bus.parts.journeys.advance() == 2
    (run,) = await runs(shop)
    assert (run.node, run.revision, run.due) == ("1", 2, shop.clock.now() + HOUR)


async def test_a_run_that_cannot_go_on_ends_alone(shop: Any) -> None:
    bus = await opened(shop, "trigger: cart.updated\nsteps:\n  - send: hello\n")
    ada, ben = [await shop.ada(email=f"{name}@example.com") for name in ("ada", "ben")]
    await bus.drain()
    for who in (ada, ben):
        await bus.track(who, "cart.updated", {"id": "c"}, id=f"c-{who.id}")
    journeys = bus.parts.journeys
    usual = journeys.guide.wish

    def wish(message: str, customer: str, *more: Any) -> Any:
        if customer == ada.id:
            raise MessageError("no such message")
        return usual(message, customer, *more)

    journeys.guide = replace(journeys.guide, wish=wish)
    await bus.drain()
    assert {each.customer: each.reason.partition(":")[0] for each in await runs(shop)} == {
        ada.id: "failed", ben.id: "finished",
    }  # fmt: skip
    assert len(shop.wire("mail").handed) == 1


@pytest.mark.parametrize(
    ("zone", "brand", "until", "due"),
    [
        ("", "UTC", "13:00", "2026-11-21T13:00"), ("", "UTC", "12:00", "2026-11-22T12:00"),
        ("", "Asia/Tokyo", "22:00", "2026-11-21T13:00"), ("", "Asia/Tokyo", "20:00", "2026-11-22T11:00"),
        ("America/New_York", "Asia/Tokyo", "08:00", "2026-11-21T13:00"),
    ],
)  # fmt: skip
async def test_until_is_the_next_time_of_their_clock_or_the_brands(
    shop: Any, zone: str, brand: str, until: str, due: str
) -> None:
    bus = await opened(shop, f'trigger: cart.updated\nsteps:\n  - wait: {{ until: "{until}" }}\n  - send: hello\n')
    assert shop.clock.now().isoformat() == "2026-11-21T12:00:00+00:00"
    bus.parts.journeys.guide = replace(bus.parts.journeys.guide, brand_zone=brand)
    ada = await shop.ada(email="ada@example.com", **({"zone": zone} if zone else {}))
    await bus.track(ada, "cart.updated", {"id": "c"}, id="1")
    await bus.drain()
    (run,) = await runs(shop)
    assert run.due == datetime.fromisoformat(f"{due}:00+00:00")


@pytest.mark.parametrize(
    ("node", "reason", "new", "told"),
    [
        ("0", "", True, [("journey.entered", None)]),
        ("1", "", False, [("journey.advanced", None)]),
        ("", "finished", False, [("journey.left", "finished")]),
        ("", "exit", True, [("journey.entered", None), ("journey.left", "exit")]),
    ],
)
def test_each_move_is_told_once_and_the_last_with_its_reason(
    node: str, reason: str, *, new: bool, told: list[Any]
) -> None:
    now = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
    before = Run("r", "ada", "rescue", "1", "c", "0", revision=6)
    moved = Walk(node, reason=reason).of(before)
    assert moved.revision == 7
    made = facts(moved, now, new=new)
    assert [(each.type, each.data.get("reason")) for each in made] == told
    assert [each.id for each in made] == ["r:7", "r:7:left"][: len(made)]
