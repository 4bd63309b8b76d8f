"""OVERTAKE: what is urgent is taken up beside the rounds, with the commit that accepts it where the store can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from omnibus.errors import StoreFull
from omnibus.model.delivery import Delivery
from omnibus.model.message import URGENT
from omnibus.outbound.ahead import Ahead
from omnibus.outbound.beforehand import beforehand
from omnibus.outbound.claim import Claims
from omnibus.outbound.prepare import Ready
from omnibus.outbound.road import Road
from omnibus.outbound.senders import Senders
from omnibus.store import Take, Wish

Answers = list[tuple[Delivery, ...] | None]


class Rounds(Protocol):
    """Work rounds, and give what is needed to work beside them."""

    road: Road
    senders: Senders
    claims: Claims
    working: bool

    @property
    def lease(self) -> str:
        """Name the worker."""

    async def take(self, limit: int, *, urgent: bool = False) -> int:
        """Claim so many and start what may go; returns how many were claimed."""

    async def bring(self, taken: Sequence[Delivery]) -> None:
        """Bring on its way what is in our hands."""

    def let_go(self) -> None:
        """Work on under another lease."""

    def put_back(self, deliveries: Sequence[Delivery], ready: Sequence[Ready] = ()) -> AbstractContextManager[None]:
        """Let go of what is in our hands when the store goes away."""


class Overtaking:
    """Take up what is urgent: it waits for no round, and for nothing that is not."""

    def __init__(self, worker: Rounds) -> None:
        self._worker, self.ahead = worker, Ahead()
        self._urgent = 0  # accepted while there are rounds, and in nobody's hands yet
        self._called = False  # one who claims these did not begin yet

    async def accept(self, wishes: Sequence[Wish]) -> Answers:
        """Accept wishes; while there are rounds, what is urgent goes ahead of them."""
        worker = self._worker
        urgent = [each.deliveries[0] for each in wishes if each.deliveries[0].purpose == URGENT]
        if not urgent or not worker.working:
            return await worker.road.store.accept(wishes)
        limit = min(worker.senders.free(urgent=True), len(urgent))
        with self.ahead.going():
            answers = await (self._take(wishes, urgent, limit) if limit > 0 else worker.road.store.accept(wishes))
            now, ours = worker.road.now(), {each.id for each in urgent}
            # what was accepted before under the same key bears another id
            fresh = {each.id: each for answer in answers for each in answer or () if each.id in ours}.values()
            self._urgent += len([each for each in fresh if not each.lease and each.due <= now])
            self.go()
        return answers

    async def _take(self, wishes: Sequence[Wish], urgent: Sequence[Delivery], limit: int) -> Answers:
        """Accept, and let the store give us so many in the same commit, with the attempts of those that may leave."""
        worker, road, senders = self._worker, self._worker.road, self._worker.senders
        senders.taken += limit
        try:
            lease = worker.lease
            ready = await beforehand(road, urgent[:limit], lease) if road.store.gives else []
            who = {each.customer for each in urgent[:limit]} if road.store.gives and worker.lease == lease else ()
            spared = worker.claims.spare(who)  # what is claimed ahead of theirs makes way
            back = tuple([each.id for each in spared])
            take = Take(lease, road.lease_term, limit, tuple([each.wish for each in ready]), back)
            try:
                with worker.put_back([each.parcel.delivery for each in ready], ready):
                    answers = await road.store.accept(wishes, take=take)
            except StoreFull:
                if worker.lease == lease:
                    worker.let_go()  # it may hold what nobody knows of
                raise
            except BaseException:
                worker.claims.keep(spared)
                raise
            self._begin(
                ready, {each.id: each for answer in answers for each in answer or () if each.lease == lease}, urgent
            )
            return answers
        finally:
            senders.taken -= limit

    def _begin(self, ready: Sequence[Ready], held: Mapping[str, Delivery], urgent: Sequence[Delivery]) -> None:
        """Hand over what is attempted, and bring on its way what is in hand only."""
        senders, mine = self._worker.senders, [held[each.id] for each in urgent if each.id in held]
        begun = {each.id for each in mine if each.attempts}
        senders.hand_on([each.parcel for each in ready if each.parcel.delivery.id in begun])
        if rest := [each for each in mine if not each.attempts]:
            senders.taken += len(rest)
            senders.start(self.bring(rest))

    async def bring(self, taken: Sequence[Delivery]) -> None:
        """Bring what is urgent and in our hands on its way, and give back the slots that were taken for it."""
        try:
            with self.ahead.going():
                await self._worker.bring(taken)
        finally:
            self._worker.senders.taken -= len(taken)

    def look(self) -> None:
        """Look for what is urgent and was accepted elsewhere, or had to wait for its lane."""
        self._urgent = max(self._urgent, self._worker.senders.kept)
        self.go()

    def go(self) -> None:
        """Claim what is urgent, if there is any and a slot for it."""
        if self._urgent and not self._called and self._worker.senders.free(urgent=True) > 0:
            self._called = True
            self._worker.senders.start(self._claim())

    async def _claim(self) -> None:
        """Claim; where a lane is in hand, what is urgent waits for the next round, or look."""
        self._called = False
        limit = min(self._urgent, self._worker.senders.free(urgent=True) + 1)  # whoever asks is in flight already
        if limit > 0:
            self._urgent -= limit
            with self.ahead.going():
                await self._worker.take(limit, urgent=True)
