"""PORT, of timelines: facts and the contexts folded from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from omnibus.model.event import Event
from omnibus.store.change import Change


class EventRows(ABC):
    """Keep events, each together with the context after it."""

    @abstractmethod
    async def known(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Tell which (source, id) are stored."""

    @abstractmethod
    async def events(self, subjects: Sequence[str], *, last: int | None = None) -> list[Event]:
        """List events of subjects in timeline order; only the last ones if *last* is given."""

    @abstractmethod
    async def put(self, changes: Sequence[Change]) -> list[bool]:
        """Store events and contexts in one commit; False where the change was stale (nothing of it is stored)."""

    @abstractmethod
    async def unfolded(self, last: int) -> dict[str, bytes]:
        """List customers of whom a facet could not be folded, at most so many, each with what ``write_faults`` wrote."""

    @abstractmethod
    async def rewrite(self, customer: str, bodies: dict[str, bytes], through: tuple[datetime, str, str] | None) -> None:
        """Replace a stored context after a rebuild, keeping its version moving."""
