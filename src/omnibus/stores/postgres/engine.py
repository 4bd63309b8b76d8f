"""Short transactions on pooled connections, run again when another transaction was in the way or the database away.

Source: https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html (statements leave without waiting for answers),
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT (``pg_xact_status``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from omnibus.errors import StoreFull
from omnibus.stores.postgres.connections import LOOSEN, PATIENCE, PIN, Connections, PooledConnection, answering
from omnibus.stores.postgres.exchange import CLASH, Exchange
from omnibus.stores.texts import nul

T = TypeVar("T")

Connection = psycopg.AsyncConnection[Any] | Exchange  # a job may run in a transaction of the app's own
Job = Callable[[Connection], Awaitable[T]]

SIZE = 10  # connections of one process
LONG = 30.0  # seconds that a call waits for what must not be lost: the answers of providers
SILENCE = 45.0  # seconds after which a connection that does not answer is given up: longer than any statement may take
CLASHES = 12  # times that a call runs again because another transaction was in the way

AWAY = (
    psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction, PoolTimeout, PoolClosed,
    ConnectionError,
)  # fmt: skip


NUMBER = "SELECT pg_current_xact_id()::text, pg_postmaster_start_time()::text"
HASTY = f"{NUMBER}, set_config('lock_timeout', '100ms', true)"


class Stale(Exception):
    """Roll the call back: the context moved."""


class Surprise(Exception):
    """Run the call again: what it read was overtaken before it wrote."""


@dataclass(slots=True)
class _Try:
    """Hold the connection of a call, and the transaction's id and the answer once nothing but its COMMIT is missing.

    Args:
        pinned: what it asks finds its rows by key, and is planned once.
    """

    pinned: bool = False
    committing: tuple[str, str] = ("", "")
    answer: Any = None
    line: PooledConnection | None = None
    begun: float = 0.0

    def use(self, line: PooledConnection) -> None:
        """Note which connection it runs on."""
        self.line, self.begun = line, asyncio.get_running_loop().time()


class Engine:
    """Run jobs, each in one transaction of one pooled connection.

    Args:
        least, most: connections that are kept, and that there may be.
        pinned: all that is asked on them finds its rows by key, and is planned once.
    """

    def __init__(self, url: str, *, least: int = 1, most: int = SIZE, pinned: bool = False) -> None:
        self._connections, self._pinned = Connections(url, least=least, most=most), pinned

    async def start(self) -> None:
        """Be ready for jobs."""
        await self._connections.open()

    async def stop(self) -> None:
        """Close every connection; may be called twice."""
        await self._connections.close()

    async def write(
        self, job: Job[T], *, patience: float = PATIENCE, silence: float = SILENCE, pinned: bool = False,
        hasty: bool = False,
    ) -> T:  # fmt: skip
        """Run *job* in a transaction and return once it is committed.

        Args:
            silence: seconds that it may take, all its statements together.
            pinned: its statements find their rows by key, and are planned once.
            hasty: it waits a moment only for locks of others, and is not run again when they were in the way.

        Raises:
            Surprise: they were, and it is *hasty*; nothing is stored.
            StoreFull: the database is away, full or read-only; nothing is stored.
            InputError: a text holds a NUL; nothing is stored.
        """
        number, clashes = (HASTY, 0) if hasty else (NUMBER, CLASHES)
        return await self._again(
            lambda db, mark: self._once(db, job, mark, number), patience, silence, pinned=pinned, most=clashes
        )

    async def read(self, job: Job[T], *, snapshot: bool = False, silence: float = SILENCE, pinned: bool = False) -> T:
        """Run *job* without a transaction; with *snapshot* all its statements see the same moment.

        A job of several statements opens its own pipeline: for one alone it is a second round trip and a third more CPU.

        Args:
            pinned: its statements find their rows by key, and are planned once.
        """

        async def reading(db: PooledConnection, mark: _Try) -> T:
            async with _talking(db, mark) as talk:
                if not snapshot:
                    return await job(talk)
                await talk.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                talk.within = True
                answer = await job(talk)
                await talk.execute("COMMIT")
                talk.within = False
                return answer

        return await self._again(reading, PATIENCE, silence, pinned=pinned)

    async def _once(self, db: PooledConnection, job: Job[T], mark: _Try, number: str = NUMBER) -> T:
        async with _talking(db, mark) as talk:
            await talk.execute("BEGIN")
            told = await talk.execute(number)
            talk.within = True
            answer = await job(talk)
            row = await told.fetchone() or ("", "")
            mark.committing, mark.answer = (row[0], row[1]), answer
            await talk.execute("COMMIT")
            talk.within = False
        return answer

    async def _again(
        self, act: Callable[[PooledConnection, _Try], Awaitable[T]], patience: float, silence: float, *,
        pinned: bool = False, most: int = CLASHES,
    ) -> T:  # fmt: skip
        clock = asyncio.get_running_loop().time
        until, clashes, pause = clock() + patience, 0, 0.02
        while True:
            mark = _Try(pinned or self._pinned)
            try:
                async with self._connections.taken(max(until - clock(), 0.1), pinned=mark.pinned) as db:
                    mark.use(db)
                    async with answering(db, silence):
                        return await _closing(db, act(db, mark))
            except psycopg.DataError as error:
                if error.sqlstate is None:  # psycopg's own: the server never saw it
                    raise nul() from None
                raise
            except (*CLASH, Surprise) as error:
                clashes += 1
                if not most:
                    raise Surprise from None
                if clashes > most:
                    raise StoreFull(f"the store is too busy ({type(error).__name__})") from None
                await asyncio.sleep(random.uniform(0, 0.01 * clashes))  # noqa: S311 - spreads the tries
            except AWAY as error:
                await self._refresh(mark)
                if mark.committing[0] and await self._committed(mark.committing, until):
                    return cast("T", mark.answer)
                if clock() >= until or not self._connections:
                    raise StoreFull(f"the store cannot be used now ({type(error).__name__})") from None
                await asyncio.sleep(min(pause, max(until - clock(), 0)))
                pause = min(pause * 2, 1.0)

    async def _refresh(self, mark: _Try) -> None:
        if mark.line is not None:
            await self._connections.renew(mark.line, mark.begun)

    async def _committed(self, number: tuple[str, str], until: float) -> bool:
        """Ask what became of a transaction whose COMMIT was not answered.

        A server that crashed gives the numbers again that it lost, so after a restart only "not committed" is sure.

        Raises:
            StoreFull: nobody could be asked in time, or it cannot be told any more.
        """
        clock = asyncio.get_running_loop().time
        while True:
            mark = _Try()
            try:
                async with self._connections.taken(PATIENCE, pinned=False) as db, answering(db, PATIENCE):
                    mark.use(db)
                    async with _talking(db, mark) as talk:
                        told = await talk.execute("SELECT pg_postmaster_start_time()::text")
                        status = await talk.execute("SELECT pg_xact_status(%s::xid8)", (number[0],))
                        born = (await told.fetchone() or ("",))[0]
                        found = (await status.fetchone() or ("in progress",))[0]
                if found == "committed" and born != number[1]:
                    raise StoreFull("the database restarted during the commit; look before you repeat it")
                if found != "in progress":
                    return bool(found == "committed")
            except errors.InvalidParameterValue:  # a number "in the future": lost in a crash, and not given again yet
                return False
            except AWAY:
                await self._refresh(mark)
            if clock() >= until:
                raise StoreFull("the store went away during the commit; look before you repeat it") from None
            await asyncio.sleep(0.2)


@asynccontextmanager
async def _talking(db: PooledConnection, mark: _Try) -> AsyncIterator[Exchange]:
    """Talk on a connection that plans as is asked for; after a fault it is told anew."""
    was, db.pinned = db.pinned, None
    async with db.exchange.talking() as talk:
        talk.keeps = mark.pinned
        if was is not mark.pinned:
            await talk.execute(PIN if mark.pinned else LOOSEN)
            talk.part()
        yield talk
    db.pinned = mark.pinned


async def _closing(db: PooledConnection, work: Awaitable[T]) -> T:
    """Give a connection up whose server became read-only: after a failover the next one leads elsewhere."""
    try:
        return await work
    except errors.ReadOnlySqlTransaction:
        await db.close()
        raise
