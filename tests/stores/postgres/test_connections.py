"""Whoever is next gets the connection that was used last, planning as they need it; nobody waits for one that is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from omnibus.stores.postgres import connections
from omnibus.stores.postgres.engine import Engine, Surprise

MODE = "SELECT current_setting('plan_cache_mode') || current_setting('enable_seqscan')"
PINNED, LOOSE = "force_generic_planoff", "force_custom_planon"
NUMBER = "SELECT pg_backend_pid()"
HELD = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s"


async def one(db: Any, sql: str, given: Any = ()) -> Any:
    return (await (await db.execute(sql, given)).fetchone())[0]


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    made = Engine(url)
    await made.start()
    yield made
    await made.stop()


async def numbers(engine: Engine, count: int) -> list[int]:
    """Ask on so many connections at once which they are."""
    met = asyncio.Barrier(count)

    async def job(db: Any) -> int:
        await met.wait()
        return int(await one(db, NUMBER))

    return list(await asyncio.gather(*(engine.read(job) for _ in range(count))))


async def test_whoever_is_next_gets_the_one_that_was_used_last(engine: Engine) -> None:
    assert len(set(await numbers(engine, 4))) == 4
    assert len({await engine.read(lambda db: one(db, NUMBER)) for _ in range(8)}) == 1


async def test_each_plans_as_it_needs_it(engine: Engine) -> None:
    """… in a transaction and outside of one, on one connection and, when both were used, on one each."""
    told = [
        await call(lambda db: one(db, MODE), pinned=pinned)
        for call in (engine.read, engine.write)
        for pinned in (False, True, True, False)
    ]
    assert told == [LOOSE, PINNED, PINNED, LOOSE] * 2
    await engine.read(lambda db: one(db, MODE), pinned=True)
    assert await engine.read(lambda db: one(db, MODE), snapshot=True) == LOOSE
    await numbers(engine, 2)
    for pinned in (True, False):
        await asyncio.gather(*(engine.read(lambda db: one(db, MODE), pinned=pinned) for _ in range(2)))
    seen = {pinned: await engine.read(lambda db: one(db, MODE), pinned=pinned) for pinned in (True, False, True)}
    assert seen == {True: PINNED, False: LOOSE}


async def test_after_a_fault_it_is_told_anew(engine: Engine) -> None:
    async def fails(db: Any) -> None:
        await db.execute("SELECT 1")
        raise Surprise

    with pytest.raises(Surprise):
        await engine.write(fails, pinned=True, hasty=True)
    assert await engine.read(lambda db: one(db, MODE)) == LOOSE
    assert await engine.read(lambda db: one(db, MODE), pinned=True) == PINNED


async def test_what_is_planned_once_is_prepared_from_its_first_time_on(engine: Engine) -> None:
    for pinned, count in ((True, 1), (False, 0)):
        name = f"said_{pinned}"
        await engine.read(lambda db: one(db, f"SELECT 1 AS {name}"), pinned=pinned)  # noqa: B023 - awaited at once
        assert await engine.read(lambda db: one(db, HELD, (f"%AS {name}",)), pinned=pinned) == count  # noqa: B023


async def test_hasty_waits_a_moment_only(engine: Engine) -> None:
    """Shorter than any other transaction, which waits seconds for whoever holds what it wants."""
    asked = "SELECT current_setting('lock_timeout')"
    assert await engine.write(lambda db: one(db, asked), hasty=True) == "100ms"
    assert await engine.write(lambda db: one(db, asked)) == "5s"


async def test_nobody_waits_for_one_that_is_kept(url: str) -> None:
    engine = Engine(url, least=0, most=1)
    await engine.start()
    async with asyncio.timeout(60):
        for pinned in (True, False):
            await engine.read(lambda db: one(db, NUMBER), pinned=pinned)
        await asyncio.gather(*(engine.read(lambda db: one(db, NUMBER)) for _ in range(3)))
    await engine.stop()


async def test_an_old_one_goes_back_to_the_pool(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """… which ends it when its time is over; at hand are a few only."""
    await numbers(engine, 4)
    kept = engine._connections._kept
    assert len(kept) == connections.KEPT
    monkeypatch.setattr(connections, "LONGEST", -1.0)
    for _ in range(connections.KEPT):
        await engine.read(lambda db: one(db, NUMBER))
    assert kept == []


async def test_closing_closes_those_at_hand(url: str, connect: Any) -> None:
    engine = Engine(url)
    await engine.start()
    told = await numbers(engine, 3)
    assert engine._connections._kept
    lines = list(engine._connections._kept)
    await engine.stop()
    await engine.stop()
    assert [line.closed for line in lines] == [True] * len(lines)
    db = await connect()
    asked = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
    while await one(db, asked, (told,)):  # noqa: ASYNC110 - the server tells, nobody else
        await asyncio.sleep(0)


async def test_those_at_hand_are_replaced_with_all_others_when_one_broke(engine: Engine, connect: Any) -> None:
    before = await numbers(engine, 3)
    await (await connect()).execute("SELECT pg_terminate_backend(n) FROM unnest(%s::int[]) n", (before,))
    assert not set(before) & set(await numbers(engine, 3))


def test_what_is_set_for_a_moment_is_what_is_set_for_good() -> None:
    assert connections.UNPIN == connections.LOOSEN.replace("False", "True") != connections.PIN
