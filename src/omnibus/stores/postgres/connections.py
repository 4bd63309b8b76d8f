"""The connections of one process: those of psycopg's pool, and of these the last few that were used, at hand for the next.

The pool hands its connections out in turn, so each of them would plan the same hot statements. Whoever is next gets the one
that was used last, of those that plan as they need it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from omnibus.errors import StoreFull
from omnibus.stores.postgres.exchange import Exchange

PATIENCE = 5.0  # seconds that a call waits for a database that is away
KEPT = 2  # connections at hand: a round's, and one for what goes on beside it
LONGEST = 600.0  # seconds for which one is at hand, before the pool sees it again: it ends those that are old

#: a cut network is found out by the kernel, not by waiting for an answer that cannot come
LINE = {
    "connect_timeout": 5, "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}  # fmt: skip
#: a stuck statement, a stuck lock and a forgotten transaction end by themselves: docs/reference/store-and-scale.md
SETTINGS = {
    "statement_timeout": "30s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s",
    "plan_cache_mode": "force_custom_plan",  # a plan made for an empty outbox is a disaster for a full one
    "jit": "off", "synchronous_commit": "on", "application_name": "omnibus",
}  # fmt: skip
#: hot statements are planned once a connection: each finds its rows by key, and is not left to find another way
PINNED = {
    "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off",
    "enable_hashjoin": "off", "enable_mergejoin": "off",
}  # fmt: skip
_LOOSE = {name: SETTINGS.get(name, "on") for name in PINNED}


def setting(values: dict[str, str], *, local: bool = False) -> str:
    """Write the statement that gives a connection settings, until it ends or, *local*, until its transaction does."""
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', {local})" for name, value in values.items())


PIN, LOOSEN, UNPIN = setting(PINNED), setting(_LOOSE), setting(_LOOSE, local=True)


class PooledConnection(psycopg.AsyncConnection[Any]):
    """Hold a connection of the pool, and what is remembered of it."""

    exchange: Exchange
    pinned: bool | None = False  # how it plans; None when that is not known
    since = 0.0  # when the pool gave it away, in the loop's time


class Connections:
    """Hand out connections.

    Args:
        least, most: connections that are kept, and that there may be.
    """

    def __init__(self, url: str, *, least: int, most: int) -> None:
        self._url, self._least, self._most = url, least, most
        self._pool: AsyncConnectionPool[PooledConnection] | None = None
        self._kept: list[PooledConnection] = []
        self._asking = 0  # who waits for the pool
        self._renewed = 0.0

    def __bool__(self) -> bool:
        """Tell whether it is open."""
        return self._pool is not None

    async def open(self) -> None:
        """Open the pool; connections come as they are needed."""
        told = conninfo_to_dict(self._url)
        self._pool = AsyncConnectionPool(
            self._url, connection_class=PooledConnection, kwargs={key: value for key, value in LINE.items() if key not in told}, min_size=self._least, max_size=self._most,
            open=False, configure=_configure, timeout=PATIENCE, reconnect_timeout=10.0,
        )  # fmt: skip
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection; may be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await self._let_go(pool)
            await pool.close()

    @asynccontextmanager
    async def taken(self, patience: float, *, pinned: bool) -> AsyncIterator[PooledConnection]:
        """Take a connection; whoever talked on it left no transaction open.

        Raises:
            StoreFull: it is closed.
            psycopg_pool.PoolTimeout: there is none in time.
        """
        pool = self._pool
        if pool is None:
            raise StoreFull("the store is closed")
        line = self._at_hand(pinned=pinned) or await self._asked(pool, patience)
        try:
            yield line
        finally:
            if self._pool is pool and self._may_stay(line):
                self._kept.append(line)
            else:
                await pool.putconn(line)

    async def renew(self, line: PooledConnection, begun: float) -> None:
        """Replace every connection when one broke, for a restart or a cut broke them all; once for all calls that it hit.

        Args:
            begun: when the call began that it hit, in the loop's time.
        """
        pool = self._pool
        if pool is not None and not pool.closed and line.closed and begun > self._renewed:
            self._renewed = asyncio.get_running_loop().time()
            await pool.drain()
            await self._let_go(pool)

    def _at_hand(self, *, pinned: bool) -> PooledConnection | None:
        """Give the one that was used last, of those that plan as is wanted if there is one."""
        kept = self._kept
        for place in range(len(kept) - 1, -1, -1):
            if kept[place].pinned is pinned:
                return kept.pop(place)
        return kept.pop() if kept else None

    async def _asked(self, pool: AsyncConnectionPool[PooledConnection], patience: float) -> PooledConnection:
        self._asking += 1
        try:
            line = await pool.getconn(patience)
        finally:
            self._asking -= 1
        line.since = asyncio.get_running_loop().time()
        return line

    def _may_stay(self, line: PooledConnection) -> bool:
        young = asyncio.get_running_loop().time() - line.since < LONGEST
        return young and not line.closed and not self._asking and len(self._kept) < KEPT

    async def _let_go(self, pool: AsyncConnectionPool[PooledConnection]) -> None:
        while self._kept:
            await pool.putconn(self._kept.pop())


async def _configure(line: PooledConnection) -> None:
    """Give a new connection the settings that the promises rest on."""
    await line.set_autocommit(True)
    async with answering(line, PATIENCE):
        await line.execute(setting(SETTINGS))
    line.exchange = Exchange(line)


@asynccontextmanager
async def answering(line: PooledConnection, seconds: float) -> AsyncIterator[None]:
    """Give a connection up that does not answer in time: whoever waits on it is told that it is closed."""
    watch = asyncio.get_running_loop().call_later(seconds, _hang_up, line)
    try:
        yield
    finally:
        watch.cancel()


def _hang_up(line: PooledConnection) -> None:
    with suppress(OSError, psycopg.OperationalError), socket.socket(fileno=os.dup(line.pgconn.socket)) as end:
        end.shutdown(socket.SHUT_RDWR)  # libpq reads the end at once; to close it properly would ask the other side
