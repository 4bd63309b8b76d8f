"""The workshop: fresh buses with their customers, and yardsticks that do as little as can be done."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from omnibus.bench.rounds import Trial, Unbalanced
from omnibus.build import build
from omnibus.bus import Bus
from omnibus.hookspecs import hookimpl
from omnibus.model.attempt import Attempt, Receipt
from omnibus.model.content import Content
from omnibus.model.event import Event
from omnibus.provider import Keep, Provider
from omnibus.settings import load, make_key
from omnibus.testing.fakes import FakeChannel

Past = Callable[[str, str], list[Event]]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

BRAND = 'name = "Acme"\nurl = "https://acme.example"\n'
IDLE = '"idle"'
MESSAGE = """---
purpose: marketing
topic: news
via: [fake]
while: [cart.open]
cta: { label: Look, url: "https://acme.example/{{ customer.id }}" }
---
# {{ customer.first_name | default("Hello", true) }}, your {{ cart.lines[0].name }} is waiting
"""
RECEIPT = """---
purpose: transactional
topic: orders
via: [fake]
---
# Thank you, {{ customer.first_name | default("and hello", true) }}
"""


@dataclass(frozen=True, slots=True)
class Size:
    """Say how much one run does.

    Args:
        people: customers of a campaign without a wire; *sent*: over HTTP.
        rows: of raw inserts; *events*: folded or imported; *peers*: jobs of a peer.
        past: finished, and delayed, deliveries beside the measured ones.
        few, many: recipients of the two runs whose memory is compared.
        requests: of a client alone; *mails*: of an email scene; *samples*: of a latency, each round.
        spread: messages of two workers on PostgreSQL; one has half of them, four have twice as many.
    """

    people: int = 2000
    sent: int = 10_000
    rows: int = 20_000
    events: int = 20_000
    peers: int = 2000
    past: int = 100_000
    few: int = 20_000
    many: int = 200_000
    requests: int = 2000
    mails: int = 1000
    samples: int = 350
    spread: int = 4000


SMOKE = Size(people=100, sent=100, rows=1000, events=500, peers=50, past=500, few=50, many=100, requests=200, mails=20,
             samples=20, spread=200)  # fmt: skip
FULL = Size(people=10_000, rows=100_000, events=1_000_000, past=1_000_000, few=100_000, many=1_000_000, samples=1000)


class IdleProvider(Provider):
    """Do nothing, keep nothing, and say that it is done."""

    channel: ClassVar[Any] = FakeChannel
    scheme: ClassVar[str] = "idle"
    idempotency = "key"

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Answer at once."""
        return Receipt(attempt.id)


class Idles:
    """Bring a channel whose provider answers at once."""

    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        """Register both."""
        register(FakeChannel, IdleProvider)


@dataclass(frozen=True, slots=True)
class Setting:
    """Say what a bus is set up with: its channel table, its messages, and the plugin that brings the channel."""

    provider: str = IDLE
    plugin: Callable[[], Any] | None = Idles
    channel: str = "fake"
    brand: str = BRAND
    past: Past = field(default=lambda customer, channel: _past(customer, channel))  # noqa: PLW0108 - defined below
    messages: tuple[tuple[str, str], ...] = (("news", MESSAGE), ("receipt", RECEIPT))
    points: int = 6
    store: str = "sqlite:omnibus.db"

    def write(self, folder: Path) -> None:
        """Write it as a configuration."""
        (folder / "messages").mkdir(parents=True, exist_ok=True)
        (folder / "brand.toml").write_text(self.brand)
        (folder / "omnibus.toml").write_text(
            f'[omnibus]\nstore = "{self.store}"\n[policy]\nbudget = {{ window = "7d", points = {self.points} }}\n'
            f"[channels.{self.channel}]\nprovider = {self.provider}\n"
        )
        for name, text in self.messages:
            (folder / "messages" / f"{name}.md").write_text(text)

    def open(self, folder: Path, slots: int = 50) -> Bus:
        """Build the bus of a folder that was written before; it is not open yet."""
        plugins = [self.plugin()] if self.plugin else []
        return build(load(folder, environ={}), now=lambda: NOW, plugins=plugins, slots=slots)


PLAIN = Setting()


class Bench:
    """Make fresh buses and yardsticks in a folder that goes when it ends."""

    def __init__(self, size: Size, *, slow: bool = False) -> None:
        self.slots = 1 if slow else 50  # planted: claims, commits and settlements of one
        self.size, self.slow, self.folder = size, slow, Path(tempfile.mkdtemp(prefix="omnibus-bench-"))
        self._open: list[Bus] = []
        self._count = 0

    async def aclose(self) -> None:
        """Close what is open and remove the folder."""
        await self.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def clear(self) -> None:
        """Close the bus that is open, and remove its store."""
        for bus in self._open:
            await bus.aclose()
            shutil.rmtree(bus.parts.settings.path.parent, ignore_errors=True)
        self._open.clear()

    def names(self, people: int) -> list[str]:
        """List customer ids."""
        return [f"c{number:07d}" for number in range(people)]

    async def bus(self, setting: Setting = PLAIN, *, people: int = 0) -> Bus:
        """Open a bus with its own store and that many customers, each with a consent and a cart."""
        await self.clear()
        return await self.opened(setting, await self.filled(setting, people))

    async def opened(self, setting: Setting, folder: Path) -> Bus:
        """Open the bus of a folder; it is closed, and the folder removed, before the next one is made."""
        bus = setting.open(folder, self.slots)
        await bus.open()
        self._open.append(bus)
        return bus

    async def filled(self, setting: Setting, people: int) -> Path:
        """Give a folder with a store that has these customers; they are made once and copied from then on."""
        model = self.folder / f"people-{setting.channel}-{people}"
        if not model.exists():
            setting.write(model)
            make_key(model / "omnibus.key")
            async with setting.open(model) as bus:
                await fill(bus, people, setting)
        return self.copied(model, setting)

    def copied(self, model: Path, setting: Setting) -> Path:
        """Copy a folder, and its bytes to the disk, so that they are not written while somebody is measured."""
        folder = self.path("bus")
        shutil.copytree(model, folder)
        setting.write(folder)
        for each in folder.glob("*.db"):
            with each.open("rb+") as file:
                os.fsync(file.fileno())
        return folder

    def path(self, name: str) -> Path:
        """Give a fresh path."""
        self._count += 1
        return self.folder / f"{name}-{self._count}"

    # ---- yardsticks

    async def raw_thousands(self) -> Trial:
        """Insert rows of about 1 KB with plain sqlite3, a thousand a commit."""
        return self._raw(1000)

    async def raw_hundreds(self) -> Trial:
        """The same, a hundred a commit."""
        return self._raw(100)

    async def raw_single(self) -> Trial:
        """The same, one a commit: what `send` does for fifty callers, without group commit."""
        return self._raw(1, rows=min(self.size.rows, 2000))

    def _raw(self, batch: int, rows: int = 0) -> Trial:
        path = self.path("raw.db")
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, key TEXT UNIQUE, due INTEGER, body TEXT)")
        db.execute("CREATE INDEX d ON t (due, id) WHERE due IS NOT NULL")
        count, body = rows or min(self.size.rows, 20_000), "x" * 900

        async def run() -> int:
            for start in range(0, count, batch):
                db.execute("BEGIN IMMEDIATE")
                db.executemany(
                    "INSERT INTO t (key, due, body) VALUES (?, ?, ?)",
                    [(f"k{number:09d}", number, body) for number in range(start, start + batch)],
                )
                db.execute("COMMIT")
            return count

        async def check() -> None:
            found = db.execute("SELECT count(*) FROM t").fetchone()[0]
            db.close()
            path.unlink()
            if found != count:
                raise Unbalanced(f"{found} rows instead of {count}")

        return Trial(run, check)


async def fill(bus: Bus, people: int, setting: Setting = PLAIN) -> None:
    """Make customers with an address, a consent, a cart and a name, as an import of the past would."""
    identity = bus.customers.recogniser.identity
    for start in range(0, people, 500):
        names = [f"c{number:07d}" for number in range(start, min(start + 500, people))]
        await bus.parts.store.create([(each, [identity("email", f"{each}@example.com")]) for each in names], NOW)
        await bus.parts.inbox.put(
            [event for each in names for event in setting.past(each, setting.channel)], quiet=True
        )


def _past(customer: str, channel: str) -> list[Event]:
    line = {"sku": "mug", "name": "Harbour mug", "price": "24.00", "quantity": 1}
    cart = {"id": customer, "currency": "GBP", "url": "https://acme.example/cart", "lines": [line]}
    said = {"channel": channel, "purpose": "marketing", "topic": "*"}
    then = NOW - timedelta(hours=1)
    return [
        Event(f"{customer}-consent", "bench", "consent.granted", then, customer, said),
        Event(f"{customer}-cart", "bench", "cart.updated", then, customer, cart),
        Event(f"{customer}-name", "bench", "customer.updated", then, customer, {"name": f"Ada {customer}"}),
    ]


async def balanced(bus: Bus, sent: int) -> None:
    """Check the books of a run.

    Raises:
        Unbalanced: another number was sent, or the audit finds a fault.
    """
    audit = await bus.audit()
    wrong = {name: audit[name] for name in ("unbalanced", "silent", "lost_lanes", "unproven") if audit.get(name)}
    if audit["sent"] + audit.get("delivered", 0) != sent or wrong:
        raise Unbalanced(f"the books do not balance: {sent} asked for, {audit}")
