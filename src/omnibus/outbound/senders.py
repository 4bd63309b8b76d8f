"""SENDERS: who hands parcels over, beside each other and beside the rounds, and never more of them than slots."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from omnibus.model.message import URGENT
from omnibus.outbound.hand_over import Parcel, hand_over
from omnibus.outbound.road import Road

KEPT = 16  # this part of the slots is kept for what is urgent, however slowly all others are answered
LULL = 0.005  # seconds of machine time that a claim waits for more free slots, again and again …
LATE = 2.0  # seconds of machine time after which what goes on lends its slot: one that hangs holds up nobody else
STEADY = 8  # … as long as each time this part of the slots becomes free


class Senders:
    """Start what goes on beside the rounds, and count it.

    Args:
        slots: hand-overs in flight at once.
        freed: called when a slot may have become free.
        clock: seconds of machine time, monotonic.
    """

    def __init__(
        self, road: Road, slots: int, freed: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.road, self.slots, self._tell, self._clock = road, slots, freed, clock
        self.tasks: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None
        self.taken = 0  # slots of what is claimed, and of what a claim under way may take
        self.urgent = 0  # parcels whose answer somebody waits for
        self._parcels: deque[Parcel] = deque()  # attempts that are committed and wait for a sender: a moment only
        self._called = False  # a sender that did not begin yet
        self._wanted, self._room = 0, asyncio.Event()
        self._since: dict[object, float] = {}  # what goes on, what began first standing first → when it began

    @property
    def in_flight(self) -> int:
        """Count the hand-overs that are begun, or whose attempts are committed."""
        return len(self.tasks) + len(self._parcels) - self._called

    @property
    def kept(self) -> int:
        """Count the slots that only what is urgent may take."""
        return max(self.slots // KEPT, 1) if self.slots > 1 else 0

    @property
    def late(self) -> int:
        """Count what goes on for so long that its slot is lent to others."""
        late, before = 0, self._clock() - LATE
        for since in self._since.values():
            if since > before:
                break
            late += 1
        return late

    def free(self, *, urgent: bool = False) -> int:
        """Count the slots that may be taken now."""
        return self.slots - self.in_flight + self.late - self.taken - (0 if urgent else self.kept)

    def hand_on(self, parcels: Sequence[Parcel]) -> None:
        """Let parcels be handed over, urgent ones before those that wait already; they are all urgent, or none is."""
        if parcels and parcels[0].delivery.purpose == URGENT:
            self.urgent += len(parcels)
            self._parcels.extendleft(reversed(parcels))
        else:
            self._parcels.extend(parcels)
        self._send_on()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start something beside the rounds; what goes wrong there is kept."""
        self._since[self._begin(work)] = self._clock()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def freed(self) -> None:
        """Look whether somebody waits for what is free now."""
        self._tell()
        if self._wanted and self.free() >= self._wanted:
            self._room.set()

    async def room(self, enough: int) -> None:
        """Wait a moment, or until so many slots are free."""
        self._room.clear()
        self._wanted = enough
        try:
            async with asyncio.timeout(LULL):
                await self._room.wait()
        except TimeoutError:
            pass
        finally:
            self._wanted = 0

    def _send_on(self) -> None:
        """Let one more sender go on; it calls the next before it waits for anything."""
        if self._parcels and not self._called:
            self._called = True
            self._begin(self._send())

    async def _send(self) -> None:
        """Hand parcels over, one after the other, as long as there are any."""
        self._called = False
        while self._parcels:
            parcel = self._parcels.popleft()
            self._send_on()
            self._since[parcel.attempt.id] = self._clock()
            try:
                await hand_over(self.road, parcel)
            finally:
                del self._since[parcel.attempt.id]
                if parcel.delivery.purpose == URGENT:
                    self.urgent -= 1
            self.freed()

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self._since.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self.failure = task.exception()
        self.freed()
        if not self.tasks:
            self.road.settling.flush()
