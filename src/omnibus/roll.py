"""PORT: where campaigns rest: who is on the roll, and how far it was called. One commit per writing call.

A store brings it beside ``Store``. Expansion is the one call that matters: deliveries of a chunk and the cursor behind
them are one commit, and (campaign, customer, step) is unique, so a crash repeats nobody and loses nobody.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from omnibus.model.campaign import Campaign, Chunk, Progress, Standing
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event


class Roll(ABC):
    """Keep campaigns, and who is on their lists.

    Raises (every writing call):
        StoreFull: disk full, locked or down; nothing was stored.
    """

    @abstractmethod
    async def enrol(self, campaign: Campaign) -> Campaign:
        """Write a new campaign down; a known name gives what is stored. One that is still loading is begun anew, its list empty."""

    @abstractmethod
    async def enlist(self, campaign: Campaign, customers: Sequence[str]) -> list[bool | None]:
        """Put customers on the list: True for a new one, False for one who is on it, None for nobody.

        Empty when the campaign is not loading any more, or another launch took it over.
        """

    @abstractmethod
    async def strike(self, campaign: Campaign) -> None:
        """Take a campaign off the roll that is still loading, its list with it; any other stays."""

    @abstractmethod
    async def begin(self, campaign: Campaign) -> Campaign | None:
        """Let a loaded campaign run, with its *digest* and *rejected*, its recipients counted; None as for ``enlist``."""

    @abstractmethod
    async def campaigns(self, name: str = "", *, soon: datetime | None = None) -> list[Campaign]:
        """List campaigns, newest first. With *soon* those that have somebody left to expand, to wake or to drop, and their deliveries due until then."""

    @abstractmethod
    async def expand(self, chunk: Chunk) -> Campaign | None:
        """Insert the deliveries of the next customers and move the cursor, in one commit; None when somebody was faster."""

    @abstractmethod
    async def steer(self, name: str, standing: Standing, now: datetime, reason: str = "") -> Campaign | None:
        """Pause, resume or stop; gives what stands afterwards, None for no such campaign.

        Whatever is claimed from then on is judged by it; ``follow`` makes what waits follow.
        """

    @abstractmethod
    async def follow(self, name: str, now: datetime, limit: int) -> int:
        """Let a page of deliveries follow how their campaign stands, in one short commit; 0 once nothing is left to do.

        The first page takes what was claimed but not handed over out of the workers' hands, for they may have looked before.
        Paused: what is due is held, its deadline kept. Running: what the pause held is due now. Stopped: ``undone``
        lists what is to be dropped; that nothing of it waits any more is noted, and nobody looks for it again.
        """

    @abstractmethod
    async def undone(self, name: str, limit: int, *, last: bool = False) -> list[Delivery]:
        """List deliveries of a campaign that wait and are in nobody's hands, those first that are due first, or *last*."""

    @abstractmethod
    async def drop(self, facts: Sequence[tuple[Delivery, Event]]) -> int:
        """Drop deliveries of a stopped campaign, each with the fact that says so, in one short commit; returns how many.

        No facet hears such a fact, so no context is read or moved. What somebody took in hand meanwhile is left.
        """

    @abstractmethod
    async def forget_lists(self, before: datetime, *, limit: int) -> int:
        """Remove a page of whom the campaigns reached, or would have, that are expanded whole or stopped since before *before*.

        Nobody is expanded from such a list again: it is only room. The campaign and its counts stay. Returns how many.
        """

    @abstractmethod
    async def progress(self, name: str) -> Progress | None:
        """Add a campaign up, at one moment."""
