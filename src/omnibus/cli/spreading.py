"""`omnibus work --processes N`: that many workers of one store, each a process of its own, started and ended together."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from omnibus.errors import ConfigError, StoreFull


def refuse_on_sqlite(store: str) -> None:
    """Refuse several workers where one file has room for one.

    Raises:
        ConfigError: the store is a SQLite file.
    """
    if store.startswith("sqlite:"):
        fix = 'leave --processes out, or set `store = "postgresql://…"`'
        raise ConfigError("a SQLite store has room for one worker", where="[omnibus] store", fix=fix)


async def spread(config: Path, processes: int, *more: str) -> None:
    """Run the workers until all have ended; a signal ends all of them, and so does the death of one.

    Raises:
        StoreFull: one ended unasked; its number and exit code are named, and nothing is restarted.
    """
    command = (sys.executable, "-m", "omnibus", "-c", str(config), "work", *more)
    workers = [await asyncio.create_subprocess_exec(*command, start_new_session=True) for _ in range(processes)]
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        again = signal.SIGKILL if asked.is_set() else signal.SIGTERM  # a second one ends at once
        asked.set()
        _tell(workers, again)

    for each in signals:
        loop.add_signal_handler(each, end)
    try:
        waiting = {asyncio.create_task(each.wait()): number for number, each in enumerate(workers, 1)}
        dead = ""
        for task in asyncio.as_completed(waiting):
            await task
            failed = [(number, each.returncode) for number, each in enumerate(workers, 1) if each.returncode]
            if failed and not asked.is_set():
                dead = dead or f"worker {failed[0][0]} of {processes} ended with {failed[0][1]}"
                end()
    finally:
        for each in signals:
            loop.remove_signal_handler(each)
        _tell(workers, signal.SIGKILL)
    if dead:
        raise StoreFull(f"{dead}; the others were ended, start it again when its cause is mended")


def _tell(workers: list[Any], what: signal.Signals) -> None:
    for each in workers:
        if each.returncode is None:
            each.send_signal(what)
