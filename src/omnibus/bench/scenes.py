"""What is measured, each beside a yardstick that does as little as can be done."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omnibus.bench.rounds import Run, Scene
from omnibus.build import build
from omnibus.bus import Bus
from omnibus.hookspecs import hookimpl
from omnibus.model.event import Event
from omnibus.settings import load, make_key
from omnibus.testing.fakes import FakeChannel, fake_provider

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CALLERS = 50

BRAND = 'name = "Acme"\nurl = "https://acme.example"\n'
CONFIG = '[omnibus]\n[policy]\nbudget = { window = "7d", points = 6 }\n[channels.fake]\nprovider = '
FAKE = '"fake"\nwebhook_secret = "fake"'
MESSAGE = """---
purpose: marketing
topic: news
via: [fake]
while: [cart.open]
cta: { label: Look, url: "https://acme.example/{{ customer.id }}" }
---
# {{ customer.first_name | default("Hello", true) }}, your {{ cart.lines[0].name }} is waiting
"""


@dataclass(frozen=True, slots=True)
class Size:
    """Say how much one run does."""

    people: int = 2000
    rows: int = 20_000
    events: int = 10_000


class _Plugin:
    """Bring a channel whose provider answers at once."""

    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        """Register both."""
        register(FakeChannel, fake_provider())


class Bench:
    """Make fresh buses and yardsticks in a folder that goes when it ends."""

    def __init__(self, size: Size, *, slow: bool = False) -> None:
        self.slots = 1 if slow else 50  # planted: claims, commits and settlements of one
        self.size, self.folder = size, Path(tempfile.mkdtemp(prefix="omnibus-bench-"))
        self._open: list[Bus] = []
        self._count = 0

    async def aclose(self) -> None:
        """Close what is open and remove the folder."""
        await self._close()
        shutil.rmtree(self.folder)

    async def _close(self) -> None:
        for bus in self._open:
            await bus.aclose()
        self._open.clear()

    def names(self, people: int) -> list[str]:
        """List customer ids."""
        return [f"c{number:07d}" for number in range(people)]

    async def bus(self, *, people: int = 0, plugin: Any = None, provider: str = FAKE) -> Bus:
        """Open a bus with its own store and that many customers, each with a consent and a cart."""
        await self._close()
        self._count += 1
        folder = self.folder / str(self._count)
        (folder / "messages").mkdir(parents=True)
        for name, text in (
            ("brand.toml", BRAND),
            ("omnibus.toml", f"{CONFIG}{provider}\n"),
            ("messages/news.md", MESSAGE),
        ):
            (folder / name).write_text(text)
        make_key(folder / "omnibus.key")
        bus = build(load(folder, environ={}), now=lambda: NOW, plugins=[plugin or _Plugin()], slots=self.slots)
        await bus.open()
        self._open.append(bus)
        await self._people(bus, people)
        return bus

    async def _people(self, bus: Bus, people: int) -> None:
        for start in range(0, people, 500):
            names = [f"c{number:07d}" for number in range(start, min(start + 500, people))]
            identity = bus.customers.recogniser.identity
            await bus.parts.store.create([(each, [identity("email", f"{each}@example.com")]) for each in names], NOW)
            await bus.parts.inbox.put([event for each in names for event in _past(each)], quiet=True)

    def path(self) -> Path:
        """Give a fresh path for a yardstick's file."""
        self._count += 1
        return self.folder / f"raw-{self._count}.db"

    # ---- ours

    async def pipeline(self) -> Run:
        """Accept for everybody, then measure claim → resolve → judge → compose → attempt → settle."""
        bus = await self.bus(people=self.size.people)
        async for _ in bus.send_many("news", [f"c{number:07d}" for number in range(self.size.people)]):
            pass

        async def run() -> int:
            await bus.parts.dispatcher.drain()
            audit = await bus.audit()
            if audit["sent"] != self.size.people or audit["unbalanced"]:
                raise RuntimeError(f"the books do not balance: {audit}")  # a run without books has no figure
            return self.size.people

        return run

    async def callers(self) -> Run:
        """Let fifty callers await their own sends."""
        bus = await self.bus(people=CALLERS)
        each = self.size.people // CALLERS

        async def run() -> int:
            customers = [await bus.customers.get(f"c{number:07d}") for number in range(CALLERS)]

            async def call(customer: Any) -> None:
                for _ in range(each):
                    await bus.send("news", customer)

            await asyncio.gather(*(call(customer) for customer in customers))
            return each * CALLERS

        return run

    async def expansion(self) -> Run:
        """Enqueue for everybody in chunks."""
        bus = await self.bus(people=self.size.people)

        async def run() -> int:
            async for _ in bus.send_many("news", [f"c{number:07d}" for number in range(self.size.people)]):
                pass
            return self.size.people

        return run

    async def folding(self) -> Run:
        """Store and fold events in chunks of 500."""
        bus = await self.bus(people=200)
        count = self.size.events
        events = [
            Event(
                f"e{n}",
                "bench",
                "product.viewed",
                NOW.replace(microsecond=n),
                f"c{n % 200:07d}",
                {"sku": f"s{n % 40}", "name": "mug"},
            )
            for n in range(count)
        ]

        async def run() -> int:
            for start in range(0, count, 500):
                await bus.parts.inbox.put(events[start : start + 500], quiet=True)
            return count

        return run

    # ---- yardsticks

    async def raw_thousands(self) -> Run:
        """Insert rows of about 1 KB with plain sqlite3, a thousand a commit."""
        return self._raw(1000)

    async def raw_hundreds(self) -> Run:
        """The same, a hundred a commit."""
        return self._raw(100)

    async def raw_single(self) -> Run:
        """The same, one a commit: what `send` does for fifty callers, without group commit."""
        return self._raw(1, rows=self.size.people)

    def _raw(self, batch: int, rows: int = 0) -> Run:
        db = sqlite3.connect(self.path(), isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, key TEXT UNIQUE, due INTEGER, body TEXT)")
        db.execute("CREATE INDEX d ON t (due, id)")
        count, body = rows or self.size.rows, "x" * 900

        async def run() -> int:
            for start in range(0, count, batch):
                db.execute("BEGIN IMMEDIATE")
                db.executemany(
                    "INSERT INTO t (key, due, body) VALUES (?, ?, ?)",
                    [(f"k{number:09d}", number, body) for number in range(start, start + batch)],
                )
                db.execute("COMMIT")
            db.close()
            return count

        return run


def _past(customer: str) -> list[Event]:
    line = {"sku": "mug", "name": "Harbour mug", "price": "24.00", "quantity": 1}
    cart = {"id": customer, "currency": "GBP", "url": "https://acme.example/cart", "lines": [line]}
    said = {"channel": "fake", "purpose": "marketing", "topic": "*"}
    then = NOW - timedelta(hours=1)
    return [
        Event(f"{customer}-consent", "bench", "consent.granted", then, customer, said),
        Event(f"{customer}-cart", "bench", "cart.updated", then, customer, cart),
        Event(f"{customer}-name", "bench", "customer.updated", then, customer, {"name": f"Ada {customer}"}),
    ]


def SCENES(bench: Bench) -> list[Scene]:  # noqa: N802 - a table that needs its bench
    """List the scenes."""
    thousands = "plain sqlite3 inserts, 1,000 a commit"
    return [
        Scene("campaign-noop", "messages", bench.pipeline, bench.raw_thousands, thousands, must=0.10),
        Scene("send-50-callers", "sends", bench.callers, bench.raw_single, "plain sqlite3, one row a commit", must=5.0),
        Scene("expansion", "deliveries", bench.expansion, bench.raw_thousands, thousands, must=0.35),
        Scene("folding", "events", bench.folding, bench.raw_hundreds, "plain sqlite3 inserts, 100 a commit"),
    ]
