"""The demo by its command on PostgreSQL: killed and gone on with; a used database is refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from omnibus.cli.books import faults

pytestmark = pytest.mark.reliability


def command(state: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "omnibus", "demo", "--state", str(state), "--json", *more]


def run(state: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(state, *more), capture_output=True, text=True, timeout=300, check=False)


def written(state: Path) -> int:
    """Count what the outside world has seen so far."""
    ledger = state / "world" / "ledger.ndjson"
    return len(ledger.read_text().splitlines()) if ledger.exists() else 0


def test_a_killed_run_goes_on(tmp_path: Path, url: str) -> None:
    """Killed after so many entries in the world's own ledger, again and again; the story ends as it should."""
    chance = random.Random(int(os.environ.get("OMNIBUS_SEED", "20261121")))
    state, goal = tmp_path / "state", 0
    for number in range(2):
        goal += chance.randrange(1, 8)
        more = ("--resume",) if number else ("--store", url)
        with subprocess.Popen(command(state, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and written(state) < goal:
                pass
            process.send_signal(signal.SIGKILL)
    done = run(state, "--resume")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert faults(told["audit"]) == {}
    assert told["audit"]["accepted"] == 18
    assert not (state / "omnibus.db").exists()
    assert (state / "omnibus-demo.json").stat().st_mode & 0o077 == 0, "its URL may hold a password"
    refused = run(tmp_path / "other", "--store", url)
    assert refused.returncode == 2
    assert "the database holds customers already" in refused.stderr


@pytest.mark.parametrize(
    ("more", "what"),
    [(("--store", "sqlite:x"), "or on PostgreSQL"), (("--store", "postgresql", "--resume"), "leave --store out")],
)
def test_what_cannot_be_is_refused(tmp_path: Path, more: tuple[str, ...], what: str) -> None:
    refused = run(tmp_path / "state", *more)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert what in refused.stderr
