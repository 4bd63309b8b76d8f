"""PORT, of what lies ready: codes, hand-overs to the till, notes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from omnibus.model.offer import Redemption
from omnibus.store.attempt import CodeRow
from omnibus.store.change import Change


class ShelfRows(ABC):
    """Keep codes and who redeemed them, hand-overs, and notes by scope and name."""

    @abstractmethod
    async def code(self, hash_: str) -> CodeRow | None:
        """Read whose a code is."""

    @abstractmethod
    async def issue(self, codes: Sequence[CodeRow]) -> None:
        """Write codes down; known ones stay."""

    @abstractmethod
    async def redeem(
        self,
        code: CodeRow,
        *,
        basket: str,
        customer: str,
        single: bool,
        limit: int | None,
        now: datetime,
        change: Change | None,
    ) -> Redemption | None:
        """Redeem atomically: one basket wins; the same basket gets its answer again. None when *change* is stale."""

    @abstractmethod
    async def put_handover(self, short: str, customer: str, expires: datetime) -> None:
        """Write a hand-over's short-code hash down."""

    @abstractmethod
    async def claim_handover(self, short: str, now: datetime) -> str | None:
        """Give the customer of a live short-code hash; None when unknown or expired."""

    @abstractmethod
    async def note(self, scope: str, name: str, value: str | None = None) -> str | None:
        """Read a note, or write one when *value* is given."""
