"""Time zones by their IANA names."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omnibus.errors import InputError


def read_zone(name: str) -> ZoneInfo:
    """Read an IANA zone name.

    Raises:
        InputError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"unknown time zone `{name}`", where="zone", fix="write it as Europe/Berlin") from None
