"""PORT, of journeys: what they have yet to hear, who stands where, and which version each run is on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from omnibus.model.event import Event
from omnibus.model.run import Run
from omnibus.store.cues import EntryKey
from omnibus.store.step import Step


class RunRows(ABC):
    """Keep journeys' runs, their definitions, and the events that they wait to hear."""

    @abstractmethod
    async def stirred(self, limit: int) -> list[Event]:
        """List events that journeys have not heard yet, in the order they were stored."""

    @abstractmethod
    async def runs(
        self, *, customer: str = "", journey: str = "", due: datetime | None = None, live: bool = True, last: int = 1000
    ) -> list[Run]:
        """List runs; with *due* those whose time has come."""

    @abstractmethod
    async def entered(self, entries: Sequence[EntryKey]) -> set[EntryKey]:
        """Tell which of them have a run, live or left."""

    @abstractmethod
    async def step(self, steps: Sequence[Step]) -> list[bool]:
        """Move runs in one commit, each step all or nothing; False where a run or context was stale, or a run existed."""

    @abstractmethod
    async def hear_again(self) -> None:
        """Let journeys hear what they put aside, all of it."""

    @abstractmethod
    async def define(self, name: str, version: str, body: str) -> None:
        """Keep a journey's definition, so that its runs can stay on it."""

    @abstractmethod
    async def definition(self, name: str, version: str) -> str | None:
        """Read a journey's definition."""
