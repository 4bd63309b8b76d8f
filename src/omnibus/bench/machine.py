"""The machine it is measured on: its cores, its disk, its load, and the versions of what runs there."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import apsw

PACKAGES = (
    "omnibus-bus", "omnibus-email", "aiohttp", "aiosmtplib", "apprise", "apsw", "celery", "httpcore", "httpx",
    "jinja2", "kombu", "nats-py", "pluggy", "psycopg", "redis", "requests", "sniffio", "taskiq",
    "taskiq-nats", "uvloop",
)  # fmt: skip


def cores() -> list[int]:
    """List the cores that this process may run on; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


_all = cores()


def pin() -> bool:
    """Keep to the first core, all threads included that are started from now on."""
    if not _all:
        return False
    os.sched_setaffinity(0, _all[:1])
    return True


@contextmanager
def elsewhere() -> Iterator[None]:
    """Start processes on the other cores: sinks, brokers, databases."""
    with _on(_all[1:]):
        yield


@contextmanager
def anywhere() -> Iterator[None]:
    """Start processes on all cores."""
    with _on(_all):
        yield


@contextmanager
def _on(wanted: list[int]) -> Iterator[None]:
    if not wanted:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def lonely() -> bool:
    """Tell whether there is only one core, so that a peer and its broker would fight for it."""
    return len(_all) == 1 or os.cpu_count() == 1


def syncs(seconds: float = 0.5) -> float:
    """Count how often 4 KiB reach the disk in a second."""
    sync = getattr(os, "fdatasync", os.fsync)
    with tempfile.TemporaryFile(prefix="omnibus-bench-") as file:
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            sync(file.fileno())
            count += 1
        return count / (time.perf_counter() - begun)


def find(program: str) -> str:
    """Find a program on the path or beside this Python; empty when there is none."""
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent)) or ""


def described(*, pinned: bool) -> dict[str, Any]:
    """Describe it, without names and paths."""
    return {
        "python": platform.python_version(), "implementation": platform.python_implementation(),
        "system": platform.system(), "release": platform.release(), "architecture": platform.machine(),
        "processor": _processor(), "cores": os.cpu_count(), "usable_cores": len(_all) or None, "pinned": pinned,
        "fdatasync_per_s": round(syncs()), "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "event_loop": "asyncio",
    }  # fmt: skip


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", told.read_text()) if told.exists() else None
    return found[1].strip() if found else platform.processor()


def versions() -> dict[str, str]:
    """Give the versions of all that takes part; what is not installed is left out."""
    found = {"sqlite": apsw.sqlite_lib_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for program in ("redis-server", "nats-server"):
        if where := find(program):
            told = _output([where, "--version"])
            number = re.search(r"\d+\.\d+[.\d]*", told)
            found[program] = number[0] if number else told
    return found


def revision() -> str:
    """Give the git revision of this code, with ``+`` when it is changed; empty outside a checkout."""
    folder = str(Path(__file__).parent)
    found = _output(["git", "-C", folder, "rev-parse", "--short=12", "HEAD"])
    return found + "+" * bool(found and _output(["git", "-C", folder, "status", "--porcelain", "."]))


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)  # noqa: S603 - our words
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def cpu_of(pid: int) -> float:
    """Give the CPU seconds that a process has used, its threads included; nought where the system does not tell."""
    told = Path(f"/proc/{pid}/stat")
    if not told.exists():
        return 0.0
    fields = told.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def resident() -> float | None:
    """Give the MiB of memory that this process has now; None where the system does not tell."""
    told = Path("/proc/self/statm")
    return (
        round(int(told.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20), 1) if told.exists() else None
    )
