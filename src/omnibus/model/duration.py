"""Lengths of time as people write them: ``3d``, ``90m``, ``1h30m``."""

from __future__ import annotations

import re
from datetime import timedelta

#: unit → seconds, the longest first
UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}

_WHOLE = re.compile(r"(?:[0-9]+[wdhms])+")
_PIECE = re.compile(r"([0-9]+)([wdhms])")
_LONGEST = 3_650 * UNITS["d"]  # ten years: anything longer is a slip of the finger


def read_duration(told: object) -> timedelta:
    """Read ``3d``, ``90m``, ``1h30m``; units are w, d, h, m, s, each at most once.

    Raises:
        ValueError: it is written otherwise, or is longer than ten years; the text names the fix, not the value.
    """
    if isinstance(told, timedelta):
        return told
    text = told.replace(" ", "") if isinstance(told, str) else ""
    pieces = _PIECE.findall(text)
    units = [unit for _, unit in pieces]
    if not _WHOLE.fullmatch(text) or len(set(units)) != len(units):
        raise ValueError("must be a duration such as 3d, 90m or 1h30m")
    seconds = sum(int(number[:12]) * UNITS[unit] for number, unit in pieces)
    if seconds > _LONGEST:
        raise ValueError("must be a duration of at most ten years")
    return timedelta(seconds=seconds)


def write_duration(length: timedelta) -> str:
    """Write a length the way ``read_duration`` reads it; parts of a second are dropped, nothing is ``0s``."""
    left, out = int(length.total_seconds()), ""
    for unit, size in UNITS.items():
        count, left = divmod(left, size)
        out += f"{count}{unit}" if count else ""
    return out or "0s"
