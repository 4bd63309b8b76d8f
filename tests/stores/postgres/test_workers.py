"""Several processes on one store: nobody is told twice, nobody has two in hand, and who dies is replaced."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from omnibus.errors import ConfigError
from omnibus.settings import load, make_key

pytestmark = pytest.mark.reliability
ROOT = Path(__file__).parents[3]
PEOPLE, EACH = 40, 3

#: a worker whose provider writes each hand-over down, fsynced, before it answers
WORKER = """
import asyncio, json, os, sys
from omnibus.build import open_bus
from omnibus.hookspecs import hookimpl
from omnibus.testing import FakeChannel, fake_provider

folder, name, pause, term = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
kind = fake_provider("fake", FakeChannel, idempotency="lookup")
ledger = os.open(folder + "/ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
usual = kind.wire.take

async def take(handed):
    row = {"attempt": handed.attempt.id, "delivery": handed.attempt.delivery, "customer": handed.attempt.customer, "by": name}
    os.write(ledger, (json.dumps(row) + "\\n").encode()); os.fsync(ledger)
    await asyncio.sleep(pause)
    return await usual(handed)

async def lookup(self, attempt, address, keep):
    from omnibus import Absent, Receipt
    rows = [json.loads(line) for line in open(folder + "/ledger") if line.endswith("\\n")]
    return Receipt("fake-" + attempt.id) if any(row["attempt"] == attempt.id for row in rows) else Absent()

kind.wire.take, kind.lookup = take, lookup

class Plugin:
    @hookimpl
    def omnibus_register(self, register):
        register(FakeChannel, kind)

async def main():
    bus = open_bus(folder, plugins=[Plugin()], environ={})
    bus.parts.road.lease_term = term
    async with bus:
        bus.parts.dispatcher.senders.slots = 8
        stop = asyncio.Event()
        open(folder + "/ready-" + name, "w").close()
        while not os.path.exists(folder + "/go"):
            await asyncio.sleep(0.005)
        async def watch():
            while True:
                audit = await bus.audit()
                if not audit["waiting"]:
                    break
                await asyncio.sleep(0.05)
            stop.set(); bus.parts.bell.ring()
        await asyncio.gather(bus.work(stop), watch())

asyncio.run(main())
"""


class Plugin:
    from omnibus.hookspecs import hookimpl as _hook

    @_hook
    def omnibus_register(self, register: Any) -> None:
        from omnibus.testing import FakeChannel, fake_provider

        register(FakeChannel, fake_provider("fake", FakeChannel, idempotency="lookup"))


@pytest.fixture
async def shop_folder(tmp_path: Path, url: str) -> Path:
    """A shop with three deliveries for each of its people."""
    (tmp_path / "messages").mkdir()
    (tmp_path / "journeys").mkdir()
    (tmp_path / "brand.toml").write_text('name = "Acme"\nurl = "https://acme.example"\n')
    policy = "[policy]\nquiet_hours = false\nbudget = false\n"
    (tmp_path / "omnibus.toml").write_text(f'[omnibus]\nstore = "{url}"\n{policy}[channels.fake]\nprovider = "fake"\n')
    (tmp_path / "messages" / "news.md").write_text("---\npurpose: service\nvia: [fake]\n---\n# News\n\nHello.\n")
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "ledger").touch()
    make_key(tmp_path / "omnibus.key")
    from omnibus.build import build

    async with build(load(tmp_path, environ={}), plugins=[Plugin()]) as bus:
        people = [await bus.customers.upsert(email=f"p{n}@example.com") for n in range(PEOPLE)]
        for _ in range(EACH):
            async for _made in bus.send_many("news", people):
                pass
    return tmp_path


def worker(folder: Path, name: str, pause: float = 0.01, term: float = 60.0) -> subprocess.Popen[str]:
    command = [sys.executable, str(folder / "worker.py"), str(folder), name, str(pause), str(term)]
    return subprocess.Popen(command, text=True)


def ready(folder: Path) -> list[Path]:
    return list(folder.glob("ready-*"))


def ledger(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "ledger").read_text().splitlines()]


async def balanced(url: str) -> dict[str, int]:
    from omnibus.stores.postgres import Postgres

    store = Postgres(url, lambda: datetime.now(UTC))
    await store.open()
    audit = await store.audit(datetime.now(UTC))
    await store.aclose()
    never = ("unbalanced", "stuck", "silent", "lost_lanes", "unproven", "waiting")
    assert {name: audit[name] for name in never} == dict.fromkeys(never, 0)
    return audit


async def test_two_workers_share_the_work_and_tell_nobody_twice(shop_folder: Path, url: str) -> None:
    workers = [worker(shop_folder, name) for name in ("one", "two")]
    while len(ready(shop_folder)) < 2:  # noqa: ASYNC110 - other processes make them
        await asyncio.sleep(0.005)
    (shop_folder / "go").touch()
    most = 0
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        while any(each.poll() is None for each in workers):
            asked = "SELECT coalesce(max(n), 0) FROM (SELECT count(*) n FROM delivery WHERE state = 'sending' GROUP BY customer) s"
            most = max(most, (await (await db.execute(asked)).fetchone())[0])
            await asyncio.sleep(0.002)
    assert [each.wait() for each in workers] == [0, 0]
    handed = ledger(shop_folder)
    assert Counter(each["delivery"] for each in handed).most_common(1)[0][1] == 1
    assert len(handed) == PEOPLE * EACH
    assert {each["by"] for each in handed} == {"one", "two"}
    assert most == 1, "a customer had two in hand at once"
    audit = await balanced(url)
    assert audit["sent"] == PEOPLE * EACH


async def test_a_killed_workers_rows_go_on_within_its_lease(shop_folder: Path, url: str) -> None:
    """SIGKILL with hand-overs in flight; the provider knows what it got, and nobody is told twice."""
    (shop_folder / "go").touch()
    first = worker(shop_folder, "first", pause=0.2, term=1.5)
    while len(ledger(shop_folder)) < 20:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.005)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    begun = len(ledger(shop_folder))
    assert begun < PEOPLE * EACH
    second = worker(shop_folder, "second", pause=0.0, term=1.5)
    assert await asyncio.to_thread(second.wait, 120) == 0
    handed = ledger(shop_folder)
    assert Counter(each["delivery"] for each in handed).most_common(1)[0][1] == 1
    assert len({each["delivery"] for each in handed}) == PEOPLE * EACH
    assert (await balanced(url))["sent"] == PEOPLE * EACH


async def test_the_apps_transaction_decides(shop: Any, url: str) -> None:
    """A delivery accepted in the app's transaction is there when that commits, and never was when it rolls back."""
    shop.channel("mail")
    shop.message("hello", purpose="service", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    async with await psycopg.AsyncConnection.connect(url, row_factory=psycopg.rows.dict_row) as app:
        await app.execute("CREATE TABLE orders (id text)")
        await app.execute("INSERT INTO orders VALUES ('1')")
        (sent,) = await bus.send("hello", ada, key="order-1", connection=app)
        assert await bus.parts.store.delivery(sent.id) is None, "not before the app commits"
        assert await bus.drain() == 0
        await app.commit()
        assert (await bus.parts.store.delivery(sent.id)).id == sent.id
        assert (await bus.send("hello", ada, key="order-1", connection=app))[0].id == sent.id
        (gone,) = await bus.send("hello", ada, key="order-2", connection=app)
        await app.rollback()
        assert await bus.parts.store.delivery(gone.id) is None
        assert await (await app.execute("SELECT count(*) AS n FROM orders")).fetchone() == {"n": 1}
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as app:
        with pytest.raises(ConfigError, match="no transaction is open"):
            await bus.send("hello", ada, connection=app)
    with pytest.raises(ConfigError, match=r"psycopg\.AsyncConnection"):
        await bus.send("hello", ada, connection=object())
    await bus.drain()
    assert [each.attempt.delivery for each in shop.wire("mail").handed] == [sent.id]
    await shop.balanced()


@pytest.mark.parametrize("how", ["asked", "died"])
def test_processes_of_the_command_line(tmp_path: Path, url: str, how: str) -> None:
    """Ctrl-C ends all of them; when one dies it is said, nothing is restarted, and the others end."""
    configured(tmp_path, url)
    command = [sys.executable, "-m", "omnibus", "-c", str(tmp_path / "omnibus.toml"), "work", "--processes", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        lines: list[str] = []
        while sum("started" in line for line in lines) < 2:
            lines.append(running.stdout.readline())  # type: ignore[union-attr]
            assert lines[-1], lines
        import psutil

        workers = psutil.Process(running.pid).children()
        assert len(workers) == 2
        if how == "asked":
            running.send_signal(signal.SIGINT)
        else:
            workers[0].send_signal(signal.SIGKILL)
        rest = running.stdout.read()  # type: ignore[union-attr]
        code = running.wait(60)
    assert not any(each.is_running() for each in workers)
    assert code == (0 if how == "asked" else 3), rest
    assert ("ended with -9" in rest) == (how == "died")


def test_processes_are_refused_on_one_file(tmp_path: Path) -> None:
    configured(tmp_path, "sqlite:shop.db")
    command = [sys.executable, "-m", "omnibus", "-c", str(tmp_path / "omnibus.toml"), "work", "--processes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "room for one worker" in done.stderr
    assert "postgresql://" in done.stderr


def configured(folder: Path, store: str) -> None:
    for name in ("messages", "journeys"):
        (folder / name).mkdir()
    (folder / "brand.toml").write_text('name = "Acme"\nurl = "https://acme.example"\n')
    (folder / "omnibus.toml").write_text(f'[omnibus]\nstore = "{store}"\n')
    make_key(folder / "omnibus.key")
