"""Statements to the server and its replies on one connection: they leave together, and are waited for once.

A cursor of psycopg polls, waits and looks for a prepared statement each time it is asked: half of a worker's CPU went into
that. This is libpq's pipeline mode with nothing between; values are written and read by psycopg's own adapters.

Source: https://www.postgresql.org/docs/current/libpq-pipeline-mode.html, https://www.psycopg.org/psycopg3/docs/api/pq.html
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

MOST = 500  # statements that stay prepared on one connection
_MARK = re.compile(r"%%|%s|%\((\w+)\)s")
_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)

#: another transaction was in the way: nothing is wrong with the statement, nor with the connection
CLASH = (
    errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable, errors.UniqueViolation,
)  # fmt: skip


class StatementReply:
    """Hold what the server says to one statement, once it has said it."""

    __slots__ = ("_exchange", "error", "result")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.result: PGresult | None = None
        self.error: psycopg.Error | None = None

    async def fetchall(self) -> list[Any]:
        """Give all rows, as tuples."""
        return self._exchange.rows(await self._heard())

    async def fetchone(self) -> Any:
        """Give the first row; None without one."""
        return next(iter(self._exchange.rows(await self._heard())), None)

    @property
    def rowcount(self) -> int:
        """Count the rows that were written or read, after the pipeline in which it was asked."""
        return int((self.result and self.result.command_tuples) or 0)

    async def _heard(self) -> PGresult:
        if self.result is None and self.error is None:
            await self._exchange.arrive()
        if self.result is None:
            raise self.error or psycopg.InternalError("no reply")
        return self.result


class Exchange:
    """Talk to the server on one connection, one caller at a time.

    Args:
        db: its transactions are begun and ended by whoever talks.
    """

    def __init__(self, db: psycopg.AsyncConnection[Any]) -> None:
        self.db, self._pg = db, db.pgconn
        self._adapt = Transformer(db)
        self._held: dict[tuple[bytes, tuple[int, ...]], bytes] = {}  # statement, types → name; none at its first time
        self._fresh: list[tuple[bytes, tuple[int, ...]]] = []  # prepared since somebody began to talk
        self._number = 0
        self.keeps = False  # what is said stays prepared from its first time on
        self._waited: deque[StatementReply] = deque()
        self._failure: psycopg.Error | None = None
        self._bell: _Bell | None = None  # from the first wait of a talk to its end
        #: a transaction is open: its statements are asked for, and not ended, when a reply is wanted
        self.within = False

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[Exchange]:
        """Let one caller talk; what they left open is rolled back, and a connection that is in doubt is closed."""
        self._failure, self.within, self._fresh = None, False, []
        self._pg.enter_pipeline_mode()
        try:
            yield self
            await self.arrive()
            self._pg.exit_pipeline_mode()
        except BaseException as error:
            await self._undo(error)
            raise
        finally:
            self._unhook()

    async def execute(self, sql: str, given: Sequence[Any] | Mapping[str, Any] = ()) -> StatementReply:
        """Say a statement; it leaves when a reply is wanted."""
        pg = self._pg
        statement, names = _spoken(sql, bool(given))
        values = [given[name] for name in names] if isinstance(given, Mapping) else given
        params = self._adapt.dump_sequence(values, _AUTO[: len(values)]) if values else ()
        types, formats = (self._adapt.types or (), self._adapt.formats) if values else ((), None)
        key = statement, types
        name = self._held.get(key)
        if name is None and len(self._held) < MOST:
            self._held[key] = b""
            name = b"" if self.keeps else None  # else: what is said once only need not be remembered
        if name is None:
            pg.send_query_params(statement, params, types, formats)
        else:
            if not name:
                self._number += 1
                name = self._held[key] = b"omnibus_%d" % self._number
                self._fresh.append(key)
                pg.send_prepare(name, statement, types)
                self._waited.append(StatementReply(self))
            pg.send_query_prepared(name, params, formats)
        reply = StatementReply(self)
        self._waited.append(reply)
        return reply

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[None]:
        """Say what is said inside together, and have all of it answered at the end."""
        yield
        await self.arrive()

    def part(self) -> None:
        """Let what was said so far stand by itself, whatever becomes of what follows."""
        self._pg.pipeline_sync()
        self._waited.append(StatementReply(self))

    async def arrive(self) -> None:
        """Wait until everything that was said is answered.

        Raises:
            psycopg.Error: of the first statement that failed.
        """
        if self._waited:
            await self._hear()
        if self._failure is not None:
            raise self._failure

    def rows(self, result: PGresult) -> list[Any]:
        """Read rows as psycopg would."""
        self._adapt.set_pgresult(result)
        return self._adapt.load_rows(0, result.ntuples, tuple)

    async def _hear(self) -> None:
        pg = self._pg
        if self.within:
            pg.send_flush_request()
        else:
            self.part()
        bell = self._bell = self._bell or _Bell(pg.socket)
        while pg.flush():
            await bell.writable()
            pg.consume_input()
        while self._waited:
            if pg.is_busy():
                await bell.rung()
                pg.consume_input()
            else:
                self._take(pg.get_result())

    def _unhook(self) -> None:
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.close()

    def _take(self, result: PGresult | None) -> None:
        if result is None:
            self._waited.popleft()
            return
        status, reply = result.status, self._waited[0]
        if status in _GOOD:
            reply.result = result
        elif status == ExecStatus.PIPELINE_SYNC:
            self._waited.popleft()
        elif self._pg.status != ConnStatus.OK:
            raise psycopg.OperationalError("the connection is lost")
        else:  # itself, or it was not begun, for one before it failed
            if status != ExecStatus.PIPELINE_ABORTED:
                self._failure = self._failure or errors.error_from_result(result, self._adapt.encoding)
            reply.error = self._failure

    async def _undo(self, error: BaseException) -> None:
        """Roll back; whoever is cancelled, or hears of something else than a clash, leaves no connection behind."""
        for key in self._fresh:
            self._held[key] = b""
        known = isinstance(error, (*CLASH, psycopg.DataError)) or not isinstance(error, psycopg.Error)
        clean = False
        try:
            if known and isinstance(error, Exception) and self._pg.status == ConnStatus.OK:
                await self._roll_back()
                clean = True
        except psycopg.Error:  # it is given up
            pass
        finally:  # also when whoever waits for the rollback is cancelled
            if not clean:
                self._waited.clear()
                self._unhook()
                await self.db.close()

    async def _roll_back(self) -> None:
        self.within, self._failure = False, None
        await self._hear()
        if self._pg.transaction_status != TransactionStatus.IDLE:
            self._pg.send_query_params(b"ROLLBACK", None)
            self._waited.append(StatementReply(self))
            await self._hear()
        self._pg.exit_pipeline_mode()


class _Bell:
    """Wait on one socket, for as long as somebody talks."""

    def __init__(self, socket: int) -> None:
        self._loop, self._socket = asyncio.get_running_loop(), socket
        self._waits = self._loop.create_future()
        self._loop.add_reader(socket, self._ring)

    def close(self) -> None:
        """Look at it no more."""
        self._loop.remove_reader(self._socket)

    def _ring(self) -> None:
        if not self._waits.done():
            self._waits.set_result(None)

    async def rung(self) -> None:
        """Wait until it can be read from."""
        await self._waits
        self._waits = self._loop.create_future()

    async def writable(self) -> None:
        """Wait until it can be written to, or read from: a server that waits for us to read takes nothing."""
        self._loop.add_writer(self._socket, self._ring)
        try:
            await self.rung()
        finally:
            self._loop.remove_writer(self._socket)


_AUTO = [PyFormat.AUTO] * 100


@lru_cache(maxsize=2000)
def _spoken(sql: str, given: bool) -> tuple[bytes, tuple[str, ...]]:
    """Write a statement with the server's own marks; gives the names of its values, where they are named."""
    if not given:
        return sql.encode(), ()
    names: list[str] = []
    count = 0

    def mark(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] == "%%":
            return "%"
        name = found[1]
        if name is None:
            count += 1
            return f"${count}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _MARK.sub(mark, sql).encode(), tuple(names)
