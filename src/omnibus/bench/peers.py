"""Peers: queues that people would otherwise put together, each in its best plain set-up, one worker on our core.

As usual for them, all jobs are put in first and start-up is left out: the rate is counted inside the worker, from the
first start to the last end. What is not installed, or fails, is a row with the reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omnibus.bench import machine
from omnibus.bench.rounds import Contender, Sample, Trial, Unbalanced, Unmeasured
from omnibus.bench.servers import Process, SinkProcess, free_port, last_words

PATIENCE = 180.0  # seconds for a peer's run
NO_PEERS = "OMNIBUS_BENCH_NO_PEERS"  # environment: set, and they are left out
PACE = 0.02  # seconds between two messages, where waiting is measured
WARM = 5  # first jobs, which open connections


@dataclass(frozen=True, slots=True)
class Peer:
    """Describe a queue.

    Args:
        broker: program that must be there; *packages*: modules that must be there.
        module: what in ``jobs`` it runs; *worker*: its command line.
        share: of the jobs, so that a slow one is not waited for and a fast one has enough to do.
        kept: durability of the broker's default, and when it syncs each write.
    """

    name: str
    broker: str
    packages: tuple[str, ...]
    module: str
    worker: tuple[str, ...]
    kept: tuple[str, str]
    setup: str
    share: float = 1.0

    @property
    def lacking(self) -> str:
        """Tell why it cannot run here; empty when it can."""
        if os.environ.get(NO_PEERS):
            return "peers are left out"
        if machine.lonely():
            return "one core only: the worker and its broker would fight for it"
        missing = [each for each in self.packages if find_spec(each) is None]
        if missing:
            return f"{missing[0]} is not installed: pip install 'omnibus-bus[bench]'"
        if not machine.find(self.broker):
            return f"{self.broker} is not on this machine"
        return ""


CELERY = Peer(
    "Celery + Redis", "redis-server", ("celery", "redis", "requests"), "celery_job",
    ("-m", "celery", "-A", "celery_job", "worker", "--pool", "prefork", "--concurrency", "1", "--loglevel", "WARNING",
     "--without-gossip", "--without-mingle", "--without-heartbeat"),
    ("appendfsync everysec", "appendfsync always"),
    "prefork, one worker, late acks, prefetch 50, requests.Session",
    0.5,
)  # fmt: skip
TASKIQ = Peer(
    "taskiq + NATS", "nats-server", ("taskiq", "taskiq_nats", "nats"), "taskiq_job",
    ("-m", "taskiq", "worker", "taskiq_job:broker", "--workers", "1", "--max-async-tasks", "50", "--log-level", "WARNING"),
    ("JetStream on disk, default sync_interval: acknowledged before fsync", "JetStream on disk, sync_interval always"),
    "one worker, 50 at once, pull 100, aiohttp",
    2.0,
)  # fmt: skip


class Peers:
    """Run the peers of a benchmark; their brokers are started when they are first needed."""

    def __init__(self, folder: Path, sink: SinkProcess, jobs: int) -> None:
        self.folder, self.sink, self.jobs = folder, sink, jobs
        self._brokers: dict[str, tuple[Process, str]] = {}
        self._runs = 0

    def rows(self, text: str) -> list[Contender | Unmeasured]:
        """List what is measured beside a campaign: each peer's best, the same job as ours, and its best with each write synced."""
        found: list[Contender | Unmeasured] = []
        for peer in (CELERY, TASKIQ):
            for way, synced in (("send only", False), ("same job", False), ("send only, synced", True)):
                name, reason = f"{peer.name}, {way}", peer.lacking
                make = self._campaign(peer, text, same=way == "same job", synced=synced)
                row = Contender(
                    name, make, peer.kept[synced], f"{peer.setup}; {self.jobs * peer.share:g} jobs", "http", peer=True
                )
                found.append(Unmeasured(name, reason) if reason else row)
        return found

    def latency(self, samples: int) -> list[Contender | Unmeasured]:
        """List what is measured beside one message at a time: from submitting to the start of the job."""
        return [
            Unmeasured(peer.name, peer.lacking)
            if peer.lacking
            else Contender(
                peer.name, self._paced(peer, samples), peer.kept[0], peer.setup.replace("pull 100", "pull 1"), peer=True
            )
            for peer in (CELERY, TASKIQ)
        ]

    async def close(self) -> None:
        """End the brokers."""
        for server, _ in self._brokers.values():
            await server.stop()
        self._brokers.clear()

    def _campaign(self, peer: Peer, text: str, *, same: bool, synced: bool) -> Callable[[], Awaitable[Trial]]:
        jobs = int(self.jobs * peer.share)

        async def make() -> Trial:
            env, meter = await self._env(peer, jobs, synced=synced, same=same, batch=100)
            enqueueing = await self._enqueue(peer, env, jobs, 0, text)
            before = await self.sink.count()

            async def run() -> Sample:
                worker = self._worker(peer, env)
                try:
                    told = await self._measured(meter, worker)
                finally:
                    await worker.stop()
                rate = jobs / (told["seconds"] + enqueueing)
                return Sample(jobs, told["seconds"], told["cpu"], told={
                    "with_enqueueing": rate, "enqueue": jobs / enqueueing})  # fmt: skip

            async def check() -> None:
                seen = await self.sink.count() - before
                if seen != jobs:
                    raise Unbalanced(f"the sink saw {seen} instead of {jobs}")

            return Trial(run, check)

        return make

    def _paced(self, peer: Peer, samples: int) -> Callable[[], Awaitable[Trial]]:
        async def make() -> Trial:
            env, meter = await self._env(peer, samples + WARM, synced=False, same=False, batch=1)
            worker = self._worker(peer, env)

            async def run() -> Sample:
                try:
                    await self._enqueue(peer, env, WARM, PACE, "x")
                    await self._measured(meter.with_suffix(".begun"), worker)  # an idle system, not one that starts
                    await self._enqueue(peer, env, samples, PACE, "x")
                    told = await self._measured(meter, worker)
                finally:
                    await worker.stop()
                return Sample(samples, told["seconds"], told["cpu"], tuple(told["waits"][WARM:]))

            return Trial(run)

        return make

    async def _env(
        self, peer: Peer, count: int, *, synced: bool, same: bool, batch: int
    ) -> tuple[dict[str, str], Path]:
        self._runs += 1
        meter = self.folder / f"meter-{self._runs}.json"
        env = {
            "BENCH_URL": self.sink.url, "BENCH_COUNT": str(count), "BENCH_METER": str(meter), "BENCH_RUN": f"run{self._runs}",
            "BENCH_BROKER": await self._broker(peer, synced=synced), "PYTHONPATH": str(Path(__file__).with_name("jobs")),
            "BENCH_CONTEXTS": str(self._contexts()) if same else "", "BENCH_BATCH": str(batch),
        }  # fmt: skip
        return env, meter

    async def _broker(self, peer: Peer, *, synced: bool) -> str:
        key = f"{peer.broker}-{synced}"
        if key not in self._brokers:
            port, folder = free_port(), self.folder / key
            folder.mkdir(parents=True, exist_ok=True)
            make = _redis if peer.broker == "redis-server" else _nats
            command, url = make(machine.find(peer.broker), port, folder, synced=synced)
            server = Process(command, folder)
            self._brokers[key] = (server, url)
            await server.listening(port)
        return self._brokers[key][1]

    def _contexts(self) -> Path:
        """Write the contexts that the same job reads, about as large as ours."""
        path = self.folder / "contexts.db"
        if not path.exists():
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE context (customer TEXT PRIMARY KEY, body TEXT)")
                db.executemany(
                    "INSERT INTO context VALUES (?, ?)",
                    map(_context, range(int(self.jobs * max(each.share for each in (CELERY, TASKIQ))))),
                )
        return path

    def _worker(self, peer: Peer, env: dict[str, str]) -> Process:
        return Process([sys.executable, *peer.worker], self.folder / env["BENCH_RUN"], env=env, cores=nullcontext())

    async def _enqueue(self, peer: Peer, env: dict[str, str], count: int, pace: float, text: str) -> float:
        script = Path(__file__).with_name("jobs") / f"{peer.module}.py"
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), str(count), str(pace), text, env={**os.environ, **env},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        except TimeoutError:
            process.kill()
            raise RuntimeError("its jobs could not be put in in time") from None
        if process.returncode:
            raise RuntimeError(f"its jobs could not be put in: {last_words(err.decode())}")
        return float(out)

    async def _measured(self, meter: Path, worker: Process) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while (told := _read(meter)) is None:
            if worker.ended or time.monotonic() > until:
                raise RuntimeError(f"its worker did not finish: {worker.said()}")
            await asyncio.sleep(0.05)
        return told


def _read(meter: Path) -> dict[str, Any] | None:
    return dict(json.loads(meter.read_text() or "{}")) if meter.exists() else None


def _redis(program: str, port: int, folder: Path, *, synced: bool) -> tuple[Sequence[str], str]:
    sync = "always" if synced else "everysec"
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes",
               "--appendfsync", sync]  # fmt: skip
    return command, f"redis://127.0.0.1:{port}/0"


def _nats(program: str, port: int, folder: Path, *, synced: bool) -> tuple[Sequence[str], str]:
    sync = "sync_interval: always\n" if synced else ""
    config = folder / "nats.conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{\n  store_dir: "{folder / "jetstream"}"\n  {sync}}}\n')
    return [program, "-c", str(config)], f"nats://127.0.0.1:{port}"


def _context(number: int) -> tuple[str, str]:
    line = {"sku": "mug", "name": "Harbour mug", "price": "24.00", "quantity": 1}
    body = {
        "customer": {"id": f"c{number:07d}", "first_name": "Ada", "name": f"Ada c{number:07d}", "locale": "en", "zone": "UTC"},
        "cart": {"id": f"c{number:07d}", "currency": "GBP", "url": "https://acme.example/cart", "lines": [line]},
        "consent": [{"channel": "fake", "purpose": "marketing", "topic": "*"}], "foot": "x" * 60,
    }  # fmt: skip
    return f"c{number:07d}", json.dumps(body)
