"""CLAIM: what is due into our hands; under pressure a batch ahead, whose claim shares the commit of another's attempts.

What is ahead waits for room in our hands. It is judged when it goes, like all else, and keeps its place when it is given back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from omnibus.errors import StoreFull
from omnibus.model.delivery import SHOWN, Delivery, State
from omnibus.model.message import URGENT
from omnibus.outbound.prepare import waiting
from omnibus.outbound.road import Road, settle_soon
from omnibus.outbound.senders import Senders

SOON = 0.25  # seconds of machine time between two claims; where it takes longer, another worker may be quicker
WAITS = frozenset({State.QUEUED, State.HELD})  # nothing was done with it yet

Bring = Callable[[Sequence[Delivery]], Coroutine[Any, Any, None]]


class Claims:
    """Hold the lease, and what was claimed under it before there was room for it.

    Args:
        bring: brings what is urgent on its way beside the rounds; it gives back the slots that it was given.
    """

    def __init__(self, road: Road, senders: Senders, lease: str, bring: Bring) -> None:
        self.lease = lease or road.ids.new(road.now())
        self.pressed = False  # the last claim was full: there is more than we can take
        self._road, self._senders, self._bring = road, senders, bring
        self._left: list[tuple[str, frozenset[asyncio.Task[None]]]] = []  # leases let go of, what went on under them
        self._ahead: asyncio.Task[None] | None = None
        self._ours: list[Delivery] = []
        self._last = -SOON

    @property
    def holding(self) -> bool:
        """Tell whether something is held that is not on its way: claimed ahead, or under a lease that was let go of."""
        return bool(self._left or self._ours or self._ahead)

    async def next(self, limit: int) -> list[Delivery]:
        """Give what is due, at most so many; under pressure the claim of what follows begins, and is not waited for.

        Raises:
            StoreFull: nothing is in our hands by this call, but a claim that was not answered may hold something: let go.
        """
        last, self._last = self._last, time.monotonic()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead
        if not self._ours:
            self._ours = await self.now(limit)
            self.pressed = len(self._ours) == limit
        given, self._ours = self._ours[:limit], self._ours[limit:]
        if self.pressed and not self._ours and self._road.store.shares and self._last - last < SOON:
            self._ahead = asyncio.create_task(self._go_ahead(self._senders.slots - self._senders.kept))
        return given

    async def now(self, limit: int, *, urgent: bool = False, patient: bool = False) -> list[Delivery]:
        """Claim."""
        road, now = self._road, self._road.now()
        since = None if patient else now - road.window  # what is ahead is loaded when it goes
        return await road.store.claim(
            now, limit=limit, lease=self.lease, term=road.lease_term, urgent=urgent, patient=patient, since=since
        )

    async def _go_ahead(self, limit: int) -> None:
        lease = self.lease
        claimed = await self.now(limit, patient=True)
        if self.lease != lease:  # let go of meanwhile: it is freed with all that is held under that lease
            return
        self.pressed = len(claimed) == limit
        urgent = [each for each in claimed if each.purpose == URGENT]
        mine = urgent[: max(self._senders.free(urgent=True), 0)]
        self._ours = urgent[len(mine) :] + [each for each in claimed if each.purpose != URGENT]
        if mine:
            self._senders.taken += len(mine)
            self._senders.start(self._bring(mine))

    def spare(self, customers: Collection[str]) -> list[Delivery]:
        """Take out what was claimed ahead of these customers: whoever asks gives it back, or has it kept."""
        spared = [each for each in self._ours if each.customer in customers and each.state in WAITS]
        if spared:
            gone = {each.id for each in spared}
            self._ours = [each for each in self._ours if each.id not in gone]
        return spared

    def keep(self, spared: Sequence[Delivery]) -> None:
        """Put back what was taken out."""
        self._ours = [*spared, *self._ours]

    def let_go(self) -> None:
        """Work on under another lease when the store went away: a claim that it did not answer may hold what nobody knows of."""
        on = frozenset(self._senders.tasks)
        if self._ahead is not None:
            self._ahead.add_done_callback(_seen)
            on |= {self._ahead}
        self._left.append((self.lease, on))
        self.lease, self._ahead, self._ours = self._road.ids.new(self._road.now()), None, []

    async def free(self) -> None:
        """End the leases that were let go of, once all that went on under them is settled; the rest of them is due again."""
        road = self._road
        over = [
            each for each in self._left if all(task.done() for task in each[1]) and not road.settling.holds(each[0])
        ]
        for lease, _ in over:
            await road.store.renew(lease, -1.0)
        if over:
            await road.store.rescue(road.now())
        self._left = [each for each in self._left if each not in over]

    async def give_back(self) -> None:
        """Let go of what was claimed ahead: whoever claims next takes it up where it stood."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            with suppress(StoreFull):  # what it may hold is due again when the lease ends
                await ahead
        for each in self._ours:
            state = each.state if each.state in SHOWN else waiting(each)
            settle_soon(self._road, each, state, each.reason, due=each.due)
        self._ours = []


def _seen(task: asyncio.Task[None]) -> None:
    """Look at how a claim ended that nobody waits for; the store being away was told already."""
    if not task.cancelled():
        task.exception()
