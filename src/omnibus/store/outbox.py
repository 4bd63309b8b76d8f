"""PORT, of the road out: accept, claim, attempt, settle, and what holds workers to one another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from omnibus.errors import ConfigError
from omnibus.model.delivery import Delivery
from omnibus.model.mailing import Mailing
from omnibus.store.attempt import Grant, Try
from omnibus.store.settlement import Settlement
from omnibus.store.wish import Take, Wish


class OutboxRows(ABC):
    """Keep deliveries on their way, and the attempts to hand them over."""

    gives: bool = False  # whether `accept` ever heeds `take`; else nothing is prepared for it
    shares: bool = False  # whether a patient call shares the next commit; else nothing is claimed ahead

    @abstractmethod
    async def accept(self, wishes: Sequence[Wish], *, take: Take | None = None) -> list[tuple[Delivery, ...] | None]:
        """Accept deliveries; a known key gives its first deliveries again, None for a key used with another digest.

        Args:
            take: what is transactional, due and first in its lane may come back with this lease, and is in the caller's
                hands then; a store may leave all of it, or some, to the next claim. Its `attempts` counts one whose
                attempt is committed, too: the request may leave.
        """

    async def accept_many(self, mailing: Mailing) -> None:
        """Accept the same for many customers, or for none of them; an engine may write it in a few statements.

        Raises:
            NotFound: for a customer who does not exist.
        """
        await self.accept([Wish("", "", each) for each in mailing.deliveries()])

    async def accept_in(self, connection: Any, wishes: Sequence[Wish]) -> list[tuple[Delivery, ...] | None]:
        """Accept deliveries in the app's own transaction: they exist when it commits.

        Raises:
            ConfigError: the app cannot share a transaction with this store.
        """
        fix = "leave `connection` out, or move to PostgreSQL"
        raise ConfigError("this store cannot join a transaction of the app", where="[omnibus] store", fix=fix)

    @abstractmethod
    async def claim(
        self, now: datetime, *, limit: int, lease: str, term: float, urgent: bool = False, patient: bool = False,
        since: datetime | None = None,
    ) -> list[Delivery]:  # fmt: skip
        """Take due deliveries, at most one per customer, transactional ones first, within a customer's lane too.

        Args:
            term: of the lease, in seconds of machine time.
            urgent: only what is transactional.
            patient: nobody waits for it; it may share the next commit.
            since: their customers are about to be loaded, with what was spent since then: a store that is asked over a
                wire may read them in the same trip.
        """

    @abstractmethod
    async def attempt(self, tries: Sequence[Try]) -> list[Grant]:
        """Commit attempt rows; nothing of a Try that is not granted is stored."""

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Write outcomes; False where its change was stale (nothing of it is stored). A lost lease stores the attempt's outcome only."""

    @abstractmethod
    async def renew(self, lease: str, term: float) -> int:
        """Prolong the rows of a lease; returns how many."""

    @abstractmethod
    async def rescue(self, now: datetime, *, everything: bool = False) -> int:
        """Free rows whose lease ran out (or all): with an open attempt → unknown, else → queued."""

    @abstractmethod
    async def next_due(self) -> datetime | None:
        """Tell when the next delivery or run is due."""

    @abstractmethod
    async def pause(self, provider: str, until: datetime, reason: str) -> None:
        """Let a provider rest for every worker; only ever prolonged."""

    @abstractmethod
    async def pauses(self, now: datetime) -> dict[str, tuple[datetime, str]]:
        """List the providers that rest now."""
