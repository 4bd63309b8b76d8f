"""Promise 1: what `send` returned survives; a full disk is refused before anything is accepted."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import Any

import apsw
import pytest

from omnibus import State
from omnibus.errors import StoreFull
from omnibus.stores.sqlite.engine import connect

pytestmark = pytest.mark.promise

CHILD = """
import asyncio, os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from omnibus.stores.sqlite import Sqlite
from omnibus.model.delivery import Delivery, State
from omnibus.store import Wish

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

async def main():
    store = Sqlite(Path(sys.argv[1]), lambda: NOW)
    await store.open()
    await store.create([("ada", [])], NOW)
    for n in range(int(sys.argv[2])):
        delivery = Delivery(f"d{n}", "ada", "ada", "hello", "marketing", "Acme", ("mail",), State.QUEUED, NOW, NOW)
        await store.accept([Wish(f"k{n}", "x", (delivery,))])
        sys.stdout.write(f"d{n}\\n"); sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_killed_process_loses_nothing_it_acknowledged(shop: Any) -> None:
    path = shop.folder / "shop.db"
    command = [sys.executable, "-c", CHILD, str(path), "30"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    acknowledged = done.stdout.split()
    assert len(acknowledged) == 30
    shop.channel("mail")
    await shop.open()
    assert [await shop.state(each) for each in acknowledged] == [State.QUEUED] * 30
    assert (await shop.bus.audit())["accepted"] == 30
    await shop.balanced()


def test_every_commit_reaches_the_disk(tmp_path: Any) -> None:
    """The settings that power loss is survived by; `kill -9` alone cannot tell, for the page cache outlives it."""
    db = connect(tmp_path / "a.db")
    asked = {
        name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    db.close()
    assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_full_disk_is_refused_before_accepting_and_heals(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    first = (await bus.send("hello", ada))[0]
    engine = bus.parts.store.engine

    def limit(pages: int) -> Any:
        return engine.write(lambda db: db.execute(f"PRAGMA max_page_count={pages}").fetchone()[0])

    full = await limit(1)  # cut back to what is used
    assert full > 1
    accepted = 0

    async def fill() -> None:
        nonlocal accepted
        for _ in range(2000):
            await bus.send("hello", ada, padding="x" * 2000)
            accepted += 1

    with pytest.raises(StoreFull):
        await fill()
    assert (await bus.audit())["accepted"] == accepted + 1, "nothing of the refused one is stored"
    assert await shop.state(first) is State.QUEUED, "reading goes on"
    await limit(2**30)
    await bus.send("hello", ada)
    await shop.balanced()


async def test_a_locked_store_is_refused_and_heals(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    await bus.parts.store.engine.write(lambda db: db.set_busy_timeout(0))
    outsider = apsw.Connection(str(shop.folder / "shop.db"))
    outsider.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFull):
        await bus.send("hello", ada)
    outsider.execute("ROLLBACK")
    outsider.close()
    assert await bus.send("hello", ada)
    assert (await bus.audit())["accepted"] == 1
