"""What must survive a crash, written under the delivery: a later attempt of it goes on where the earlier one stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from omnibus import Keep

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


def when(stamp: Any) -> datetime:
    """Read a time as the Graph API writes it, ``2026-11-21T18:00:00+0000``; what is none was long ago."""
    try:
        told = datetime.fromisoformat(str(stamp))
    except ValueError:
        return NEVER
    return told if told.tzinfo else NEVER


def rows(told: Any) -> list[dict[str, Any]]:
    """Read the ``data`` of an edge; empty when it is none."""
    found = told.get("data") if isinstance(told, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
