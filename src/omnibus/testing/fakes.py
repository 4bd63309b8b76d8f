"""A channel, a provider and its notes in memory, for tests of whatever stands above them."""

from __future__ import annotations


class FakeKeep:
    """Keep a provider's notes in a dict; *notes* is theirs to look at."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        """Read a note."""
        return self.notes.get(name)

    async def set(self, name: str, value: str) -> None:
        """Write a note."""
        self.notes[name] = value
