"""`kill -9` of a worker in the middle of a campaign, again and again: nobody twice, nobody lost, the books balance.

One worker on SQLite; two on PostgreSQL, where the other goes on and takes over what the dead one held. The truth is the
ledger of the sink, which lives in this process.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from omnibus.model.event import Event

pytestmark = pytest.mark.reliability
PEOPLE = int(os.environ.get("OMNIBUS_KILL_PEOPLE", "1000"))
KILLS = max(int(os.environ.get("OMNIBUS_KILLS", "8")) // 2, 1)
WORKER = Path(__file__).with_name("worker.py")
NEVER = ("unbalanced", "stuck", "silent", "lost_lanes", "unproven")
TOML = """
[omnibus]
store = "{store}"
brand = "brand.toml"
messages = "messages"
key = "file:shop.key"
[policy]
quiet_hours = false
budget = false
[channels.mail]
provider = "sink"
"""


class Ledger(socketserver.ThreadingTCPServer):
    """Take hand-overs; the same key again is the same message, and gets the same answer."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.lock, self.taken, self.again = threading.Lock(), dict[str, str](), 0

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
        self.wfile.write(f"sink-{key}\n".encode())


@pytest.fixture
def sink() -> Iterator[Ledger]:
    with Ledger() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def module() -> Any:
    spec = importlib.util.spec_from_file_location("campaign_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


async def begin(folder: Path, bus: Any) -> None:
    async with bus:
        names = [f"c{number:05d}" for number in range(PEOPLE)]
        identity = bus.customers.recogniser.identity
        now = datetime.now(UTC)
        told = {"channel": "*", "purpose": "marketing", "topic": "*"}
        for start in range(0, PEOPLE, 500):
            page = names[start : start + 500]
            await bus.parts.store.create([(each, [identity("email", f"{each}@example.com")]) for each in page], now)
            await bus.parts.inbox.put(
                [Event(f"yes-{each}", "test", "consent.granted", now, each, told) for each in page], quiet=True
            )
        await bus.launch("news", name="spring")


async def sums(bus: Any) -> tuple[Any, dict[str, int]]:
    async with bus:
        return await bus.campaigns.status("spring"), await bus.audit()


class Crew:
    """Keep as many workers as the store has room for."""

    def __init__(self, folder: Path, port: int, *, shared: bool) -> None:
        term = "2" if shared else "60"  # what a dead worker held is taken over when its lease runs out
        self.command = [sys.executable, str(WORKER), str(folder), str(port), term]
        self.size = 2 if shared else 1
        self.running: list[subprocess.Popen[str]] = []

    def fill(self) -> None:
        """Start who is missing."""
        while len(self.running) < self.size:
            told = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.running.append(told)

    def kill(self, chance: random.Random) -> bool:
        """Kill one of them; False when it had finished by itself."""
        process = self.running.pop(chance.randrange(len(self.running)))
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate()
        assert process.returncode in {0, -signal.SIGKILL}, said
        return process.returncode != 0

    def finish(self) -> None:
        """Wait for all of them."""
        for each in self.running:
            said, _ = each.communicate(timeout=240)
            assert each.returncode == 0, said[-3000:]
        self.running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for each in self.running:
            each.kill()
            each.communicate()


def configured(folder: Path, store: str) -> None:
    (folder / "messages").mkdir()
    (folder / "messages" / "news.md").write_text("---\nvia: [mail]\ntopic: news\n---\n# News\n")
    (folder / "brand.toml").write_text('name = "Acme"\nurl = "https://acme.example"\n')
    (folder / "shop.key").write_text("ab" * 32)
    (folder / "omnibus.toml").write_text(TOML.replace("{store}", store))


def wait_for(sink: Ledger, goal: int, crew: Crew) -> None:
    """Wait until the sink took so many, or somebody ended."""
    deadline = time.monotonic() + 60
    while len(sink.taken) < goal and all(each.poll() is None for each in crew.running):
        assert time.monotonic() < deadline, "nothing goes on"
        time.sleep(0.002)


def test_killed_in_the_middle_nobody_is_lost_or_told_twice(tmp_path: Path, sink: Ledger, store_url: str) -> None:
    chance = random.Random(int(os.environ.get("OMNIBUS_SEED", "20261121")))
    configured(tmp_path, store_url)
    worker = module()
    asyncio.run(begin(tmp_path, worker.bus(tmp_path)))
    kills = 0
    with Crew(tmp_path, sink.server_address[1], shared=not store_url.startswith("sqlite:")) as crew:
        for number in range(KILLS):
            crew.fill()
            wait_for(sink, len(sink.taken) + chance.randrange(1, max(PEOPLE // KILLS, 2)), crew)
            kills += crew.kill(chance)
            progress, audit = asyncio.run(sums(worker.bus(tmp_path)))
            campaign = progress.campaign
            assert campaign.recipients == PEOPLE
            assert campaign.accepted == campaign.expanded == progress.final + progress.waiting, number
            assert audit["unbalanced"] == audit["silent"] == audit["unproven"] == 0
            assert audit["accepted"] >= campaign.expanded  # the other worker went on between the two looks
        assert kills == KILLS
        crew.fill()
        crew.finish()
    told = Counter(sink.taken.values())
    assert len(told) == PEOPLE, "somebody was lost"
    assert not [each for each, count in told.items() if count > 1], "somebody was told twice"
    progress, audit = asyncio.run(sums(worker.bus(tmp_path)))
    assert (progress.standing, dict(progress.states), progress.campaign.expanded) == ("done", {"sent": PEOPLE}, PEOPLE)
    assert {name: audit[name] for name in NEVER} == dict.fromkeys(NEVER, 0)
    assert audit["accepted"] == PEOPLE
