"""A campaign to a million by an operator's commands: paused, resumed, all workers killed, started again, compared.

``python -m tests.reliability.million --store postgresql`` prints what it does as it goes, and the figures as JSON.
Exits with 1 when anybody was lost, or told by two attempts, or the books differ from the provider's ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from omnibus.testing.postgres import PostgresServer
from tests.reliability.gauge import Gauge
from tests.reliability.yard import Yard, opened

PAUSED, KILLED = 0.3, 0.65
HURRIED = 0.5, 0.85  # shares at which the provider waits for the pause, and for the kill: few people are soon told


def say(what: str, **told: object) -> None:
    """Tell a step as it happens."""
    more = "  ".join(f"{name} {value}" for name, value in told.items())
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {what}  {more}\n")


@contextmanager
def store_of(told: str, folder: Path) -> Iterator[tuple[str, int | None]]:
    """Give the store's name and, of a server of our own, its process."""
    if told == "sqlite":
        yield "sqlite:shop.db", None
    elif told != "postgresql":
        yield told, None
    else:
        server = PostgresServer()
        try:
            yield server.url, int((server.home / "data" / "postmaster.pid").read_text().split()[0])
        finally:
            server.close()


class Workers:
    """Run `omnibus work` as a command, and end it in either way."""

    def __init__(self, yard: Yard, gauge: Gauge, processes: int) -> None:
        self.yard, self.gauge = yard, gauge
        self.more = ("--processes", str(processes)) if yard.shared else ()
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it says goes to a file."""
        with (self.yard.folder / "work.log").open("ab") as log:
            self.running = subprocess.Popen(self.yard.command("work", *self.more), stdout=log, stderr=log)
        self.gauge.follow(self.running.pid)

    def kill(self) -> int:
        """Kill all of them at once, as a machine that loses its power; gives how many."""
        assert self.running is not None
        all_ = [*psutil.Process(self.running.pid).children(), psutil.Process(self.running.pid)]
        for each in all_:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.running.wait()
        return len(all_)

    def stop(self) -> int:
        """Ask it to end; gives its exit code."""
        assert self.running is not None
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(120)

    def close(self) -> None:
        """Leave nobody behind."""
        if self.running is not None and self.running.poll() is None:
            self.kill()


def paused(yard: Yard, gauge: Gauge) -> dict[str, Any]:
    """Pause, see that nothing moves any more, balance, and resume."""
    begun = time.time()
    yard.run("campaign", "pause", "spring")
    answered = time.time()
    yard.room(int(HURRIED[1] * yard.people))
    status: dict[str, Any] = {"states": {"sending": 1}}
    while status["states"].get("sending"):
        status = yard.run("campaign", "status", "spring")
    audit = yard.audit()
    after = sum(at > answered for at, _, _ in yard.handed())
    say(
        "paused and balanced", answered_in=f"{answered - begun:.1f} s", handed_over_after=after, states=status["states"]
    )
    yard.run("campaign", "resume", "spring")
    return {
        "pause_answered_s": round(answered - begun, 1),
        "handed_over_after": after,
        "audit_at_pause": counted(audit),
    }


def counted(audit: dict[str, int]) -> dict[str, int]:
    """Leave out what is nought."""
    return {name: count for name, count in audit.items() if count}


def killed(yard: Yard, workers: Workers) -> dict[str, Any]:
    """Kill all workers, balance, start again, and see how long nothing is handed over."""
    count = workers.kill()
    begun = time.time()
    before = sum(1 for _ in yard.handed())
    audit = yard.audit()
    say("killed and balanced", processes=count, handed_over=before, sent=audit["sent"], waiting=audit["waiting"])
    yard.room()
    again = time.time()
    workers.start()
    workers.gauge.wait(lambda: workers.gauge.looks[-1].handed > before)
    first = next(at for at, _, _ in yard.handed() if at > again)
    say("goes on", first_after=f"{first - again:.1f} s")
    return {"killed_at": before, "audit_after_kill": counted(audit), "first_after_restart_s": round(first - again, 1),
            "down_s": round(again - begun, 1)}  # fmt: skip


def played(yard: Yard, gauge: Gauge, workers: Workers) -> dict[str, Any]:
    """Play the whole campaign; gives its figures."""
    many = yard.people
    yard.run("campaign", "start", "news", "--to", "all", "--name", "spring")
    yard.room(int(HURRIED[0] * many))
    begun = time.time()
    workers.start()
    say("started")
    gauge.wait(lambda: gauge.handed >= PAUSED * many)
    figures = paused(yard, gauge)
    gauge.wait(lambda: gauge.handed >= KILLED * many)
    figures |= killed(yard, workers)
    gauge.wait(lambda: gauge.handed >= many)
    done = yard.run("campaign", "status", "spring", "--watch")
    seconds = time.time() - begun
    say("done", seconds=round(seconds), states=done["states"])
    audit = yard.audit()
    code = workers.stop()
    compared = yard.compared()
    first, last = gauge.between(many // 20, many * 3 // 20), gauge.between(many * 17 // 20, many * 19 // 20)
    return figures | {
        "people": many, "store": "postgresql" if yard.shared else "sqlite", "seconds": round(seconds), "exit_of_work": code,
        "audit_at_end": counted(audit), "around_10_percent": first, "around_90_percent": last,
        "cpu_90_to_10": round(last["worker_us"] / first["worker_us"], 3) if first and last else None,
        "peak_mib_at_10": gauge.peaks(many // 10), "peak_mib_at_60": gauge.peaks(many * 6 // 10),
        "peak_mib_at_99": gauge.peaks(many * 99 // 100), "compared": compared, "states": done["states"],
    }  # fmt: skip


def wrong(figures: dict[str, Any]) -> list[str]:
    """Say what must not be."""
    compared, people = figures["compared"], figures["people"]
    found = [name for name in list(compared)[2:] if compared[name]]
    if compared["told"] != people or figures["states"] != {"sent": people}:
        found.append("not everybody was told")
    if figures["audit_at_end"]["accepted"] != people or figures["handed_over_after"]:
        found.append("the accounts differ, or something was handed over in a pause")
    return found + ([] if figures["exit_of_work"] == 0 else ["the workers did not end cleanly"])


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--store", default="postgresql", help="postgresql (one is started), sqlite, or a server's URL")
    asked.add_argument("--people", type=int, default=1_000_000)
    asked.add_argument("--processes", type=int, default=2, help="workers, on PostgreSQL")
    asked.add_argument("--json", type=Path, help="write the figures there, too")
    told = asked.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="omnibus-million-"))
    try:
        with ExitStack() as stack:
            store, server = stack.enter_context(store_of(told.store, folder))
            say("people come in", people=told.people, store=told.store)
            yard = stack.enter_context(opened(folder / "shop", store, told.people))
            gauge = Gauge(yard.ledger, server)
            stack.callback(gauge.close)
            workers = Workers(yard, gauge, told.processes)
            stack.callback(workers.close)
            figures = played(yard, gauge, workers)
    finally:
        shutil.rmtree(folder)
    text = json.dumps({**figures, "wrong": wrong(figures), "cores": os.cpu_count()}, indent=1)
    sys.stdout.write(text + "\n")
    if told.json:
        told.json.write_text(text)
    return 1 if wrong(figures) else 0


if __name__ == "__main__":
    sys.exit(main())
