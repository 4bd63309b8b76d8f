"""The embedded store keeps the contract, and what is its own."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest

from omnibus.errors import ConfigError, NotFound, StoreFull
from omnibus.store import Store, Wish
from omnibus.stores.sqlite import Sqlite, engine
from omnibus.stores.sqlite.store import up_to_date
from omnibus.testing.contracts.hearing import HearingContract
from omnibus.testing.contracts.mailing import MailingContract
from omnibus.testing.contracts.roll import RollContract
from omnibus.testing.contracts.store import NOW, StoreContract, delivery
from omnibus.testing.contracts.texts import TextsContract


class TestSqlite(StoreContract, RollContract, MailingContract, TextsContract, HearingContract):
    @pytest.fixture(autouse=True)
    def _blank(self, tmp_path: Path, blank_store: Path) -> None:
        (tmp_path / "store.db").write_bytes(blank_store.read_bytes())

    def make(self, folder: Path) -> Store:
        return Sqlite(folder / "store.db", lambda: NOW)


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    made = Sqlite(tmp_path / "new" / "store.db", lambda: NOW)
    await made.open()
    await made.create([("ada", [])], NOW)
    yield made
    await made.aclose()


async def test_a_group_shares_a_commit_and_no_fault(store: Sqlite) -> None:
    """One call's fault undoes that call alone."""
    wishes = [store.accept([Wish(f"k{n}", "x", (delivery(f"d{n}", "ada" if n != 3 else "nobody"),))]) for n in range(6)]
    answers = await asyncio.gather(*wishes, return_exceptions=True)
    assert [type(each) for each in answers] == [list, list, list, NotFound, list, list]
    assert (await store.audit(NOW))["accepted"] == 5


async def test_what_waits_for_company_is_written_before_it_closes(
    store: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 3600)
    waiting = asyncio.create_task(store.engine.write(lambda _: 1, patient=True))
    await asyncio.sleep(0)
    closing = threading.Thread(target=store.engine.stop, daemon=True)
    closing.start()
    assert await asyncio.wait_for(waiting, 60) == 1
    await asyncio.to_thread(closing.join, 60)
    assert not closing.is_alive()
    with pytest.raises(StoreFull):
        await store.engine.write(lambda _: 2)


async def test_what_is_urgent_waits_for_one_call_of_a_commit_not_for_all(store: Sqlite) -> None:
    """What was not run yet goes into the next commit, in its order."""
    begun, gate, order = threading.Event(), threading.Event(), []

    def holding(db: apsw.Connection) -> None:
        order.append("first")
        begun.set()
        gate.wait(60)

    async def write(name: str, *, urgent: bool = False) -> int:
        def job(db: apsw.Connection) -> int:
            order.append(name)
            db.execute("INSERT INTO note (scope, name, value) VALUES ('order', ?, '')", (name,))
            return len(order)

        return await store.engine.write(job, urgent=urgent)

    store.engine._jobs.append((lambda db: None, asyncio.get_running_loop(), asyncio.get_running_loop().create_future()))
    first = asyncio.create_task(store.engine.write(holding))
    others = [asyncio.create_task(write(f"other{n}")) for n in range(3)]
    await asyncio.to_thread(begun.wait, 60)
    urgent = [asyncio.create_task(write(name, urgent=True)) for name in ("urgent", "as urgent")]
    await asyncio.sleep(0)
    gate.set()
    await first
    assert [await each for each in urgent] == [2, 3]
    assert [await each for each in others] == [4, 5, 6]
    assert order == ["first", "urgent", "as urgent", "other0", "other1", "other2"]
    assert [await store.note("order", each) for each in order[1:]] == [""] * 5


async def test_one_worker_at_a_time(store: Sqlite) -> None:
    await store.take_work()
    await store.take_work()
    second = Sqlite(store.path, lambda: NOW)
    await second.open()
    with pytest.raises(ConfigError, match=r"process \d+ already works"):
        await second.take_work()
    await store.aclose()
    await second.take_work()
    await second.aclose()


async def test_after_closing_nothing_is_taken(store: Sqlite) -> None:
    await store.aclose()
    with pytest.raises(StoreFull):
        await store.accept([])
    with pytest.raises(StoreFull):
        await store.known([])


async def test_a_damaged_file_is_told_and_the_writer_lives(store: Sqlite) -> None:
    def damaged(db: apsw.Connection) -> None:
        raise apsw.CorruptError

    with pytest.raises(StoreFull, match="CorruptError"):
        await store.engine.write(damaged)
    assert await store.accept([Wish("k", "x", (delivery("d1", "ada"),))])


async def test_a_second_bus_in_one_process_touches_the_file_by_one_library_only(
    store: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two SQLite libraries on one file drop each other's locks when one closes (sqlite.org/howtocorrupt.html)."""
    assert up_to_date(store.path)

    def never(url: str) -> None:
        raise AssertionError(url)

    monkeypatch.setattr("omnibus.stores.sqlite.store.migrate", never)
    again = Sqlite(store.path, lambda: NOW)
    await again.open()
    await again.aclose()
    assert not up_to_date(store.path.with_name("none.db"))


@pytest.mark.parametrize("near", [True, False])
async def test_a_file_that_cannot_be_read_is_told_as_away(store: Sqlite, near: bool) -> None:
    """As on PostgreSQL: whoever asks tries later, and a worker heals."""

    def damaged(db: apsw.Connection) -> None:
        raise apsw.CorruptError("of /somewhere/store.db")

    with pytest.raises(StoreFull, match=r"cannot be read now \(CorruptError\)$"):
        await store.engine.read(damaged, near=near)


async def test_a_fault_of_the_writer_itself_is_told_and_the_next_call_is_served(
    store: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a commit is answered, whatever goes wrong in the writer's thread."""

    def broken(*told: Any) -> Any:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_alone", broken)
        async with asyncio.timeout(20):
            with pytest.raises(StoreFull, match="RuntimeError"):
                await store.accept([Wish("k1", "x", (delivery("d1", "ada"),))])
    assert await store.accept([Wish("k2", "x", (delivery("d2", "ada"),))])
    assert (await store.audit(NOW))["accepted"] == 1
