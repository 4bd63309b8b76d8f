"""PORT: what a store does for itself and its workers, besides keeping: prune what is finished, share what is scarce."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from omnibus.model.rate import Rate


@dataclass(frozen=True, slots=True)
class Pruned:
    """Count what one page of pruning removed.

    Args:
        deliveries: with their attempts, decisions and send keys.
        keys: send keys whose window is over; their deliveries stay.
        recipients: places on the lists of campaigns that are over; their counts stay.
        after: where to go on; None when nothing else is old enough.
    """

    deliveries: int = 0
    keys: int = 0
    after: str | None = None
    recipients: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Hold tokens of a shared rate: *tokens* granted, and *wait* in seconds until the next one can be had."""

    tokens: int
    wait: float


class Upkeep(ABC):
    """Prune in pages, each one short commit; share rates among all workers.

    Raises (every call):
        StoreFull: disk full, locked or down; nothing of the page was done.
    """

    def listen(self, ring: Callable[[Collection[str]], None]) -> None:  # noqa: B027 - a hint is no duty
        """Call *ring* when another process committed something: with customers whose contexts moved, or none for work.

        A hint only: it may come late, twice or never, so whoever waits looks by itself, too. An engine may have none.
        """

    def tell(self, customers: Collection[str]) -> None:  # noqa: B027 - as above
        """Let other processes know that something was committed here; nobody waits for it."""

    @abstractmethod
    async def prune(self, before: datetime, *, after: str = "", limit: int = 100) -> Pruned:
        """Remove finished deliveries of the next page, oldest first; what they count in the accounts stays.

        Finished is: final, nothing left to do (no withdrawal due, no premise watched), accepted before *before*, its
        deadline before it, and nothing tried or decided since. Its attempts, decisions and send key go with it.
        """

    @abstractmethod
    async def forget_keys(self, before: datetime, *, after: str = "", limit: int = 100) -> Pruned:
        """Remove the send keys of the next page of deliveries accepted before *before*, and hand-overs expired then."""

    @abstractmethod
    async def tokens(self, name: str, rate: Rate, want: int, *, now: datetime | None = None) -> Block:
        """Take up to *want* tokens of the rate called *name*, which all workers share (GCRA: one row, one moment).

        A pause of the provider of that name moves it: no token comes before the pause ends.

        Args:
            now: machine time, for tests; otherwise the store's own clock, on PostgreSQL the database's.
        """
