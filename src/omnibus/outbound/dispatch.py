"""DISPATCH: the order of the stages, written once.

::

    claim ─► prepare (resolve ─► judge ─┬─ Drop ──► dropped
                                        ├─ Hold ──► held, due later
                                        └─ Send ──► compose) ─► attempt (committed) ─► hand over ─► settle

Everything is decided here, at the moment of sending, from the context as it is now. What can be done for a batch is
done for a batch; hand-overs go on beside each other, so one slow answer delays no other, and there are never more
attempts open at a provider than slots.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from omnibus.errors import StoreFull
from omnibus.model.delivery import SHOWN, Delivery, State
from omnibus.outbound.hand_over import Parcel, hand_over
from omnibus.outbound.lost_answer import NOT_MADE, look
from omnibus.outbound.prepare import Desk, Ready, waiting
from omnibus.outbound.road import Road, settle_soon
from omnibus.outbound.take_off import take_off
from omnibus.outbound.turn import in_turn
from omnibus.store import Grant, Loaded, OpenAttempt, Outcome

BATCH = 100  # deliveries in one claim
LULL = 0.005  # seconds of machine time that a claim waits for more free slots, again and again …
STEADY = 8  # … as long as each time this part of the slots becomes free
ROUNDS = 10  # times that one delivery is judged again within a claim
AWAY = "the store was away"


class Dispatcher:
    """Work the outbox: claim what is due and bring each delivery to its next state.

    Args:
        slots: hand-overs in flight at once.
        lease: names this worker.
    """

    def __init__(self, road: Road, *, slots: int = 50, lease: str = "") -> None:
        self.road, self.slots = road, slots
        self.lease = lease or road.ids.new(road.now())
        self._parcels: deque[Parcel] = deque()  # attempts that are committed and wait for a sender: a moment only
        self._called = False  # a sender that did not begin yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._wanted, self._room = 0, asyncio.Event()
        self._hurried = False
        self._left: list[
            tuple[str, frozenset[asyncio.Task[None]]]
        ] = []  # leases let go of, and what went on under them
        self._pressed = False  # the last claim was full: there is more than we can take

    @property
    def in_flight(self) -> int:
        """Count the hand-overs that are begun, or whose attempts are committed."""
        return len(self._tasks) + len(self._parcels) - self._called

    @property
    def busy(self) -> bool:
        """Tell whether anything is in flight, or answered and not settled yet."""
        return bool(self._tasks or self.road.settling)

    async def drain(self) -> int:
        """Work until nothing is due and nothing is in flight; returns how many deliveries were claimed."""
        claimed = 0
        while True:
            count = await self.round()
            claimed += count
            if not count and not self.busy:
                self._tell()
                return claimed
            if not count:
                await self._some_done()

    async def round(self) -> int:
        """Claim once and start what may go; returns how many were claimed."""
        self._tell()
        await self._room_enough()
        road, free = self.road, self.slots - self.in_flight
        road.settling.flush()
        await asyncio.sleep(0)  # it folds and asks for its commit now, which the claim then shares
        if self._left:
            await self._free()
        limit = min(BATCH, free)
        claimed = await road.store.claim(road.now(), limit=limit, lease=self.lease, term=road.lease_term)
        self._pressed = len(claimed) == limit
        if claimed:
            await self._sort(claimed)
        if not self._tasks:
            road.settling.flush()
        return len(claimed)

    async def _room_enough(self) -> None:
        """Wait until a claim is worth its price: it is worth more the more it takes, and under pressure that is all slots.

        A slow provider holds the others up for a moment only: where answers come slowly, the claim takes what is free.
        """
        free = self.slots - self.in_flight
        while free < (enough := self._enough()):
            await self._some_room(enough)
            before, free = free, self.slots - self.in_flight
            if free and free - before < self.slots // STEADY:
                break
        self._hurried = False

    def _enough(self) -> int:
        """Say how many free slots are worth a claim."""
        return 1 if self._hurried else self.slots if self._pressed else max(self.slots // 3, 1)

    def hurry(self) -> None:
        """Claim as soon as there is any room: something urgent was accepted, and goes first."""
        self._hurried = True
        self._room.set()

    def let_go(self) -> None:
        """Work on under another lease when the store went away: a claim that it did not answer may hold what nobody knows of."""
        self._left.append((self.lease, frozenset(self._tasks)))
        self.lease = self.road.ids.new(self.road.now())

    async def _free(self) -> None:
        """End the leases that were let go of, once all that went on under them is settled; the rest of them is due again."""
        road = self.road
        over = [
            each for each in self._left if all(task.done() for task in each[1]) and not road.settling.holds(each[0])
        ]
        for lease, _ in over:
            await road.store.renew(lease, -1.0)
        if over:
            await road.store.rescue(road.now())
        self._left = [each for each in self._left if each not in over]

    async def finish(self) -> None:
        """Wait until everything in flight is answered and settled."""
        while self.busy:
            await self._some_done()

    def _tell(self) -> None:
        """Raise what went wrong beside the rounds."""
        failure, self._failure = self._failure or self.road.settling.failure, None
        self.road.settling.failure = None
        if failure is not None:
            raise failure

    async def _some_done(self) -> None:
        settling = self.road.settling
        if not self._tasks:
            settling.flush()
        waits = {*self._tasks, settling.work} if settling.work else self._tasks
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    async def _some_room(self, slots: int) -> None:
        """Wait a moment, or until so many slots are free."""
        self._room.clear()
        self._wanted = slots
        try:
            async with asyncio.timeout(LULL):
                await self._room.wait()
        except TimeoutError:
            pass
        finally:
            self._wanted = 0

    async def _sort(self, claimed: Sequence[Delivery]) -> None:
        fresh: list[Delivery] = []
        for each in claimed:
            if each.state in SHOWN:
                self._start(take_off(self.road, each))
            elif each.state is State.UNKNOWN:
                self._start(self._look(each))
            else:
                fresh.append(each)
        await self._rounds(fresh, {})

    async def _look(self, delivery: Delivery) -> None:
        """Look at a lost answer, beside all the others: a provider that hangs delays nobody."""
        again = await look(self.road, delivery)
        if again is not None:
            last = (await self.road.store.attempts(delivery.id))[-1]
            await self._rounds([again], {delivery.id: last})

    async def _rounds(self, fresh: list[Delivery], last: Mapping[str, OpenAttempt]) -> None:
        for _ in range(ROUNDS):
            if not fresh:
                return
            fresh = await self._advance(fresh, last)
        for each in fresh:
            settle_soon(self.road, each, waiting(each), "the context kept moving", due=self.road.now())

    async def _advance(self, deliveries: Sequence[Delivery], last: Mapping[str, OpenAttempt]) -> list[Delivery]:
        """Prepare deliveries, commit their attempts together, start them; gives back those to judge again."""
        road, now = self.road, self.road.now()
        with self._put_back(deliveries):
            loaded = await road.store.load([each.customer for each in deliveries], since=now - road.window)
            desk = Desk(road, await road.store.pauses(now), now, last)
        known = [(each, mine) for each in deliveries if (mine := loaded.get(each.customer)) is not None]
        for each in deliveries:
            if each.customer not in loaded:
                settle_soon(road, each, State.FAILED, "no such customer")
        chosen = desk.choose(known)
        with self._put_back([each.delivery for each in chosen]):
            ready = desk.ready(await in_turn(desk, chosen))
        with self._put_back([each.parcel.delivery for each in ready], ready):
            return await self._attempt(ready, loaded) if ready else []

    @contextmanager
    def _put_back(self, deliveries: Sequence[Delivery], ready: Sequence[Ready] = ()) -> Iterator[None]:
        """Let go of what is in our hands when the store goes away: as good as new once it is back.

        An attempt whose commit was not answered may be stored, but nobody acted on it. It is closed, or whoever frees
        the lease later could not tell, and would call the message unknown.
        """
        try:
            yield
        except StoreFull:
            tried = {each.parcel.delivery.id: each.wish.attempt for each in ready}
            for each in deliveries:
                closed = _not_made(tried[each.id], waiting(each)) if each.id in tried else None
                settle_soon(self.road, each, waiting(each), AWAY, due=self.road.now(), outcome=closed)
            raise

    async def _attempt(self, ready: Sequence[Ready], loaded: Mapping[str, Loaded]) -> list[Delivery]:
        road = self.road
        wishes = [
            each.wish
            if each.late is None
            else replace(each.wish, change=await road.timeline.fold(loaded[each.parcel.delivery.customer], [each.late]))
            for each in ready
        ]
        granted, again = [], []
        for each, grant in zip(ready, await road.store.attempt(wishes), strict=True):
            if grant is Grant.GRANTED:
                granted.append(each.parcel)
            elif grant is not Grant.LOST:
                again.append(each.parcel.delivery)
        self._parcels.extend(granted)
        self._send_on()
        return again

    def _send_on(self) -> None:
        """Let one more sender go on; it calls the next before it waits for anything."""
        if self._parcels and not self._called:
            self._called = True
            self._start(self._send())

    async def _send(self) -> None:
        """Hand parcels over, one after the other, as long as there are any."""
        self._called = False
        while self._parcels:
            parcel = self._parcels.popleft()
            self._send_on()
            await hand_over(self.road, parcel)
            if self._wanted and self.slots - self.in_flight >= self._wanted:
                self._room.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
        if self._wanted and self.slots - self.in_flight >= self._wanted:
            self._room.set()
        if not self._tasks:
            self.road.settling.flush()


def _not_made(attempt: str, state: State) -> Outcome:
    """Close an attempt that nobody acted on; one that used the key of a lost answer again is as lost as before."""
    lost = state is State.UNKNOWN
    return Outcome(attempt, "unknown" if lost else NOT_MADE, AWAY, counts=lost)
