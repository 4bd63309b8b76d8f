"""Statements leave together and their replies are waited for once; what goes wrong leaves no connection in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from omnibus.stores.postgres import Postgres
from omnibus.stores.postgres.exchange import CLASH, Exchange

HELD = "SELECT statement FROM pg_prepared_statements WHERE name LIKE 'omnibus%%' AND statement LIKE %s"
NOTE = "INSERT INTO note (scope, name, value) VALUES (%(scope)s, %(name)s, %(scope)s)"
COUNT = "SELECT count(*) FROM note WHERE scope = 's'"


@pytest.fixture
async def line(connect: Any) -> Any:
    return await connect()


@pytest.fixture
def exchange(line: Any) -> Exchange:
    return Exchange(line)


async def one(db: Any, sql: str, given: Any = ()) -> Any:
    row = await (await db.execute(sql, given)).fetchone()
    return None if row is None else row[0]


async def asked(exchange: Exchange, sql: str, given: Any = ()) -> Any:
    async with exchange.talking() as db:
        return await one(db, sql, given)


async def committed(exchange: Exchange, job: Callable[[Any], Awaitable[None]]) -> None:
    async with exchange.talking() as db:
        await db.execute("BEGIN")
        db.within = True
        await job(db)
        await db.execute("COMMIT")
        db.within = False


async def test_values_are_named_or_counted_and_come_back_as_they_were(exchange: Exchange) -> None:
    async with exchange.talking() as db:
        first = await db.execute("SELECT %s::text, %s::bigint, 7 %% 4", ("it's", 1 << 40))
        named = await db.execute(
            "SELECT %(a)s::text || %(b)s::text || %(a)s::text, %(c)s::text", {"b": "-", "a": "x", "c": None}
        )
        many = await db.execute("SELECT unnest(%s::text[]) ORDER BY 1", (["b", 'a "quoted" {one}'],))
        bare = await db.execute("SELECT '50%'")
        told = [await each.fetchall() for each in (first, named, many, bare)]
    assert told == [[("it's", 1 << 40, 3)], [("x-x", None)], [('a "quoted" {one}',), ("b",)], [("50%",)]]


async def test_what_is_asked_a_second_time_stays_prepared(exchange: Exchange) -> None:
    for count in (0, 0, 1, 1):
        async with exchange.talking() as db:
            assert len(await (await db.execute(HELD, ("%asked_often%",))).fetchall()) == count
        assert await asked(exchange, "SELECT %s::text AS asked_often", ("x",)) == "x"


async def test_a_clash_fails_what_follows_and_keeps_the_connection(line: Any, exchange: Exchange) -> None:
    """… and a statement that was about to be prepared behind it is prepared the next time."""
    later = "SELECT %s::text AS behind_a_clash"
    await asked(exchange, later, ("once",))

    async def job(db: Any) -> None:
        for _ in range(2):
            await db.execute(NOTE, {"scope": "s", "name": "n"})
        await one(db, later, ("x",))

    with pytest.raises(CLASH):
        await committed(exchange, job)
    assert not line.closed
    assert await asked(exchange, COUNT) == 0
    assert await asked(exchange, later, ("still here",)) == "still here"


async def test_what_a_job_itself_raises_rolls_back(line: Any, exchange: Exchange) -> None:
    async def job(db: Any) -> None:
        await db.execute(NOTE, {"scope": "s", "name": "n"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await committed(exchange, job)
    assert not line.closed
    assert await asked(exchange, COUNT) == 0


async def test_a_statement_that_fails_unfetched_is_told_at_the_commit(exchange: Exchange, store: Postgres) -> None:
    async def job(db: Any) -> None:
        await db.execute(NOTE, {"scope": "s", "name": "n"})
        await db.execute("SELECT 1 / %s", (0,))

    with pytest.raises(psycopg.errors.DivisionByZero):
        await committed(exchange, job)
    assert await store.engine.read(lambda db: one(db, COUNT)) == 0


async def test_a_fault_of_the_statement_gives_the_connection_up(line: Any, exchange: Exchange) -> None:
    """Perhaps a table was changed under a prepared statement: the next connection knows."""
    with pytest.raises(psycopg.errors.UndefinedTable):
        await asked(exchange, "SELECT 1 FROM nowhere")
    assert line.closed


async def test_whoever_is_cancelled_leaves_nothing_open(
    line: Any, exchange: Exchange, connect: Any, blocked: Any
) -> None:
    held = await connect()
    await held.execute("SELECT pg_advisory_lock(99)")

    async def job(db: Any) -> None:
        await db.execute(NOTE, {"scope": "s", "name": "n"})
        await one(db, "SELECT pg_advisory_xact_lock(99)")

    waiting = asyncio.create_task(committed(exchange, job))
    await blocked()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert line.closed
    await held.execute("SELECT pg_advisory_unlock(99)")
    assert (await (await held.execute(COUNT)).fetchone())[0] == 0


async def test_whoever_is_cancelled_while_rolling_back_leaves_nothing_open(
    line: Any, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is in doubt: nobody gets it again."""
    rolling, usual = asyncio.Event(), exchange._hear

    async def hear() -> None:
        if rolling.is_set():
            await asyncio.Event().wait()
        await usual()

    async def job(db: Any) -> None:
        await db.execute(NOTE, {"scope": "s", "name": "n"})
        rolling.set()
        raise ZeroDivisionError

    monkeypatch.setattr(exchange, "_hear", hear)
    waiting = asyncio.create_task(committed(exchange, job))
    await rolling.wait()
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert line.closed


async def test_a_line_that_breaks_is_told(line: Any, exchange: Exchange, connect: Any) -> None:
    other = await connect()

    async def job(db: Any) -> None:
        number = await one(db, "SELECT pg_backend_pid()")
        await other.execute("SELECT pg_terminate_backend(%s)", (number,))
        await one(db, "SELECT pg_sleep(30)")

    with pytest.raises(psycopg.OperationalError):
        await committed(exchange, job)
    assert line.closed


async def test_more_than_the_line_holds_goes_both_ways(exchange: Exchange) -> None:
    """The server takes nothing more until its replies are read."""
    text = "x" * 50_000
    async with asyncio.timeout(60), exchange.talking() as db:
        told = [await db.execute("SELECT %s::text", (text,)) for _ in range(200)]
        assert sum([len((await each.fetchone())[0]) for each in told]) == 200 * len(text)


async def test_one_value_that_no_buffer_holds_is_sent_while_replies_are_read(exchange: Exchange) -> None:
    """What was said before fills the line with replies: the server reads on only when these are taken."""
    text = "x" * 30_000_000
    async with asyncio.timeout(60), exchange.talking() as db:
        rows = await db.execute("SELECT repeat('y', 1000) FROM generate_series(1, 20000)")
        long = await db.execute("SELECT length(%s::text)", (text,))
        assert len(await rows.fetchall()) == 20_000
        assert (await long.fetchone())[0] == len(text)


async def test_rows_are_counted_once_they_are_written(exchange: Exchange) -> None:
    counted: list[int] = []

    async def job(db: Any) -> None:
        async with db.pipeline():
            made = [await db.execute(NOTE, {"scope": "s", "name": str(each)}) for each in range(3)]
            gone = await db.execute("DELETE FROM note WHERE scope = %s AND name <> '0'", ("s",))
        counted.extend([*(each.rowcount for each in made), gone.rowcount])

    await committed(exchange, job)
    assert counted == [1, 1, 1, 2]
