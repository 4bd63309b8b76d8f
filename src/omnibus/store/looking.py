"""PORT, of looking: what became of deliveries, for people and for reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from omnibus.model.delivery import Delivery
from omnibus.store.attempt import OpenAttempt


class DeliveryRows(ABC):
    """Read deliveries, their attempts and decisions, and the accounts over all of them."""

    @abstractmethod
    async def delivery(self, id_: str) -> Delivery | None:
        """Read one delivery."""

    @abstractmethod
    async def deliveries(
        self, *, customer: str = "", state: Sequence[str] = (), channel: str = "", origin: str = "", last: int = 1000
    ) -> list[Delivery]:
        """List deliveries, newest first."""

    @abstractmethod
    async def attempts(self, delivery: str) -> list[OpenAttempt]:
        """List a delivery's attempts, first to last."""

    @abstractmethod
    async def attempt_of(self, *, id_: str = "", provider: str = "", provider_id: str = "") -> OpenAttempt | None:
        """Find an attempt by its id, or by a provider's id for it."""

    @abstractmethod
    async def decisions(self, delivery: str) -> list[tuple[datetime, str]]:
        """List the stored decisions of a delivery, first to last."""

    @abstractmethod
    async def audit(self, now: datetime) -> dict[str, int]:
        """Count: accepted, each state, and what may never be: unbalanced, stuck, silent."""
