"""Campaigns behave the same on both stores: every test of the shop runs on each. And what kill tests play on."""

from __future__ import annotations

import asyncio
import os
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omnibus.build import open_bus
from omnibus.model.event import Event
from tests.campaigns.parts import MESSAGE

PEOPLE = int(os.environ.get("OMNIBUS_KILL_PEOPLE", "1000"))
WORKER = Path(__file__).with_name("worker.py")
NEVER = ("unbalanced", "stuck", "silent", "lost_lanes", "unproven")
TOML = """
[omnibus]
store = "{store}"
brand = "brand.toml"
messages = "messages"
key = "file:shop.key"
plugins = ["{plugin}"]
[policy]
quiet_hours = false
budget = false
[channels.mail]
provider = "sink://127.0.0.1:{port}"
"""


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> Any:
    """Name a fresh store of either kind."""
    return request.getfixturevalue("databases").make() if request.param == "postgres" else "sqlite:shop.db"


class Ledger(socketserver.ThreadingTCPServer):
    """Take hand-overs; the same key again is the same message, and gets the same answer."""

    allow_reuse_address, daemon_threads, request_queue_size = True, True, 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.lock, self.taken, self.again = threading.Lock(), dict[str, str](), 0
        self.full, self.room = 1_000_000, threading.Event()

    def shut(self, after: int) -> None:
        """Answer so many, and let the others wait until ``open``."""
        self.full = after
        self.room.clear()

    def open(self) -> None:
        """Answer everybody."""
        self.room.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a killed worker's connection go."""


class _Taking(socketserver.StreamRequestHandler):
    server: Ledger

    def handle(self) -> None:
        key, _, address = self.rfile.readline().decode().strip().partition(" ")
        if not address:
            return
        with self.server.lock:
            self.server.again += key in self.server.taken
            self.server.taken[key] = address
            late = len(self.server.taken) > self.server.full
        if late:
            self.server.room.wait(60)
        self.wfile.write(f"sink-{key}\n".encode())


@dataclass(frozen=True)
class Scene:
    """A shop in a folder with people who allow everything; the provider's own ledger is the truth."""

    folder: Path
    store: str
    sink: Ledger
    people: int = PEOPLE
    worker: Path = WORKER

    @property
    def shared(self) -> bool:
        """Whether there is room for many workers."""
        return not self.store.startswith("sqlite:")

    def bus(self) -> Any:
        return open_bus(self.folder / "omnibus.toml", environ={})

    async def settle_in(self) -> None:
        """Make the people."""
        async with self.bus() as bus:
            identity, now = bus.customers.recogniser.identity, datetime.now(UTC)
            told = {"channel": "*", "purpose": "marketing", "topic": "*"}
            names = [f"c{number:05d}" for number in range(self.people)]
            for start in range(0, self.people, 500):
                page = names[start : start + 500]
                await bus.parts.store.create([(each, [identity("email", f"{each}@example.com")]) for each in page], now)
                yes = [Event(f"yes-{each}", "test", "consent.granted", now, each, told) for each in page]
                await bus.parts.inbox.put(yes, quiet=True)

    def sums(self) -> tuple[Any, dict[str, int]]:
        """Give the campaign's sums and the books, from outside."""

        async def look() -> tuple[Any, dict[str, int]]:
            async with self.bus() as bus:
                return await bus.campaigns.status("spring"), await bus.audit()

        return asyncio.run(look())

    def wait(self, done: Callable[[], bool], seconds: float = 120) -> None:
        """Wait for something that another process does."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, "nothing goes on"
            time.sleep(0.002)

    def told_once(self) -> None:
        """Compare the ledger with the books: everybody once, nobody twice, and all of it is written down."""
        told = Counter(self.sink.taken.values())
        assert len(told) == self.people, "somebody was lost"
        assert not [each for each, count in told.items() if count > 1], "somebody was told twice"
        progress, audit = self.sums()
        assert (progress.standing, dict(progress.states), progress.campaign.expanded) == (
            "done", {"sent": self.people}, self.people,
        )  # fmt: skip
        assert {name: audit[name] for name in NEVER} == dict.fromkeys(NEVER, 0)
        assert audit["accepted"] == self.people


@pytest.fixture
def scene(tmp_path: Path, store_url: str) -> Iterator[Scene]:
    """Set the scene; nothing is launched yet."""
    with Ledger() as sink:
        thread = threading.Thread(target=sink.serve_forever)
        thread.start()
        (tmp_path / "messages").mkdir()
        (tmp_path / "messages" / "news.md").write_text("---\nvia: [mail]\ntopic: news\n---\n# News\n")
        (tmp_path / "brand.toml").write_text('name = "Acme"\nurl = "https://acme.example"\n')
        (tmp_path / "shop.key").write_text("ab" * 32)
        told = TOML.format(store=store_url, plugin=WORKER, port=sink.server_address[1])
        (tmp_path / "omnibus.toml").write_text(told)
        made = Scene(tmp_path, store_url, sink)
        asyncio.run(made.settle_in())
        yield made
        sink.shutdown()
        thread.join()


@pytest.fixture
async def open_shop(shop: Any) -> Any:
    shop.channel("mail")
    shop.message("news", MESSAGE, via=["mail"], topic="news")
    await shop.open()
    return shop
