"""What is told at the same time shares a commit, and nothing else: each is answered for itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from omnibus import Event, InputError, NotFound, State
from omnibus.errors import Conflict, StoreFull, TryLater
from omnibus.inbound.crossing import MOST, Crossing
from omnibus.model.attempt import Report
from omnibus.testing.clock import START
from omnibus.together import Told

CART = {"id": "c", "currency": "GBP", "lines": [{"sku": "mug", "quantity": 1, "price": "5.00"}]}
WRONG = {"id": "c", "lines": [{"sku": "mug", "quantity": "many", "price": "5.00"}]}


def fact(id_: str, subject: str, type_: str = "cart.updated", data: Any = CART, minutes: int = 0) -> Event:
    return Event(id_, "shop", type_, START - timedelta(minutes=60 - minutes), subject, data)


@pytest.fixture
async def people(shop: Any) -> list[str]:
    """Open a shop with three customers."""
    shop.channel("mail")
    bus = await shop.open()
    return [(await bus.customers.upsert(email=f"{each}@example.com")).id for each in ("ada", "bob", "cat")]


class Gate:
    """Hold the store's commits back, and count them."""

    def __init__(self, store: Any, *, wait: bool = True) -> None:
        self.put, self.calls, self.open = store.put, list[int](), asyncio.Event()
        self.reached = asyncio.Event()
        if not wait:
            self.open.set()
        store.put = self

    async def __call__(self, changes: Any) -> Any:
        self.calls.append(len(changes))
        self.reached.set()
        await self.open.wait()
        return await self.put(changes)


async def test_who_comes_during_a_commit_shares_the_next(shop: Any, people: list[str]) -> None:
    gate = Gate(shop.bus.parts.store)
    first = asyncio.create_task(shop.bus.track(people[0], "cart.updated", CART, id="e0"))
    await gate.reached.wait()
    rest = [asyncio.create_task(shop.bus.track(people[n % 3], "cart.updated", CART, id=f"e{n}")) for n in range(1, 30)]
    for _ in range(20):
        await asyncio.sleep(0)  # they all arrive, and none is answered
    assert not any(each.done() for each in (first, *rest))
    gate.open.set()
    assert await asyncio.gather(first, *rest) == [True] * 30
    assert gate.calls == [1, 3]


async def test_nobody_is_answered_before_their_own_commit(shop: Any, people: list[str]) -> None:
    seen: list[list[str]] = []
    store = shop.bus.parts.store
    usual = store.put

    async def put(changes: Any) -> Any:
        seen.append(sorted(name for name, each in tasks.items() if each.done()))
        return await usual(changes)

    store.put = put
    tasks = {each: asyncio.create_task(shop.bus.track(each, "visit.started", {}, id="v")) for each in people[:1]}
    await tasks[people[0]]
    tasks |= {
        each: asyncio.create_task(shop.bus.track(each, "visit.started", {}, id=f"v-{each}")) for each in people[1:]
    }
    await asyncio.gather(*tasks.values())
    assert seen[0] == []
    assert all(set(each) <= {people[0]} for each in seen)


async def test_a_fault_is_of_who_told_it(shop: Any, people: list[str]) -> None:
    """A bad cart, nobody's fact, and a good one of the very customer of the bad one, all in one commit."""
    inbox, store = shop.bus.parts.inbox, shop.bus.parts.store
    gate = Gate(store, wait=False)
    told = [
        [fact("ok", people[0])], [fact("bad", people[0], data=WRONG, minutes=1)], [fact("lost", "nobody")],
        [fact("two", people[1]), fact("half", people[2], data=WRONG)], [fact("fine", people[1], minutes=2)],
    ]  # fmt: skip
    answers = await asyncio.gather(*(inbox.put(each) for each in told), return_exceptions=True)
    assert [answers[0], answers[4]] == [1, 1]
    assert [type(each) for each in answers[1:4]] == [InputError, NotFound, InputError]
    stored = [each.id for who in people for each in await store.events([who]) if each.source == "shop"]
    assert stored == ["ok", "fine"]
    assert gate.calls == [2]


async def test_the_same_fact_told_by_many_at_once_is_new_to_one(shop: Any, people: list[str]) -> None:
    answers = await asyncio.gather(*(shop.bus.track(people[0], "cart.updated", CART, id="same") for _ in range(40)))
    assert sorted(answers) == [False] * 39 + [True]
    assert [each.id for each in await shop.bus.timeline(people[0]) if each.source == "app"] == ["same"]


async def test_one_fact_of_two_stories_is_told_to_the_second_if_the_first_fails(shop: Any, people: list[str]) -> None:
    """The first teller's other fact cannot be read, so nothing of theirs is stored; the second's is."""
    shared = fact("shared", people[0])
    inbox = shop.bus.parts.inbox
    bad = inbox.put([shared, fact("bad", people[1], data=WRONG)])
    answers = await asyncio.gather(bad, inbox.put([shared]), return_exceptions=True)
    assert isinstance(answers[0], InputError)
    assert answers[1] == 1


async def test_who_gives_up_waiting_stops_nobody(shop: Any, people: list[str]) -> None:
    gate = Gate(shop.bus.parts.store)
    tasks = [asyncio.create_task(shop.bus.track(each, "visit.started", {}, id=f"v-{each}")) for each in people]
    await gate.reached.wait()
    tasks[0].cancel()
    gate.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [True, True]
    assert not await shop.bus.track(people[0], "visit.started", {}, id=f"v-{people[0]}")  # it was stored all the same


async def test_a_full_store_is_told_to_all_and_the_next_go_on(shop: Any, people: list[str]) -> None:
    store = shop.bus.parts.store
    usual = store.put

    async def full(changes: Any) -> Any:
        raise StoreFull("no room")

    store.put = full
    answers = await asyncio.gather(
        *(shop.bus.track(each, "visit.started", {}, id=f"v-{each}") for each in people), return_exceptions=True
    )
    assert [type(each) for each in answers] == [StoreFull] * 3
    store.put = usual
    assert await shop.bus.track(people[0], "visit.started", {}, id=f"v-{people[0]}")


async def test_quiet_and_loud_facts_do_not_mix(shop: Any, people: list[str]) -> None:
    """What journeys shall not hear stays unheard, whatever is told of the same customer beside it."""
    shop.bus.parts.store.stir({"visit.started", "visit.ended"})
    track = shop.bus.track
    await asyncio.gather(
        track(people[0], "visit.started", {}, id="quiet", quiet=True), track(people[0], "visit.ended", {}, id="loud"),
        track(people[0], "visit.started", {}, id="hush", quiet=True),
    )  # fmt: skip
    assert [each.id for each in await shop.bus.parts.store.stirred(10)] == ["loud"]
    assert len([each for each in await shop.bus.timeline(people[0]) if each.source == "app"]) == 3


async def test_a_moving_context_is_folded_again(shop: Any, people: list[str]) -> None:
    """Another worker is faster three times; then it is stored. One that is always faster is a conflict."""
    timeline, store = shop.bus.parts.timeline, shop.bus.parts.store
    usual, left = store.put, [3]

    async def put(changes: Any) -> Any:
        if left[0]:
            left[0] -= 1
            return [False] * len(changes)
        return await usual(changes)

    store.put = put
    assert await timeline.put_all([Told([fact("a", people[0])]), Told([fact("b", people[1])])]) == [1, 1]
    left[0] = 1000
    (answer,) = await timeline.put_all([Told([fact("c", people[0])])])
    assert isinstance(answer, Conflict)


async def test_reports_of_one_delivery_that_come_at_once_go_in_order(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    (attempt,) = await bus.parts.store.attempts(one.id)
    source = f"{attempt.channel}/{attempt.provider}"
    kinds = ["clicked", "delivered", "opened", "opened", "delivered"]
    reports = [Report(f"r{n}", f"message.{kind}", START, attempt=attempt.id) for n, kind in enumerate(kinds)]
    early = Report("early", "message.delivered", bus.now(), provider_id="nobody-knows")
    taken = [bus.parts.inbox.take(source, [each]) for each in reports]
    answers = await asyncio.gather(*taken, bus.parts.inbox.take(source, [early]), return_exceptions=True)
    assert answers[:5] == [1] * 5
    assert isinstance(answers[5], TryLater)
    assert await shop.state(one) is State.CLICKED
    assert await bus.rebuild(one.customer)


async def test_a_stranger_who_writes_twice_at_once_is_one_person(shop: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    wrote = [
        Report(f"w{n}", "conversation.received", START, identity=("email", "new@example.com"), data={"text": "hi"})
        for n in range(3)
    ]
    strange = Report("x", "conversation.received", START, identity=("email", "not an address"))
    answers = await asyncio.gather(
        *(bus.parts.inbox.take("mail/mail", [each]) for each in [*wrote, strange]), return_exceptions=True
    )
    assert answers[:3] == [2, 1, 1]  # the first is also how we came to know them
    assert isinstance(answers[3], InputError)
    (who,) = [each async for page in bus.customers.all() for each in page]
    assert len(await bus.timeline(who)) == 4


async def test_a_crossing_carries_at_most_so_many() -> None:
    groups: list[int] = []

    async def carry(asked: Any) -> list[Any]:
        groups.append(len(asked))
        await asyncio.sleep(0)
        return [ValueError(each) if each == 7 else each for each in asked]

    crossing: Crossing[int, int] = Crossing(carry)
    answers = await asyncio.gather(*(crossing.take(n) for n in range(MOST + 20)), return_exceptions=True)
    assert groups == [MOST, 20]
    assert [each for each in answers if isinstance(each, int)] == [n for n in range(MOST + 20) if n != 7]
    assert await crossing.take(1) == 1
