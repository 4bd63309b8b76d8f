"""Business time that stands still until it is moved, and survives the process."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path


class WallClock:
    """Tell the time of this machine, with the face of a virtual clock: it cannot be moved."""

    def now(self) -> datetime:
        """Tell the time, aware UTC."""
        return datetime.now(UTC)

    def advance_to(self, when: datetime) -> None:
        """Do nothing: this time comes by itself."""


class VirtualClock:
    """Tell business time.

    Args:
        start: where it begins (aware), unless *file* remembers a later time.
        file: where it is kept, so that a killed run goes on where it was.
    """

    def __init__(self, start: datetime, file: Path | None = None) -> None:
        self._file, self._now = file, start
        if file is not None and file.exists():
            self._now = max(start, datetime.fromisoformat(file.read_text().strip()))

    def now(self) -> datetime:
        """Tell the time."""
        return self._now

    def advance_to(self, when: datetime) -> None:
        """Move on; a time that has passed changes nothing, for business time never runs backwards."""
        if when <= self._now:
            return
        self._now = when
        if self._file is not None:
            aside = self._file.with_suffix(".new")
            aside.write_text(when.isoformat())
            aside.replace(self._file)
