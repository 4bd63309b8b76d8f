"""A campaign while the database restarts and the network is cut: it goes on by itself, and nobody is lost or told twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from omnibus.build import open_bus
from omnibus.model.event import Event
from omnibus.stores.postgres import Postgres, engine

pytestmark = pytest.mark.reliability
PEOPLE = 240
NEVER = ("unbalanced", "stuck", "silent", "lost_lanes", "unproven", "waiting")


class Line:
    """Stand between a worker and its database, on loopback; it can be cut, and it can fall silent."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._whole = asyncio.Event()
        self._whole.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refusing, self.port, self.taken = False, 0, 0

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.cut()
        self._server.close()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break what is open and refuse what comes."""
        self.refusing = True
        for each in list(self._open):
            each.transport.abort()

    def hush(self) -> None:
        """Pass nothing on any more, and say nothing of it."""
        self._whole.clear()

    def mend(self) -> None:
        """Take new connections again; those that fell silent are lost."""
        for each in list(self._open) if not self._whole.is_set() else ():
            each.transport.abort()
        self.refusing = False
        self._whole.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        if self.refusing:
            writer.transport.abort()
            return
        self._open.add(writer)
        back = None
        with suppress(OSError):
            await self._whole.wait()
            answers, back = await asyncio.open_unix_connection(self._socket)
            self._open.add(back)
            for task in (self._pump(reader, back), self._pump(answers, writer)):
                made = asyncio.create_task(task)
                self._tasks.add(made)
            return
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
        self._open.discard(writer)
        writer.close()


@pytest.fixture
def url(server: Any) -> str:
    """A database on a server that only this module stops."""
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS cut WITH (FORCE)")
        db.execute("CREATE DATABASE cut")
    return str(server.url).replace("/postgres?", "/cut?")


@pytest.fixture
async def line(server: Any) -> AsyncIterator[Line]:
    made = Line(str(server.socket / ".s.PGSQL.5432"))
    await made.listen()
    yield made
    await made.close()


async def launched(shop: Any) -> None:
    """Launch a campaign, over a way to the database that nobody cuts."""
    shop.channel("mail", idempotency="key")
    shop.message("news", "# News\n", via=["mail"], topic="news")
    async with open_bus(shop.toml(), plugins=shop.plugins, environ={}) as bus:
        names = [f"c{number:04}" for number in range(PEOPLE)]
        identity, now = bus.customers.recogniser.identity, datetime.now(UTC)
        await bus.parts.store.create([(each, [identity("email", f"{each}@example.com")]) for each in names], now)
        told = {"channel": "*", "purpose": "marketing", "topic": "*"}
        yes = [Event(f"yes-{each}", "test", "consent.granted", now, each, told) for each in names]
        await bus.parts.inbox.put(yes, quiet=True)
        await bus.launch("news", name="spring")


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):  # a test that fails shall not hang
        while not done():  # noqa: ASYNC110 - the other side tells by what it has
            await asyncio.sleep(0.002)


async def worked(shop: Any, line: Line, faults: list[Callable[[], Any]]) -> dict[str, int]:
    """Work on the campaign over the line; each fault comes when so much more was handed over."""
    shop.core = shop.core.replace(
        shop.core.split('store = "')[1].split('"')[0], f"postgresql://postgres@127.0.0.1:{line.port}/cut"
    )
    wire = shop.wire("mail")
    async with open_bus(shop.toml(), plugins=shop.plugins, environ={}) as bus:
        bus.parts.road.lease_term = 1.5  # what a cut leaves in doubt is looked at soon
        bus.parts.dispatcher.senders.slots = 8
        stop = asyncio.Event()
        working = asyncio.create_task(bus.work(stop))
        for number, fault in enumerate(faults, 1):
            goal = number * PEOPLE // (len(faults) + 1)
            await until(lambda goal=goal: len(wire.handed) >= goal or working.done())
            await fault()
        while True:
            with suppress(engine.StoreFull):
                if (await bus.campaigns.status("spring")).finished:
                    break
            assert not working.done(), "the worker gave up"
            await asyncio.sleep(0.05)
        stop.set()
        bus.parts.bell.ring()
        await working
        return await bus.audit()


def told_once(shop: Any, audit: dict[str, int]) -> None:
    """Compare what the provider got with what was accepted: the same key is the same message."""
    keys = {each.attempt.id: each.address for each in shop.wire("mail").handed}
    heard = Counter(keys.values())
    assert len(heard) == PEOPLE, "somebody was lost"
    assert sum(count - 1 for count in heard.values()) <= audit["flagged"], "somebody was told twice, and it is not said"
    assert {name: audit[name] for name in NEVER} == dict.fromkeys(NEVER, 0)
    assert (audit["accepted"], audit["sent"]) == (PEOPLE, PEOPLE)


async def test_the_database_restarts(shop: Any, server: Any, line: Line) -> None:
    await launched(shop)

    async def restart() -> None:
        await asyncio.to_thread(server.restart)

    told_once(shop, await worked(shop, line, [restart, restart]))


async def test_the_network_is_cut(shop: Any, line: Line) -> None:
    await launched(shop)

    async def cut() -> None:
        line.cut()
        begun = line.taken
        await until(lambda: line.taken >= begun + 3)  # it tried in vain
        line.mend()

    told_once(shop, await worked(shop, line, [cut, cut, cut]))


async def test_the_network_falls_silent(shop: Any, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that the line is dead: a call that gets no answer gives its connection up, and tries another."""
    await launched(shop)
    usual = engine.Engine._again

    async def impatient(self: Any, act: Any, patience: float, silence: float, **more: Any) -> Any:
        return await usual(self, act, patience, min(silence, 0.5), **more)

    monkeypatch.setattr(engine.Engine, "_again", impatient)

    async def hush() -> None:
        line.hush()
        begun = line.taken
        await until(lambda: line.taken > begun)  # the first that was given up
        line.mend()

    told_once(shop, await worked(shop, line, [hush, hush]))


async def test_a_call_on_a_dead_line_ends(url: str, line: Line) -> None:
    store = Postgres(f"postgresql://postgres@127.0.0.1:{line.port}/cut", lambda: datetime.now(UTC))
    await store.open()

    async def look(db: Any) -> Any:
        return await (await db.execute("SELECT 1")).fetchone()

    assert await store.engine.read(look) == (1,)
    line.hush()
    async with asyncio.timeout(40):  # without it a call would hang, and the test with it
        with pytest.raises(engine.StoreFull):
            await store.engine._again(lambda db, mark: look(db), 0.2, 0.2)
    line.mend()
    assert await store.engine.read(look) == (1,)
    await store.aclose()
