"""`kill -9` of the demo at random moments, each followed by --resume: nothing lost, nothing told twice, the books balance.

The ground truth is the sandbox's ledger, fsynced before each answer. OMNIBUS_KILLS sets the number (quick tier: 8).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.reliability
KILLS = int(os.environ.get("OMNIBUS_KILLS", "8"))
SEED = int(os.environ.get("OMNIBUS_SEED", "20261121"))


def command(state: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "omnibus", "demo", "--state", str(state), "--json", *more]


def run_and_kill(state: Path, after: float, *more: str) -> bool:
    """Start the demo and kill it *after* seconds; False when it had finished by itself."""
    with subprocess.Popen(command(state, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
    return False


def ledger(state: Path) -> list[dict]:
    return [json.loads(line) for line in (state / "world" / "ledger.ndjson").read_text().splitlines() if line.strip()]


def told_twice(entries: list[dict]) -> dict[tuple[str, ...], int]:
    """Count what a person got more than once: the same words to the same address."""
    heard = Counter(
        (each["channel"], each["kind"], each["to"], each["text"])
        for each in entries
        if each["kind"] in {"mail", "message", "post", "direct", "receipt"} and not each["refused"]
    )
    return {key: count for key, count in heard.items() if count > 1}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Time an undisturbed run, so that the kills fall all over it."""
    state = tmp_path_factory.mktemp("usual") / "state"
    start = time.monotonic()
    done = subprocess.run(command(state), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not told_twice(ledger(state))
    return time.monotonic() - start


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_run_goes_on(tmp_path: Path, usual: float, number: int) -> None:
    chance = random.Random(SEED + number)
    state = tmp_path / "state"
    killed = run_and_kill(state, chance.uniform(0.1, 1.0) * usual)
    if not (state / "omnibus-demo.json").exists():
        return  # killed before there was anything to go on with
    if killed and chance.random() < 0.4:  # and once more while it recovers
        run_and_kill(state, chance.uniform(0.3, 0.8) * usual, "--resume")
    done = subprocess.run(command(state, "--resume"), capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr[-3000:]
    told = json.loads(done.stdout)
    audit = told["audit"]
    doubtful = [each for each in told["deliveries"] if each["reason"] == "answer_lost" or each["state"] == "unknown"]
    assert {key: audit[key] for key in ("unbalanced", "stuck", "silent", "lost_lanes", "unproven")} == dict.fromkeys(
        ("unbalanced", "stuck", "silent", "lost_lanes", "unproven"), 0
    )
    # a browser killed before it kept its secret comes back as somebody new, who is welcomed in vain and by a card
    strangers = [
        each for each in told["deliveries"] if each["message"] == "welcome" and "no email known" in each["reason"]
    ]
    assert audit["accepted"] == 18 + 2 * len(strangers)
    twice = told_twice(ledger(state))
    assert sum(count - 1 for count in twice.values()) <= audit["flagged"], twice
    failed = [each for each in told["checks"] if not each["ok"]]
    assert not failed or doubtful, failed
    assert done.returncode == (1 if failed else 0)
