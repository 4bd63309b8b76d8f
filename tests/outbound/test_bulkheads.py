"""A provider that does not answer takes neither the slots of the others nor a campaign with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from omnibus import State
from omnibus.errors import Refused, TryLater, Unknown
from omnibus.outbound import bulkheads, senders
from omnibus.outbound.bulkheads import FIRST_REST, LONGEST_REST, SILENT, Bulkheads
from omnibus.testing import HANG

PATIENCE = 60  # seconds after which a test has failed


@asynccontextmanager
async def working(bus: Any, *wires: Any) -> AsyncIterator[None]:
    """Let the bus work meanwhile; what hangs is released at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(bus.work(stop))
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    finally:
        for wire in wires:
            wire.release()
        stop.set()
        bus.parts.bell.ring()
        await task


async def until(met: Any) -> None:
    while not met():  # noqa: ASYNC110 - a fake wire has nothing to wait for
        await asyncio.sleep(0.005)


async def to_many(bus: Any, shop: Any, message: str, count: int, first: int = 0) -> list[Any]:
    numbers = range(first, first + count)
    people = [await shop.ada(email=f"p{number}@example.com", phone=f"+44207946{number:04d}") for number in numbers]
    return [(await bus.send(message, each))[0] for each in people]


@pytest.fixture
async def bus(shop: Any) -> Any:
    shop.channel("mail")
    shop.channel("text", identity="phone")
    shop.message("news", via=["mail"], topic="news", purpose="service")
    shop.message("parcel", via=["text"], topic="parcel", purpose="service")
    shop.message("code", via=["mail"], topic="account", purpose="transactional")
    return await shop.open()


async def test_one_that_hangs_lends_its_slots(bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "LATE", 0.05)
    mail, text, ours = shop.wire("mail"), shop.wire("text"), bus.parts.dispatcher.senders
    room = ours.slots - ours.kept
    mail.answers(*[HANG] * (2 * ours.slots))
    news = await to_many(bus, shop, "news", room + 30)
    shop.clock.advance(timedelta(seconds=1))  # all that hangs is due before
    parcels = await to_many(bus, shop, "parcel", 20, first=100)
    async with working(bus, mail):
        await until(lambda: len(text.arrived) == 20)
        assert not mail.arrived, "and nobody waited until what hangs was cut"
        assert len(mail.handed) == room, "it has no more than its own slots meanwhile"
        (code,) = await bus.send("code", await shop.ada(email="c@example.com"))
        await until(lambda: mail.handed[-1].attempt.delivery == code.id)
    await shop.until(timedelta(minutes=1))
    assert {await shop.state(each) for each in (*news, *parcels, code)} == {State.SENT}
    assert len(mail.handed) == room + 31
    await shop.balanced()


async def test_one_that_loses_many_answers_in_a_row_rests(bus: Any, shop: Any) -> None:
    mail = shop.wire("mail")
    mail.answers(*[Unknown("answer_lost")] * 200)
    await to_many(bus, shop, "news", SILENT)
    await bus.drain()
    rests = await bus.parts.store.pauses(shop.clock.now())
    assert rests == {"mail/mailone": (shop.clock.now() + timedelta(seconds=FIRST_REST), "does not answer")}

    more = await to_many(bus, shop, "news", 20, first=SILENT)
    await shop.until(timedelta(seconds=FIRST_REST - 1))
    assert len(mail.handed) == SILENT, "nothing is tried while it rests"
    assert {await shop.state(each) for each in more} == {State.HELD}


async def test_after_its_rest_it_is_asked_one_thing_until_it_answers(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(bus.parts.road, "bulkheads", Bulkheads(clock=lambda: now[0]))
    mail = shop.wire("mail")
    mail.answers(*[Unknown("answer_lost")] * SILENT, Unknown("answer_lost"))
    rows = await to_many(bus, shop, "news", SILENT)
    await bus.drain()
    rows += await to_many(bus, shop, "news", 20, first=SILENT)
    now[0] += FIRST_REST
    await shop.until(timedelta(seconds=FIRST_REST))
    assert len(mail.handed) == SILENT + 1, "one that finds out; the others wait"
    ((until_, reason),) = (await bus.parts.store.pauses(shop.clock.now())).values()
    assert (until_ - shop.clock.now(), reason) == (timedelta(seconds=2 * FIRST_REST), "does not answer")

    now[0] += 2 * FIRST_REST
    await shop.until(timedelta(minutes=5))
    gone = [await shop.state(each) for each in rows]
    assert gone.count(State.FAILED) == SILENT + 1, "their answers are lost for good"
    assert gone.count(State.SENT) == 19
    await shop.balanced()


def test_any_answer_ends_the_silence() -> None:
    now = [0.0]
    walls = Bulkheads(50, clock=lambda: now[0])
    assert [walls.silent("a") for _ in range(SILENT - 1)] == [0.0] * (SILENT - 1)
    walls.answered("a")
    assert [walls.silent("a") for _ in range(SILENT)] == [0.0] * (SILENT - 1) + [FIRST_REST]
    assert walls.silent("a") == 0.0, "what was under way when its rest began"
    assert (walls.room("a"), walls.room("b")) == (1, 50)
    walls.begin("a", "marketing")
    walls.begin("a", "transactional")
    assert walls.room("a") == 0, "what is urgent is not counted"
    walls.end("a", "marketing")
    walls.end("a", "transactional")
    rests = []
    for _ in range(8):
        now[0] += LONGEST_REST
        rests.append(walls.silent("a"))
    assert rests == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0, 600.0, 600.0]
    walls.answered("a")
    assert walls.room("a") == 50


@pytest.mark.parametrize("answer", [Refused("no"), TryLater("429", retry_after=1.0, alone=True)])
async def test_a_refusal_is_an_answer(bus: Any, shop: Any, answer: Exception) -> None:
    mail = shop.wire("mail")
    lost = [Unknown("answer_lost")] * (SILENT - 1)
    mail.answers(*lost, answer, *lost)
    for number in range(2 * SILENT - 1):
        await to_many(bus, shop, "news", 1, first=number)
        await bus.drain()
    assert await bus.parts.store.pauses(shop.clock.now()) == {}


async def test_what_is_not_the_providers_fault_is_no_silence(bus: Any, shop: Any) -> None:
    shop.wire("mail").answers(*[Unknown("store_away")] * (2 * bulkheads.SILENT))
    await to_many(bus, shop, "news", 2 * bulkheads.SILENT)
    await bus.drain()
    assert await bus.parts.store.pauses(shop.clock.now()) == {}
