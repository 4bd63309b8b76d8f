"""`kill -9` of `omnibus work` in the middle of a campaign, again and again, while its store goes away and comes back, too.

Two workers on PostgreSQL, each a command of its own; one on SQLite. The truth is the provider's own ledger, held against
the books at the end: nobody lost, nobody told by two attempts, and neither side knows of a hand-over that the other does
not. OMNIBUS_KILLS sets the number (quick tier: 3, half of it on SQLite), OMNIBUS_SEED where they fall.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from omnibus.testing.postgres import PostgresServer
from tests.reliability.yard import Yard, opened, until

pytestmark = pytest.mark.reliability
ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("OMNIBUS_KILLS", "3"))
PEOPLE = int(os.environ.get("OMNIBUS_KILL_PEOPLE", str(max(1_000, 150 * KILLS))))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, PostgresServer | None]]:
    """Give a store's name and the server behind it, which may be stopped."""
    if request.param == "sqlite":
        yield "sqlite:shop.db", None
        return
    server = PostgresServer()
    try:
        yield server.url, server
    finally:
        server.close()


class Crew:
    """Keep as many workers running as the store has room for, each a command."""

    def __init__(self, yard: Yard) -> None:
        self.yard, self.size = yard, 2 if yard.shared else 1
        self.running: list[subprocess.Popen[bytes]] = []
        self.log = yard.folder / "work.log"

    def fill(self) -> None:
        """Start who is missing, as a supervisor would, and see all of them at work."""
        while len(self.running) < self.size:
            with self.log.open("ab") as log:
                self.running.append(subprocess.Popen(self.yard.command("work"), stdout=log, stderr=log))
            started = f'"pid": {self.running[-1].pid}, "event": "started"'
            until(lambda started=started: started in self.log.read_text(), self.at_work)

    def at_work(self) -> None:
        """See that nobody ended unasked."""
        codes = [each.poll() for each in self.running]
        assert codes == [None] * len(codes), f"{codes}: {self.log.read_text()[-3000:]}"

    def kill(self, chance: random.Random) -> None:
        """Kill one of them."""
        self.at_work()
        process = self.running.pop(chance.randrange(len(self.running)))
        process.kill()
        assert process.wait() == -signal.SIGKILL

    def stop(self) -> None:
        """Ask all to end, and see them end cleanly."""
        self.at_work()
        for each in self.running:
            each.terminate()
        assert [each.wait(60) for each in self.running] == [0] * self.size, self.log.read_text()[-3000:]


@contextmanager
def crew_of(yard: Yard) -> Iterator[Crew]:
    crew = Crew(yard)
    try:
        yield crew
    finally:
        for each in crew.running:
            each.kill()
            each.wait()


def strike(crew: Crew, server: PostgresServer | None, chance: random.Random, number: int) -> str:
    """Kill a worker; each second time let the store crash as well: before, meanwhile or afterwards."""
    if server is None or number % 2 == 0:
        crew.kill(chance)
        return "a worker"
    when = chance.choice(("before", "meanwhile", "afterwards"))
    if when == "before":
        server.restart()
        crew.kill(chance)
    elif when == "meanwhile":
        server.stop()
        crew.kill(chance)
        server.start()
    else:
        crew.kill(chance)
        server.restart()
    return f"a worker, and the store {when}"


def test_nobody_is_lost_or_told_twice(tmp_path: Path, place: tuple[str, Any]) -> None:
    store, server = place
    chance = random.Random(int(os.environ.get("OMNIBUS_SEED", "20261121")))
    with opened(tmp_path / "shop", store, PEOPLE) as yard, crew_of(yard) as crew:
        yard.run("campaign", "start", "news", "--to", "all", "--name", "spring")
        yard.room(0)
        for number in range(KILLS if yard.shared else max(KILLS // 2, 1)):
            crew.fill()
            goal = yard.lines() + chance.randrange(1, 100)
            yard.room(goal)  # what is handed over later has no answer when the worker dies
            until(lambda goal=goal: yard.lines() >= goal, crew.at_work)
            what = strike(crew, server, chance, number)
            sys.stdout.write(f"{number + 1}: {what}; {yard.lines()} lines in the ledger\n")
            sys.stdout.flush()
            if number % max(KILLS // 2, 1) == 0:
                yard.audit(may=("stuck",))  # so long nobody is answered
        yard.room()
        crew.fill()
        done = yard.run("campaign", "status", "spring", "--watch")
        assert (done["standing"], done["states"], done["expanded"]) == ("done", {"sent": PEOPLE}, PEOPLE)
        crew.stop()
        audit = yard.audit()
        assert (audit["accepted"], audit["sent"], audit["waiting"]) == (PEOPLE, PEOPLE, 0)
        compared = yard.compared()
        sys.stdout.write(f"{compared}\n")
        again = compared.pop("same_attempt_again")
        assert compared == {**dict.fromkeys(compared, 0), "told": PEOPLE}, again


def test_the_run_of_a_million_is_sound_by_the_thousand(tmp_path: Path) -> None:
    """`make million` itself: paused, resumed, killed, started again and compared, with people enough to see it work."""
    command = [sys.executable, "-m", "tests.reliability.million", "--store", "sqlite", "--people", "1000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert (told["wrong"], told["people"], told["states"]) == ([], 1000, {"sent": 1000})
    assert told["audit_at_pause"]["held"] > 0
    assert told["audit_after_kill"]["waiting"] > 0
