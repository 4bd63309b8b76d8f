"""What must survive a crash, written under the delivery: a later attempt of it goes on where the earlier one stopped."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from omnibus import Keep, TryLater

_ID = re.compile(r"[A-Za-z0-9_.:=-]{1,400}")
NEVER = datetime(1970, 1, 2, tzinfo=UTC)


class Notes:
    """Read and write the notes of one delivery."""

    def __init__(self, keep: Keep, delivery: str) -> None:
        self._keep, self._delivery = keep, delivery

    async def get(self, name: str) -> str | None:
        """Read a note."""
        return await self._keep.get(f"{name}:{self._delivery}")

    async def set(self, name: str, value: str) -> str:
        """Write a note, durable when this returns; returns its value."""
        await self._keep.set(f"{name}:{self._delivery}", value)
        return value


def ident(value: Any) -> str:
    """Read an id that may stand in a path; empty when it is none."""
    told = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return told if _ID.fullmatch(told) else ""


def when(stamp: Any) -> datetime:
    """Read a time as the Graph API writes it, ``2026-11-21T18:00:00+0000``; what is none was long ago."""
    try:
        told = datetime.fromisoformat(str(stamp))
    except ValueError:
        return NEVER
    return told if told.tzinfo else NEVER


def rows(told: Any) -> list[dict[str, Any]]:
    """Read the ``data`` of an edge.

    Raises:
        TryLater: this is no edge, so nothing follows from what is not in it.
    """
    found = told.get("data") if isinstance(told, dict) else None
    if not isinstance(found, list):
        raise TryLater("unreadable_answer")
    return [each for each in found if isinstance(each, dict)]
