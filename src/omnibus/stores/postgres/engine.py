"""Short transactions on pooled connections, run again when another transaction was in the way or the database away.

Source: https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html (statements leave without waiting for answers),
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT (``pg_xact_status``).
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from omnibus.errors import StoreFull
from omnibus.stores.postgres.exchange import CLASH, Exchange
from omnibus.stores.texts import nul

T = TypeVar("T")


class PooledConnection(psycopg.AsyncConnection[Any]):
    """Hold a connection of the pool, and what is remembered of it."""

    exchange: Exchange


Connection = psycopg.AsyncConnection[Any] | Exchange  # a job may run in a transaction of the app's own
Job = Callable[[Connection], Awaitable[T]]

SIZE = 10  # connections of one process
PATIENCE = 5.0  # seconds that a call waits for a database that is away
LONG = 30.0  # the same for what must not be lost: the answers of providers
SILENCE = 45.0  # seconds after which a connection that does not answer is given up: longer than any statement may take
CLASHES = 12  # times that a call runs again because another transaction was in the way

#: a cut network is found out by the kernel, not by waiting for an answer that cannot come
LINE = {
    "connect_timeout": 5, "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}  # fmt: skip
#: a stuck statement, a stuck lock and a forgotten transaction end by themselves: docs/reference/store-and-scale.md
SETTINGS = (
    ("statement_timeout", "30s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "30s"),
    ("plan_cache_mode", "force_custom_plan"),  # a plan made for an empty outbox is a disaster for a full one
    ("jit", "off"), ("synchronous_commit", "on"), ("application_name", "omnibus"),
)  # fmt: skip

AWAY = (
    psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction, PoolTimeout, PoolClosed,
    ConnectionError,
)  # fmt: skip


NUMBER = "SELECT pg_current_xact_id()::text, pg_postmaster_start_time()::text"
#: hot statements are planned once a connection: each finds its rows by key, and is not left to find another way
PINNED = {
    "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off",
    "enable_hashjoin": "off", "enable_mergejoin": "off",
}  # fmt: skip
_PINS = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in PINNED.items())
PIN, PINNED_NUMBER = f"SELECT {_PINS}", f"{NUMBER}, {_PINS}"
_PLAN = {"plan_cache_mode": "force_custom_plan"}
UNPIN = "SELECT " + ", ".join(f"set_config('{name}', '{_PLAN.get(name, 'on')}', true)" for name in PINNED)


class Stale(Exception):
    """Roll the call back: the context moved."""


class Surprise(Exception):
    """Run the call again: what it read was overtaken before it wrote."""


@dataclass(slots=True)
class _Try:
    """Hold the connection of a call, and the transaction's id and the answer once nothing but its COMMIT is missing."""

    committing: tuple[str, str] = ("", "")
    answer: Any = None
    line: PooledConnection | None = None
    begun: float = 0.0

    def use(self, line: PooledConnection) -> None:
        """Note which connection it runs on."""
        self.line, self.begun = line, asyncio.get_running_loop().time()


async def configure(db: PooledConnection, *, pinned: bool = False) -> None:
    """Give a new connection the settings that the promises rest on."""
    await db.set_autocommit(True)
    told = (*SETTINGS, *(PINNED.items() if pinned else ()))
    wanted = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in told)
    async with _answering(db, PATIENCE):
        await db.execute(f"SELECT {wanted}")
    db.exchange = Exchange(db)


@asynccontextmanager
async def _answering(db: PooledConnection, seconds: float) -> AsyncIterator[None]:
    """Give a connection up that does not answer in time: whoever waits on it is told that it is closed."""
    watch = asyncio.get_running_loop().call_later(seconds, _hang_up, db)
    try:
        yield
    finally:
        watch.cancel()


def _hang_up(db: PooledConnection) -> None:
    with suppress(OSError, psycopg.OperationalError), socket.socket(fileno=os.dup(db.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)  # libpq reads the end at once; to close it properly would ask the other side


class Engine:
    """Run jobs, each in one transaction of one pooled connection.

    Args:
        least, most: connections that are kept, and that there may be.
        pinned: all that is asked on them finds its rows by key, and is planned once.
    """

    def __init__(self, url: str, *, least: int = 1, most: int = SIZE, pinned: bool = False) -> None:
        self._url, self._least, self._most = url, least, most
        self._configure = partial(configure, pinned=pinned)
        self._pool: AsyncConnectionPool[PooledConnection] | None = None
        self._renewed = 0.0

    async def start(self) -> None:
        """Open the pool; connections come as they are needed."""
        told = conninfo_to_dict(self._url)
        self._pool = AsyncConnectionPool(
            self._url, connection_class=PooledConnection, kwargs={**{key: value for key, value in LINE.items() if key not in told}}, min_size=self._least, max_size=self._most,
            open=False, configure=self._configure, timeout=PATIENCE, reconnect_timeout=10.0,
        )  # fmt: skip
        await self._pool.open()

    async def stop(self) -> None:
        """Close every connection; may be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def write(
        self, job: Job[T], *, patience: float = PATIENCE, silence: float = SILENCE, pinned: bool = False
    ) -> T:
        """Run *job* in a transaction and return once it is committed.

        Args:
            silence: seconds that it may take, all its statements together.
            pinned: its statements find their rows by key, and are planned once.

        Raises:
            StoreFull: the database is away, full or read-only; nothing is stored.
            InputError: a text holds a NUL; nothing is stored.
        """
        number = PINNED_NUMBER if pinned else NUMBER
        return await self._again(lambda db, mark: self._once(db, job, mark, number), patience, silence)

    async def read(self, job: Job[T], *, snapshot: bool = False, silence: float = SILENCE, pinned: bool = False) -> T:
        """Run *job* without a transaction; with *snapshot* all its statements see the same moment.

        A job of several statements opens its own pipeline: for one alone it is a second round trip and a third more CPU.

        Args:
            pinned: its statements find their rows by key, and are planned once.
        """

        async def reading(db: PooledConnection, mark: _Try) -> T:
            async with db.exchange.talking() as talk:
                if pinned:
                    await talk.execute(PIN)  # until the first reply
                if not snapshot:
                    return await job(talk)
                await talk.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                talk.within = True
                answer = await job(talk)
                await talk.execute("COMMIT")
                talk.within = False
                return answer

        return await self._again(reading, PATIENCE, silence)

    async def _once(self, db: PooledConnection, job: Job[T], mark: _Try, number: str) -> T:
        async with db.exchange.talking() as talk:
            await talk.execute("BEGIN")
            told = await talk.execute(number)
            talk.within = True
            answer = await job(talk)
            row = await told.fetchone() or ("", "")
            mark.committing, mark.answer = (row[0], row[1]), answer
            await talk.execute("COMMIT")
            talk.within = False
        return answer

    async def _again(self, act: Callable[[PooledConnection, _Try], Awaitable[T]], patience: float, silence: float) -> T:
        clock = asyncio.get_running_loop().time
        until, clashes, pause = clock() + patience, 0, 0.02
        while True:
            mark = _Try()
            try:
                async with self._taken(max(until - clock(), 0.1)) as db:
                    mark.use(db)
                    async with _answering(db, silence):
                        return await _closing(db, act(db, mark))
            except psycopg.DataError as error:
                if error.sqlstate is None:  # psycopg's own: the server never saw it
                    raise nul() from None
                raise
            except (*CLASH, Surprise) as error:
                clashes += 1
                if clashes > CLASHES:
                    raise StoreFull(f"the store is too busy ({type(error).__name__})") from None
                await asyncio.sleep(random.uniform(0, 0.01 * clashes))  # noqa: S311 - spreads the tries
            except AWAY as error:
                await self._refresh(mark)
                if mark.committing[0] and await self._committed(mark.committing, until):
                    return cast("T", mark.answer)
                if clock() >= until or self._pool is None:
                    raise StoreFull(f"the store cannot be used now ({type(error).__name__})") from None
                await asyncio.sleep(min(pause, max(until - clock(), 0)))
                pause = min(pause * 2, 1.0)

    @asynccontextmanager
    async def _taken(self, patience: float) -> AsyncIterator[PooledConnection]:
        """Take a connection from the pool; whoever talked on it left no transaction open."""
        pool = self._open()
        db = await pool.getconn(patience)
        try:
            yield db
        finally:
            await pool.putconn(db)

    async def _refresh(self, mark: _Try) -> None:
        """Replace every connection when one broke, for a restart or a cut broke them all; once for all calls that it hit."""
        broke = mark.line is not None and mark.line.closed and mark.begun > self._renewed
        if broke and self._pool is not None and not self._pool.closed:
            self._renewed = asyncio.get_running_loop().time()
            await self._pool.drain()

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
                async with self._open().connection() as db, _answering(db, PATIENCE):
                    mark.use(db)
                    told = await db.execute("SELECT pg_postmaster_start_time()::text")
                    born = (await told.fetchone() or ("",))[0]
                    status = await db.execute("SELECT pg_xact_status(%s::xid8)", (number[0],))
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

    def _open(self) -> AsyncConnectionPool[PooledConnection]:
        if self._pool is None:
            raise StoreFull("the store is closed")
        return self._pool


async def _closing(db: PooledConnection, work: Awaitable[T]) -> T:
    """Give a connection up whose server became read-only: after a failover the next one leads elsewhere."""
    try:
        return await work
    except errors.ReadOnlySqlTransaction:
        await db.close()
        raise
