"""Hints between processes: something is due, a customer's context moved. Looking at the tables remains the mechanism.

They go out after the commit, gathered, on a connection of their own turn: NOTIFY inside a transaction makes the commits of
all processes wait for each other. A hint that is lost (a process killed, LISTEN cut) delays until the next look, no more.

Source: https://www.postgresql.org/docs/current/sql-notify.html (a payload is shorter than 8000 bytes).
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg

from omnibus.errors import StoreFull
from omnibus.store import Wish
from omnibus.stores.postgres.accepting import Answer, accept
from omnibus.stores.postgres.connections import LINE
from omnibus.stores.postgres.engine import AWAY, Connection, Engine
from omnibus.stores.postgres.joining import joined
from omnibus.stores.postgres.upkeep import Keeping

GATHER = 0.02  # seconds in which what happens is told together; the first of it is told at once
STRETCH = 0.2  # the same where much happens, for what makes no work due: each hint wakes every process of the database
ROOM = 7_000  # bytes of customers in one hint
LONGEST = 10.0  # seconds between two tries to listen
NOTIFY = "SELECT pg_notify('omnibus', %s)"

Ring = Callable[[Collection[str]], None]


class Hints:
    """Tell other processes on one database what was committed here, and hear what was committed there.

    Args:
        ring: called with the customers that another process told of; with none when only work is due.
    """

    def __init__(self, url: str, engine: Engine, ring: Ring) -> None:
        self._url, self._engine, self._ring = url, engine, ring
        self._own = secrets.token_hex(6)
        self._waiting: set[str] | None = None
        self._due = asyncio.Event()  # somebody may be waiting for work
        self._telling: asyncio.Task[None] | None = None
        self._hearing = asyncio.create_task(self._listen())
        self.listens = asyncio.Event()

    async def stop(self) -> None:
        """Tell what waits, and hear no more."""
        self._hearing.cancel()
        self._due.set()
        if self._telling is not None:
            await self._telling
        with suppress(asyncio.CancelledError):
            await self._hearing

    def tell(self, customers: Collection[str]) -> None:
        """Let others know, soon; nobody waits for it."""
        self._waiting = (self._waiting or set()) | set(customers)
        if not customers:
            self._due.set()
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        pause = GATHER
        while self._waiting is not None:
            customers, self._waiting = self._waiting, None
            self._due.clear()
            told = [json.dumps([self._own, *page]) for page in pages(sorted(customers))]

            async def job(db: Connection, told: Sequence[str] = told) -> None:
                for each in told:
                    await db.execute(NOTIFY, (each,))

            with suppress(StoreFull):  # a hint only
                await self._engine.read(job, pinned=True)  # on the connection that is at hand
            if not self._hearing.cancelled():
                await self._gather(pause)
            pause = STRETCH

    async def _gather(self, pause: float) -> None:
        """Let more come together; what makes work due waits for the shortest pause only."""
        await asyncio.sleep(GATHER)
        if pause > GATHER:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause - GATHER):
                    await self._due.wait()

    async def _listen(self) -> None:
        pause = 0.1
        while True:
            with suppress(*AWAY):  # not to be heard is no fault: whoever waits looks by itself
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True, **LINE) as db:  # type: ignore[arg-type]
                    await db.execute("LISTEN omnibus")
                    pause = 0.1
                    self.listens.set()
                    self._ring(())  # what was told before nobody heard
                    async for told in db.notifies():
                        self._hear(told.payload)
            self.listens.clear()
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads the processes
            pause = min(pause * 2, LONGEST)

    def _hear(self, payload: str) -> None:
        try:
            whose, *customers = json.loads(payload)
        except (ValueError, TypeError):  # somebody else's word on a channel of our name
            return
        if whose != self._own:
            self._ring(customers)


class Hinting(Keeping):
    """Let the processes of one database hear of each other."""

    engine: Engine
    _url: str
    _hints: Hints | None = None

    def listen(self, ring: Ring) -> None:
        """Call *ring* when another process committed something."""
        self._hints = Hints(self._url, self.engine, ring)

    def tell(self, customers: Collection[str]) -> None:
        """Let the other processes know."""
        if self._hints is not None:
            self._hints.tell(customers)

    async def accept_in(self, connection: Any, wishes: Sequence[Wish]) -> list[Answer]:
        """Accept in the app's own transaction on *connection*, a ``psycopg.AsyncConnection`` to this database.

        The workers, this process's own included, hear of it when that commits.
        """

        async def job(db: Connection) -> list[Answer]:
            answers = await accept(db, wishes)
            await db.execute(NOTIFY, (json.dumps([""]),))
            return answers

        return await joined(connection, job) if wishes else []

    async def hush(self) -> None:
        """Tell what waits, and stop."""
        hints, self._hints = self._hints, None
        if hints is not None:
            await hints.stop()


def pages(customers: Sequence[str]) -> Iterator[list[str]]:
    """Cut customers into pieces that fit a hint; one piece for none."""
    page: list[Any] = []
    size = 0
    for each in customers:
        length = len(json.dumps(each)) + 2
        if page and size + length > ROOM:
            yield page
            page, size = [], 0
        page.append(each)
        size += length
    yield page
