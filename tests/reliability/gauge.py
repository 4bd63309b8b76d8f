"""What a run costs, looked at once a second from outside: hand-overs, workers' CPU and peak memory, the server's CPU."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1 << 20


@dataclass(frozen=True)
class Look:
    """Hold one look: seconds, lines of the ledger, CPU seconds and MiB by worker, CPU seconds of the server."""

    at: float
    handed: int
    cpu: dict[int, float]
    peak: dict[int, float]
    server: float


class Gauge:
    """Look at a run until it is closed.

    Args:
        server: the database server's process, if there is one of ours.
    """

    def __init__(self, ledger: Path, server: int | None) -> None:
        self.looks: list[Look] = []
        self._ledger, self._server = ledger, psutil.Process(server) if server else None
        self._parents: list[psutil.Process] = []
        self._read = self._handed = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look_on)
        self._thread.start()

    def follow(self, parent: int) -> None:
        """Look at the workers of a command from now on."""
        self._parents.append(psutil.Process(parent))

    @property
    def handed(self) -> int:
        """Count the hand-overs so far."""
        return self.looks[-1].handed if self.looks else 0

    def wait(self, done: Callable[[], bool], still: float = 300) -> None:
        """Wait for something that other processes do, and give up when nothing was handed over for so many seconds."""
        last, since = -1, time.monotonic()
        while not done():
            if self.handed != last:
                last, since = self.handed, time.monotonic()
            assert time.monotonic() < since + still, "nothing goes on"
            time.sleep(0.1)

    def between(self, first: int, last: int) -> dict[str, float]:
        """Give µs of CPU a message, from one count of hand-overs to another; nothing when that went too fast to see."""
        inside = [each for each in self.looks if first <= each.handed <= last]
        many = inside[-1].handed - inside[0].handed if inside else 0
        if not many:
            return {}
        begin, end = inside[0], inside[-1]
        same = begin.cpu.keys() & end.cpu.keys()
        workers = sum(end.cpu[each] - begin.cpu[each] for each in same)
        return {
            "worker_us": round(1e6 * workers / many),
            "server_us": round(1e6 * (end.server - begin.server) / many),
            "a_second": round(many / (end.at - begin.at)),
        }

    def peaks(self, at: int) -> list[float]:
        """Give each worker's peak memory when so many were handed over, in MiB."""
        found = next((each for each in self.looks if each.handed >= at), self.looks[-1])
        return sorted(round(each, 1) for each in found.peak.values())

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._end.wait(1.0):
            self._look()

    def _look(self) -> None:
        with self._ledger.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        self._handed += new.count(b"\n")
        cpu, peak = dict[int, float](), dict[int, float]()
        for parent in self._parents:
            with suppress(psutil.Error):
                for each in parent.children():
                    cpu[each.pid], peak[each.pid] = _cpu(each), _peak(each)
        with suppress(psutil.Error):
            server = self._of_server()
            self.looks.append(Look(time.time(), self._handed, cpu, peak, server))

    def _of_server(self) -> float:
        if self._server is None:
            return 0.0
        total = 0.0
        for each in (self._server, *self._server.children()):
            with suppress(psutil.NoSuchProcess):
                total += _cpu(each)
        ended = self._server.cpu_times()
        return total + ended.children_user + ended.children_system


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _peak(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        with suppress(OSError, StopIteration):
            return next(int(each.split()[1]) for each in status.read_text().splitlines() if "VmHWM" in each) / 1024
    return float(process.memory_info().rss) / MIB
