"""Several processes on one database hear of each other; and when nothing can be heard, looking finds everything."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from omnibus import work
from omnibus.server import desk as streams
from omnibus.server.desk import BusDesk
from omnibus.stores.postgres import hints
from omnibus.stores.postgres.hints import Hints, pages

LONG = 3_600.0  # seconds: what is found within a test was told, not looked for
ENDS = 60.0  # seconds after which a test that hears nothing gives up


def bounded(test: Any) -> Any:
    """Give up in time: a hint that never comes must fail a test, not hold it up."""

    @functools.wraps(test)
    async def within(*given: Any, **told: Any) -> None:
        async with asyncio.timeout(ENDS):
            await test(*given, **told)

    return within


@pytest.fixture
def two(shop: Any) -> Callable[[], Any]:
    """Open the same shop twice, as two processes would."""
    shop.channel("mail")
    shop.message("hello", via=["mail"], purpose="service", topic="news")

    async def opened() -> tuple[Any, Any]:
        here = await shop.open()
        there = await shop.open()
        for each in (here, there):
            await each.parts.store._hints.listens.wait()
        return here, there

    return opened


@bounded
async def test_a_stream_hangs_on_any_process(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "POLL", LONG)
    here, there = await two()
    ada = await here.customers.upsert(email="ada@example.com")
    async with stream_of(there, ada.id) as stream:
        first = await anext(stream)
        coming = await waits(there, stream)
        await here.track(ada, "product.viewed", {"sku": "b", "name": "Boots"}, id="v1")
        context = await coming
    assert context.version > first.version


@bounded
async def test_a_waiting_worker_goes_on_at_once(two: Any, monkeypatch: pytest.MonkeyPatch, shop: Any) -> None:
    monkeypatch.setattr(work, "IDLE", LONG)
    here, there = await two()
    ada = await here.customers.upsert(email="ada@example.com")
    async with at_work(there):
        (sent,) = await here.send("hello", ada)
        while (await here.parts.store.delivery(sent.id)).state.value != "sent":
            async with here.parts.bell.watch(ada.id) as moved:
                if (await here.parts.store.delivery(sent.id)).state.value != "sent":
                    await moved.wait()
    assert [each.attempt.delivery for each in shop.wire("mail").handed] == [sent.id]


@bounded
async def test_what_makes_work_due_waits_for_no_long_pause(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where much moves it is told seldom, and together; work that is due cuts such a pause short."""
    monkeypatch.setattr(hints, "STRETCH", LONG)
    here, there = await two()
    heard: asyncio.Queue[list[str]] = asyncio.Queue()
    there.parts.store._hints._ring = heard.put_nowait
    tell = here.parts.store._hints.tell
    for name in ("ada", "ben"):
        tell([name])
        assert await heard.get() == [name]
    tell(["cleo"])
    tell(["dora"])
    tell(())
    assert await heard.get() == ["cleo", "dora"]


@bounded
async def test_what_the_app_s_transaction_accepts_is_told_when_it_commits(
    two: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(work, "IDLE", LONG)
    here, there = await two()
    ada = await here.customers.upsert(email="ada@example.com")
    async with at_work(there), await psycopg.AsyncConnection.connect(url) as app:
        await app.execute("SELECT 1")
        (sent,) = await here.send("hello", ada, connection=app)
        async with here.parts.bell.watch(ada.id) as moved:
            await app.commit()
            await moved.wait()
    assert (await here.parts.store.delivery(sent.id)).state.value == "sent"


@bounded
async def test_deaf_it_looks_by_itself_and_hears_again(
    two: Any, monkeypatch: pytest.MonkeyPatch, connect: Callable[[], Any]
) -> None:
    """LISTEN is cut and cannot be had again: the stream polls. Later it can, and is told again."""
    monkeypatch.setattr(hints, "LONGEST", 0.05)
    here, there = await two()
    ada = await here.customers.upsert(email="ada@example.com")
    usual, deaf = psycopg.AsyncConnection.connect, [True]

    async def refused(*given: Any, **told: Any) -> Any:
        if deaf and "autocommit" in told and len(told) > 4:
            raise psycopg.OperationalError("nobody listens now")
        return await usual(*given, **told)

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", refused)
    db = await connect()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN omnibus' AND datname = current_database()"
    assert len(await (await db.execute(cut)).fetchall()) == 2
    while there.parts.store._hints.listens.is_set():  # noqa: ASYNC110 - the server tells, nobody else
        await asyncio.sleep(0.001)
    monkeypatch.setattr(streams, "POLL", 0.01)
    async with stream_of(there, ada.id) as stream:
        first = await anext(stream)
        coming = await waits(there, stream)
        await here.track(ada, "product.viewed", {"sku": "b", "name": "Boots"}, id="v1")
        assert (await coming).version > first.version, "found by looking"
    deaf.clear()
    await there.parts.store._hints.listens.wait()
    monkeypatch.setattr(streams, "POLL", LONG)
    async with stream_of(there, ada.id) as stream:
        before = await anext(stream)
        coming = await waits(there, stream)
        await here.track(ada, "product.viewed", {"sku": "c", "name": "Coat"}, id="v2")
        assert (await coming).version > before.version, "told again"


@bounded
async def test_a_hint_from_elsewhere_harms_nobody(two: Any, connect: Callable[[], Any]) -> None:
    """Another app may use a channel of our name, and say anything."""
    here, _ = await two()
    heard: list[Any] = []
    here.parts.store._hints._ring = heard.append
    db = await connect()
    for told in ("", "x", "{}", "[]", "7", "[1]", '["other","ada"]', json.dumps([here.parts.store._hints._own, "ben"])):
        await db.execute("SELECT pg_notify('omnibus', %s)", (told,))
    await db.execute("SELECT pg_notify('omnibus', %s)", ('["other","last"]',))
    while ["last"] not in heard:  # noqa: ASYNC110 - the server tells, nobody else
        await asyncio.sleep(0.001)
    assert heard == [[], ["ada"], ["last"]], "its own it does not hear"


def test_many_customers_are_cut_into_hints_that_fit() -> None:
    people = [f"customer-{number}-☂" for number in range(2_000)]
    cut = list(pages(people))
    assert [each for page in cut for each in page] == people
    assert all(len(json.dumps(["x" * 12, *page])) < 8_000 for page in cut)
    assert len(cut) > 5
    assert list(pages([])) == [[]]


@bounded
async def test_closing_tells_what_waits(url: str) -> None:
    """A command that ends at once was heard; what is told together goes together."""
    told: list[str] = []

    class Slow:
        async def execute(self, statement: str, given: tuple[str, ...]) -> None:
            await asyncio.sleep(0)
            told.extend(given)

        async def read(self, job: Any, **_: Any) -> None:
            await asyncio.sleep(0)
            await job(self)

    made = Hints(url, Slow(), lambda customers: None)  # type: ignore[arg-type]
    made.tell(["ben"])
    made.tell(["ada"])
    await made.stop()
    assert [json.loads(each)[1:] for each in told] == [["ada", "ben"]]


async def waits(bus: Any, stream: Any) -> asyncio.Task[Any]:
    """Ask a stream for its next context, and come back when it has looked and found nothing new."""
    looked, usual = asyncio.Event(), bus.context

    async def context(who: str) -> Any:
        found = await usual(who)
        looked.set()
        return found

    bus.context = context
    coming = asyncio.create_task(anext(stream))
    await looked.wait()
    return coming


class stream_of:  # noqa: N801 - reads as a word
    """Open a customer's stream on a bus."""

    def __init__(self, bus: Any, customer: str) -> None:
        self._closing = asyncio.Event()
        self._stream = BusDesk(bus, "mail", self._closing).stream(customer)

    async def __aenter__(self) -> Any:
        return self._stream

    async def __aexit__(self, *told: object) -> None:
        await self._stream.aclose()


class at_work:  # noqa: N801 - as above
    """Let a bus work, and see it wait before anything happens."""

    def __init__(self, bus: Any) -> None:
        self._bus, self._stop = bus, asyncio.Event()

    async def __aenter__(self) -> None:
        waits, usual = asyncio.Event(), self._bus.parts.bell.work

        async def work(seconds: float) -> None:
            waits.set()
            await usual(seconds)

        self._bus.parts.bell.work = work
        self._working = asyncio.create_task(self._bus.work(self._stop))
        await waits.wait()

    async def __aexit__(self, *told: object) -> None:
        self._stop.set()
        self._bus.parts.bell.ring()
        await self._working
