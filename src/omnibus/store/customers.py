"""PORT, of customers: who is who, what is known of each, and who became one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from omnibus.model.customer import Customer, Identity
from omnibus.store.change import Change
from omnibus.store.loaded import Loaded


class CustomerRows(ABC):
    """Keep customers: load, find, create, merge."""

    @abstractmethod
    async def load(self, customers: Sequence[str], *, since: datetime | None = None) -> dict[str, Loaded]:
        """Load customers by id (merged ids lead to who they are now); unknown ids are missing. *since* bounds `spent`."""

    @abstractmethod
    async def find(self, refs: Sequence[str]) -> dict[str, str]:
        """Find customers by identity refs: ref → canonical customer id."""

    async def now_called(self, customers: Sequence[str]) -> dict[str, str]:
        """Follow merges: id asked for → who that is now; unknown ids are missing. An engine may answer without loading them."""
        return {asked: loaded.customer.id for asked, loaded in (await self.load(customers)).items()}

    @abstractmethod
    async def create(self, customers: Sequence[tuple[str, Sequence[Identity]]], now: datetime) -> list[str]:
        """Create customers unless one of their identities is known; returns who each one is."""

    @abstractmethod
    async def merge(self, loser: str, winner: str, changes: Sequence[Change]) -> bool:
        """Make *loser* an alias of *winner* and move waiting rows and identities; False when stale."""

    @abstractmethod
    async def unmerge(self, loser: str, changes: Sequence[Change]) -> bool:
        """Remove the alias and give identities and waiting rows back; False when stale."""

    @abstractmethod
    def customers(self, *, after: str = "") -> AsyncIterator[list[Customer]]:
        """Stream canonical customers in id order, in pages."""

    async def ids(self, *, after: str = "") -> AsyncIterator[list[str]]:
        """Stream the ids of canonical customers in order, in pages. An engine may read nothing else of them."""
        async for page in self.customers(after=after):
            yield [each.id for each in page]
