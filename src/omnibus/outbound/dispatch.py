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
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from omnibus.errors import StoreFull
from omnibus.model.delivery import SHOWN, Delivery, State
from omnibus.model.message import URGENT
from omnibus.outbound.claim import Claims
from omnibus.outbound.lost_answer import NOT_MADE, look
from omnibus.outbound.overtake import Overtaking
from omnibus.outbound.prepare import Preparation, Ready, waiting
from omnibus.outbound.road import Road, settle_soon
from omnibus.outbound.senders import STEADY, Senders
from omnibus.outbound.settle import MOMENT, PRESSED
from omnibus.outbound.take_off import take_off
from omnibus.outbound.turn import in_turn
from omnibus.store import Grant, Loaded, OpenAttempt, Outcome

T = TypeVar("T")

BATCH = 100  # deliveries in one claim
PIECE = 16  # of a batch, prepared without a look at what is urgent: a millisecond
LOOK = 0.05  # seconds of machine time between two looks for what is urgent while there is no room
ROUNDS = 10  # times that one delivery is judged again within a claim
AWAY = "the store was away"


class Dispatcher:
    """Work the outbox: claim what is due and bring each delivery to its next state.

    Args:
        slots: hand-overs in flight at once.
        lease: names this worker.
    """

    def __init__(self, road: Road, *, slots: int = 50, lease: str = "") -> None:
        self.overtaking = Overtaking(self)
        self.road, self.senders = road, Senders(road, slots, self.overtaking.go)
        road.bulkheads.most = slots - self.senders.kept
        self.claims = Claims(road, self.senders, lease, self.overtaking.bring)
        self.working = False

    @property
    def lease(self) -> str:
        """Name this worker, until the store goes away."""
        return self.claims.lease

    @property
    def in_flight(self) -> int:
        """Count the hand-overs that are begun, or whose attempts are committed."""
        return self.senders.in_flight

    @property
    def busy(self) -> bool:
        """Tell whether anything is in flight, or answered and not settled yet."""
        return bool(self.senders.tasks or self.road.settling)

    @property
    def quiet(self) -> bool:
        """Tell whether nothing is in flight or held, and nothing went wrong that is yet to be told."""
        return not (self.busy or self.claims.holding or self.senders.failure or self.road.settling.failure)

    async def drain(self) -> int:
        """Work until nothing is due and nothing is in flight; returns how many deliveries were claimed."""
        claimed = 0
        try:
            while True:
                idle = not self.busy  # else what is settled during the round may be due again
                count = await self.round()
                claimed += count
                if not count and idle and not self.busy:
                    self._tell()
                    return claimed
                if not count and self.busy:
                    await self._some_done()
        finally:
            self.working = False

    async def round(self) -> int:
        """Claim once and start what may go; returns how many were claimed."""
        self._tell()
        self.working, limit = True, 0
        self.road.settling.moment = PRESSED if self.claims.pressed else MOMENT
        while limit < 1:  # what is urgent may have taken the room again
            await self._room()
            self.road.settling.flush()
            await asyncio.sleep(0)  # it folds and asks for its commit now, which the claim then shares
            limit = min(BATCH, self.senders.free())
        if not self.overtaking.ahead:
            await self.claims.free()
        count = await self.take(limit)
        if not self.senders.tasks:
            self.road.settling.flush()
        return count

    async def _room(self) -> None:
        """Wait until a claim is worth its price: it is worth the more the more it takes, and under pressure that is all slots.

        A slow provider holds the others up for a moment only: where answers come slowly, the claim takes what is free.
        Where none come at all, what is urgent and was accepted elsewhere, or waited for its lane, is looked for.
        """
        senders, enough = self.senders, self._enough()
        free, looked = senders.free(), time.monotonic()
        while free < enough:
            await senders.room(enough)
            before, free = free, senders.free()
            if free > 0 and free - before < senders.slots // STEADY:
                return
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                self.overtaking.look()

    def _enough(self) -> int:
        """Say how many free slots are worth a claim: under pressure all there are."""
        senders = self.senders
        return senders.slots - senders.kept if self.claims.pressed else max(senders.slots // 3, 1)

    async def take(self, limit: int, *, urgent: bool = False) -> int:
        """Claim so many and start what may go; returns how many were claimed."""
        claims, senders = self.claims, self.senders
        senders.taken += limit
        try:
            claimed = await (claims.now(limit, urgent=True) if urgent else claims.next(limit))
            senders.taken, limit = senders.taken + len(claimed) - limit, len(claimed)
            if claimed:
                await self.bring(claimed)
        finally:
            senders.taken -= limit
            senders.freed()
        return limit

    def let_go(self) -> None:
        """Work on under another lease: the store went away."""
        self.claims.let_go()

    async def finish(self) -> None:
        """Wait until everything in flight is answered and settled, and give back what was claimed ahead."""
        self.working = False
        await self.claims.give_back()
        while self.busy:
            await self._some_done()

    def _tell(self) -> None:
        """Raise what went wrong beside the rounds."""
        failure = self.senders.failure or self.road.settling.failure
        self.senders.failure = self.road.settling.failure = None
        if failure is not None:
            raise failure

    async def _some_done(self) -> None:
        settling, tasks = self.road.settling, self.senders.tasks
        if not tasks:
            settling.flush()
        waits = {*tasks, settling.work} if settling.work else tasks
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    async def bring(self, taken: Sequence[Delivery]) -> None:
        """Bring what is in our hands on its way, what is urgent first."""
        fresh: list[Delivery] = []
        for each in taken:
            if each.state in SHOWN:
                self.senders.start(take_off(self.road, each))
            elif each.state is State.UNKNOWN:
                self.senders.start(self._look(each))
            else:
                fresh.append(each)
        urgent = [each for each in fresh if each.purpose == URGENT]
        if urgent and len(urgent) < len(fresh):  # the others are many, and take their time
            await self._rounds(urgent, {})
            fresh = [each for each in fresh if each.purpose != URGENT]
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
            settle_soon(self.road, each, waiting(each), "the context kept moving", due=each.due)

    async def _advance(self, deliveries: Sequence[Delivery], last: Mapping[str, OpenAttempt]) -> list[Delivery]:
        """Prepare deliveries, commit their attempts together, start them; gives back those to judge again."""
        road, now = self.road, self.road.now()
        with self.put_back(deliveries):
            loaded = await road.store.load([each.customer for each in deliveries], since=now - road.window)
            preparation = Preparation(road, await road.store.pauses(now), now, last)
        known = [(each, mine) for each in deliveries if (mine := loaded.get(each.customer)) is not None]
        for each in deliveries:
            if each.customer not in loaded:
                settle_soon(road, each, State.FAILED, "no such customer")
        aside = any(each.purpose != URGENT for each in deliveries)
        chosen = [one async for piece in self._pieces(known, aside=aside) for one in preparation.choose(piece)]
        with self.put_back([each.delivery for each in chosen]):
            turn = await in_turn(preparation, chosen)
        ready = [one async for piece in self._pieces(turn, aside=aside) for one in preparation.ready(piece)]
        with self.put_back([each.parcel.delivery for each in ready], ready):
            return await self._attempt(ready, loaded) if ready else []

    async def _pieces(self, of: Sequence[T], *, aside: bool) -> AsyncIterator[Sequence[T]]:
        """Give a batch whole, for nothing comes while it is prepared; piece by piece when something urgent is on its way."""
        urgent = aside and (self.overtaking.ahead or self.senders.urgent)
        size = PIECE if urgent else max(len(of), 1)
        for start in range(0, len(of), size):
            if urgent:
                await self.overtaking.ahead.let_by()
            yield of[start : start + size]

    @contextmanager
    def put_back(self, deliveries: Sequence[Delivery], ready: Sequence[Ready] = ()) -> Iterator[None]:
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
                settle_soon(self.road, each, waiting(each), AWAY, due=each.due, outcome=closed)
            raise

    async def _attempt(self, ready: Sequence[Ready], loaded: Mapping[str, Loaded]) -> list[Delivery]:
        road = self.road
        wishes = [
            each.wish
            if each.late is None
            else replace(each.wish, change=await road.timeline.fold(loaded[each.parcel.delivery.customer], [each.late]))
            for each in ready
        ]
        granted, again, idle = [], [], []
        for each, grant in zip(ready, await road.store.attempt(wishes), strict=True):
            if grant is Grant.GRANTED:
                granted.append(each.parcel)
                continue
            idle.append(each.parcel.route.name)
            if grant is not Grant.LOST:
                again.append(each.parcel.delivery)
        if road.rates:
            road.rates.give_back(idle)
        self.senders.hand_on(granted)
        return again


def _not_made(attempt: str, state: State) -> Outcome:
    """Close an attempt that nobody acted on; one that used the key of a lost answer again is as lost as before."""
    lost = state is State.UNKNOWN
    return Outcome(attempt, "unknown" if lost else NOT_MADE, AWAY, counts=lost)
