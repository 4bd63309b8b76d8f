"""The machine: Python, SQLite's library, time-zone data, disk."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omnibus.cli.doctor.finding import Finding

#: minor version of Python → first micro version whose email headers cannot be injected into (CVE-2024-6923)
MENDED = {11: 10, 12: 5}
SQLITE = (3, 51, 3)  # the first library with the mended WAL reset: docs/decisions/0002-sqlite.md
LEAST_DISK = 1 << 30  # bytes


def examine_machine(config: Path) -> Iterator[Finding]:
    """Look at what the configuration cannot change."""
    yield python(sys.version_info[:3])
    yield _sqlite()
    yield _zones()
    yield _disk(config)


def python(version: tuple[int, int, int]) -> Finding:
    """Judge a version of Python."""
    name, (major, minor, micro) = ".".join(map(str, version)), version
    if (major, minor) < (3, 11):
        return Finding("python", "broken", name, "use Python 3.11 or newer")
    if micro < MENDED.get(minor, 0):
        what = f"{name}: its email package lets line breaks into headers (CVE-2024-6923)"
        return Finding("python", "warning", what, f"use {major}.{minor}.{MENDED[minor]} or newer")
    return Finding("python", "ok", f"{name} on {platform.system()}")


def _sqlite() -> Finding:
    import apsw

    name = apsw.sqlite_lib_version()
    if tuple(int(each) for each in name.split(".")) < SQLITE:
        fix = f"use an apsw that brings {'.'.join(map(str, SQLITE))} or newer"
        return Finding("sqlite", "warning", f"{name}: a WAL reset can lose commits", fix)
    return Finding("sqlite", "ok", f"{name} (apsw {apsw.apsw_version()})")


def _zones() -> Finding:
    try:
        for name in ("Europe/London", "America/New_York", "Asia/Tokyo"):
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        return Finding("time zones", "broken", "there is no time-zone data", "`pip install tzdata`")
    return Finding("time zones", "ok", "time-zone data are there")


def _disk(config: Path) -> Finding:
    folder = config if config.is_dir() else config.absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / (1 << 30):.1f} GiB free"
    if free < LEAST_DISK:
        return Finding("disk", "warning", text, "make room: a full disk is refused before anything is accepted")
    return Finding("disk", "ok", text)
