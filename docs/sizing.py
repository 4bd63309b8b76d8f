"""Measure on a real PostgreSQL what rows cost and how fast one worker is, and work the sizing table out of it.

Customers with two identities, a consent, a cart and a message sent each; sizes after ``VACUUM FULL``, indexes included::

    python docs/sizing.py [--customers 2000]      # OMNIBUS_TEST_POSTGRES names a server; without it one is started
"""
# ruff: noqa: INP001, T201 - a script of the docs, not a package

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

import omnibus
from omnibus import hookimpl
from omnibus.bus import Bus
from omnibus.testing import FakeChannel, fake_provider
from omnibus.testing.postgres import postgres

TABLES = (
    "customer", "identity", "context", "lane", "event", "delivery", "attempt", "decision", "sendkey", "run", "recipient",
)  # fmt: skip
EVENTS, MESSAGES = 20, 10  # kept of each customer, beside what made them
HOURS = 8  # in which one campaign reaches everybody
LOAD = 0.6  # share of a core that is planned with
ROOM = 1.5  # live tables keep room for updates, and dead rows wait for the vacuum
CART = {
    "lines": [
        {"sku": "boot-41", "name": "Harbour boots", "price": "129.00", "quantity": 1, "url": "https://shop.example/b"}
    ]
}
MESSAGE = """---
purpose: service
topic: cart
via: [fake]
while: [cart.open]
---
# {{ customer.first_name }}, your boots are waiting

We kept them for you.
"""


class Fakes:
    """Bring one channel that carries nothing anywhere."""

    __name__ = "fakes"

    @hookimpl
    def omnibus_register(self, register: object) -> None:
        """Register it."""
        register(FakeChannel, fake_provider("fake", FakeChannel))  # type: ignore[operator]


async def fill(bus: Bus, count: int) -> None:
    """Make customers who did what customers do."""
    for number in range(count):
        who = await bus.customers.upsert(
            email=f"person{number}@example.com", phone=f"+4420{number:08d}", name=f"Ada {number}"
        )
        await bus.track(
            who, "consent.granted", {"channel": "*", "purpose": "marketing", "topic": "*"}, id=f"yes-{number}"
        )
        await bus.track(who, "cart.updated", CART, id=f"cart-{number}")
        await bus.send("waiting", who, key=f"k{number}")


async def work(bus: Bus, url: str, count: int) -> tuple[float, float, float]:
    """Send all of it; gives deliveries a second, and CPU microseconds of this process and of the server a delivery."""
    wall, cpu, server = time.perf_counter(), time.process_time(), server_cpu(url)
    await bus.drain()
    wall, cpu, server = time.perf_counter() - wall, time.process_time() - cpu, server_cpu(url) - server
    audit = await bus.audit()
    if audit["sent"] != count or audit["unbalanced"]:
        raise SystemExit(f"the books do not balance: {audit}")
    return count / wall, cpu / count * 1e6, server / count * 1e6


def server_cpu(url: str) -> float:
    """Add up the CPU seconds of the server's processes; only of one on this machine."""
    with psycopg.connect(url) as db:
        pids = [row[0] for row in db.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")]
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids if psutil.pid_exists(pid))


def sizes(url: str) -> dict[str, float]:
    """Give the bytes of a row of each table, indexes and large values included."""
    found: dict[str, float] = {}
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM FULL")
        for table in TABLES:
            row = db.execute(f'SELECT count(*), pg_total_relation_size(%s) FROM "{table}"', (table,)).fetchone()  # noqa: S608
            if row and row[0]:
                found[table] = row[1] / row[0]
    return found


def sizing(row: dict[str, float], cpu: float, server: float) -> list[tuple[str, ...]]:
    """Work out what so many customers need."""
    rest = row["customer"] + 2 * row["identity"] + row["context"] + row["lane"]
    message = row["delivery"] + row["attempt"] + row["decision"] + row["sendkey"] + row["event"]
    whole = rest + EVENTS * row["event"] + MESSAGES * message
    table = []
    for name, people in (("1 M", 1e6), ("100 M", 1e8), ("1 B", 1e9)):
        speed = people / HOURS / 3_600
        cores = [f"{max(1, math.ceil(speed * each / 1e6 / LOAD))}" for each in (cpu, server)]
        told = (
            _bytes(people * rest),
            _bytes(people * whole),
            _bytes(people * whole * ROOM),
            f"{speed:,.0f}/s",
            *cores,
        )
        table.append((name, *told))
    return table


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1_000 or unit == "TB":
            return f"{count:.3g} {unit}"
        count /= 1_000
    return ""


async def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home, postgres() as databases:
        folder, url = Path(home), databases.make()
        for name in ("messages", "journeys"):
            (folder / name).mkdir()
        (folder / "messages" / "waiting.md").write_text(MESSAGE)
        (folder / "brand.toml").write_text('name = "Acme"\nurl = "https://acme.example"\n')
        (folder / "omnibus.key").write_text("ab" * 32)
        (folder / "omnibus.toml").write_text(
            f'[omnibus]\nstore = "{url}"\n[policy]\nquiet_hours = false\n[channels.fake]\nprovider = "fake"\nwebhook_secret = "x"\n'
        )
        async with omnibus.open(folder / "omnibus.toml", plugins=[Fakes()]) as bus:
            await fill(bus, count)
            rate, cpu, server = await work(bus, url, count)
        row = sizes(url)
    print(", ".join(f"{name} {size:,.0f}" for name, size in row.items()), "bytes")
    print(
        f"one worker: {rate:,.0f} deliveries/s; CPU of each: {cpu:,.0f} µs the worker's, {server:,.0f} µs the server's"
    )
    print("customers | at rest | with history | on disk | campaign | cores of workers | cores of servers")
    for line in sizing(row, cpu, server):
        print(" | ".join(line))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[sys.argv.index("--customers") + 1]) if "--customers" in sys.argv else 2_000))
