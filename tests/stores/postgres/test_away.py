"""The database goes away and comes back: refused while it is away, healed by itself, and the books balance."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from omnibus import State
from omnibus.errors import StoreFull
from omnibus.model.delivery import Delivery
from omnibus.store import Wish
from omnibus.stores.postgres import Postgres, engine

pytestmark = pytest.mark.reliability
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def url(server: Any) -> str:
    """A database on a server that only these tests stop."""
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS away WITH (FORCE)")
        db.execute("CREATE DATABASE away")
    return server.url.replace("/postgres?", "/away?")


def wish(number: int) -> Wish:
    told = Delivery(f"d{number}", "ada", "ada", "hello", "marketing", "Acme", ("mail",), State.QUEUED, NOW, NOW)
    return Wish(f"k{number}", "x", (told,))


async def test_restarted_under_load_it_heals_and_nothing_is_lost(server: Any, shop: Any) -> None:
    """Accept and work while the server dies twice; what was answered is there, and each went out once."""
    shop.channel("mail")
    shop.message("hello", purpose="marketing", topic="news", via=["mail"])
    bus = await shop.open()
    people = [await bus.customers.upsert(email=f"p{n}@example.com") for n in range(40)]
    for who in people:
        await bus.track(
            who, "consent.granted", {"channel": "*", "purpose": "marketing", "topic": "*"}, id=f"yes-{who.id}"
        )
    stop = asyncio.Event()
    working = asyncio.create_task(bus.work(stop))
    accepted: list[str] = []

    async def send() -> None:
        for number, who in enumerate(people):
            while True:
                try:
                    accepted.append((await bus.send("hello", who, key=f"k{number}"))[0].id)
                    break
                except StoreFull:
                    await asyncio.sleep(0.01)
            if number in {10, 25}:
                await asyncio.to_thread(server.restart)

    await send()
    while (await bus.audit())["waiting"]:  # noqa: ASYNC110 - the books tell, nobody else
        await asyncio.sleep(0.05)
    stop.set()
    bus.parts.bell.ring()
    await working
    assert len(set(accepted)) == 40
    audit = await bus.audit()
    assert (audit["accepted"], audit["sent"]) == (40, 40)
    handed = [each.attempt.delivery for each in shop.wire("mail").handed]
    assert len(handed) == len(set(handed)), "nobody was told twice"
    await shop.balanced()


async def test_refused_while_it_is_away_then_healed(server: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Postgres(url, lambda: NOW)
    await store.open()
    await store.create([("ada", ())], NOW)
    await store.accept([wish(1)])
    server.stop()
    try:
        with pytest.raises(StoreFull):
            await store.engine.write(lambda db: engine_accept(db, wish(2)), patience=0.2)
        late = Postgres(url, lambda: NOW)
        with pytest.raises(StoreFull):
            await late.open()
    finally:
        server.start()
    assert [each.id for each in (await store.accept([wish(3)]))[0] or ()] == ["d3"]
    assert (await store.audit(NOW))["accepted"] == 2
    await store.aclose()


async def engine_accept(db: Any, told: Wish) -> Any:
    from omnibus.stores.postgres import accepting

    return await accepting.accept(db, [told])


async def test_a_read_only_database_is_refused_and_healed(server: Any, url: str) -> None:
    store = Postgres(url, lambda: NOW)
    await store.open()
    await store.create([("ada", ())], NOW)
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute("ALTER DATABASE away SET default_transaction_read_only = on")
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'away'")
        with pytest.raises(StoreFull):
            await store.engine.write(lambda db: engine_accept(db, wish(1)), patience=0.3)
        db.execute("ALTER DATABASE away SET default_transaction_read_only = off")
    assert await store.accept([wish(1)])
    assert (await store.audit(NOW))["accepted"] == 1
    await store.aclose()


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_whose_answer_is_lost_is_looked_up(
    url: str, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """The connection breaks in COMMIT: the transaction's own number tells whether it counts, so nothing is done twice."""
    store = Postgres(url, lambda: NOW)
    await store.open()
    await store.create([("ada", ())], NOW)
    broken: list[bool] = []
    usual = engine.Engine._once

    async def breaks(self: Any, db: Any, job: Any, mark: Any, *number: str) -> Any:
        if broken:
            return await usual(self, db, job, mark, *number)
        broken.append(True)
        if committed:
            await usual(self, db, job, mark, *number)
        else:
            async with db.transaction(force_rollback=True):
                row = await (await db.execute(engine.NUMBER)).fetchone()
                mark.committing, mark.answer = row, await job(db)
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(engine.Engine, "_once", breaks)
    answer = await store.accept([Wish("", "x", wish(1).deliveries)])
    assert [each.id for each in answer[0] or ()] == ["d1"]
    assert (await store.audit(NOW))["accepted"] == 1
    await store.aclose()


async def test_a_number_that_a_crash_lost_was_not_committed(server: Any, url: str) -> None:
    """The crashed server does not know it, or gives it again to somebody else: then nobody can tell."""
    store = Postgres(url, lambda: NOW)
    await store.open()
    later = asyncio.get_running_loop().time() + 30
    number = await store.engine.write(numbered)
    assert await store.engine._committed(number, later)
    server.restart()
    with pytest.raises(StoreFull, match="restarted during the commit"):
        await store.engine._committed(number, later)
    assert not await store.engine._committed((str(int(number[0]) + 1_000_000), number[1]), later)
    await store.aclose()


async def numbered(db: Any) -> tuple[str, str]:
    await db.execute("INSERT INTO note (scope, name, value) VALUES ('s', 'n', 'v')")
    row: tuple[str, str] = await (await db.execute(engine.NUMBER)).fetchone()
    return row


async def test_statements_that_get_stuck_end_by_themselves(url: str) -> None:
    store = Postgres(url, lambda: NOW)
    await store.open()

    async def told(db: Any) -> list[Any]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit")
        return [(await (await db.execute(f"SHOW {name}")).fetchone())[0] for name in names]

    assert await store.engine.read(told) == ["30s", "5s", "30s", "on"]
    await store.aclose()
