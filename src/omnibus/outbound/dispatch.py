"""DISPATCH: the order of the stages, written once.

::

    claim ─► resolve ─► judge ─┬─ Drop ──► dropped
                               ├─ Hold ──► held, due later
                               └─ Send ──► compose ─► attempt (committed) ─► hand over ─► settle

Everything is decided here, at the moment of sending, from the context as it is now. A granted attempt is a task
of its own, so one slow answer delays no other; there are never more attempts in flight than slots.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omnibus.errors import MessageError, StoreFull
from omnibus.model.attempt import Attempt
from omnibus.model.campaign import STOPPED
from omnibus.model.context import Context
from omnibus.model.delivery import SHOWN, Delivery, State
from omnibus.model.message import Purpose
from omnibus.model.verdict import Drop, Hold
from omnibus.outbound.hand_over import Parcel, hand_over, pause_after
from omnibus.outbound.judge import Judgement, judge
from omnibus.outbound.lost_answer import give_up, look
from omnibus.outbound.resolve import resolve, route_key
from omnibus.outbound.road import Promised, Road, fact, settle
from omnibus.outbound.take_off import take_off
from omnibus.store import Change, Grant, Loaded, Try

BATCH = 100  # deliveries in one claim
POISON = 5  # faults of processing after which a delivery is parked as failed(poison)
LULL = 0.005  # seconds of machine time that a claim waits for more free slots
REST = timedelta(minutes=15)  # until the next look at an unknown delivery of a paused campaign
ROUNDS = 10  # times that one delivery is judged again within a claim

Pauses = Mapping[str, tuple[datetime, str]]


@dataclass(frozen=True, slots=True)
class Ready:
    """Hold a parcel whose attempt asks to be committed."""

    parcel: Parcel
    wish: Try


class Dispatcher:
    """Work the outbox: claim what is due and bring each delivery to its next state.

    Args:
        slots: hand-overs in flight at once.
        lease: names this worker.
    """

    def __init__(self, road: Road, *, slots: int = 50, lease: str = "") -> None:
        self.road, self.slots = road, slots
        self.lease = lease or road.ids.new(road.now())
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def drain(self) -> int:
        """Work until nothing is due and nothing is in flight; returns how many deliveries were claimed."""
        claimed = 0
        while True:
            count = await self.round()
            claimed += count
            if not count and not self._tasks:
                return claimed
            if not count:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def round(self) -> int:
        """Claim once and start what may go; returns how many were claimed."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        while (free := self.slots - len(self._tasks)) < self.slots // 3:
            # a claim is worth more the more it takes; a slow provider holds the others up for a moment only
            if not await self._some_done() and free > 0:
                break
        road = self.road
        claimed = await road.store.claim(road.now(), limit=min(BATCH, free), lease=self.lease, term=road.lease_term)
        if claimed:
            await self._sort(claimed)
        return len(claimed)

    async def _some_done(self) -> bool:
        done, _ = await asyncio.wait(self._tasks, timeout=LULL, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def finish(self) -> None:
        """Wait for what is in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def busy(self) -> bool:
        """Tell whether hand-overs are in flight."""
        return bool(self._tasks)

    async def _sort(self, claimed: list[Delivery]) -> None:
        fresh: list[Delivery] = []
        for each in claimed:
            if each.state in SHOWN:
                self._start(take_off(self.road, each))
            elif each.state is State.UNKNOWN:
                self._start(self._look(each))
            else:
                fresh.append(each)
        await self._rounds(fresh)

    async def _look(self, delivery: Delivery) -> None:
        """Look at a lost answer, beside all the others: a provider that hangs delays nobody."""
        again = await look(self.road, delivery)
        if again is not None:
            await self._rounds([again])

    async def _rounds(self, fresh: list[Delivery]) -> None:
        for _ in range(ROUNDS):
            fresh = await self._advance(fresh)
            if not fresh:
                return
        for each in fresh:
            await settle(self.road, each, _waiting(each), "the context kept moving", due=self.road.now())

    async def _advance(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Judge and compose deliveries, commit their attempts together, start them; gives back those to judge again."""
        road, now = self.road, self.road.now()
        if not deliveries:
            return []
        loaded = await road.store.load([each.customer for each in deliveries], since=now - road.window)
        pauses = await road.store.pauses(now)
        strangers = [each for each in deliveries if each.customer not in loaded]
        known = [each for each in deliveries if each.customer in loaded]
        prepared = await asyncio.gather(  # together, so that those who need no attempt share one commit
            *(settle(road, each, State.FAILED, "no such customer") for each in strangers),
            *(self._prepare(each, loaded[each.customer], pauses) for each in known),
        )
        ready = [each for each in prepared if each is not None]
        grants = await road.store.attempt([each.wish for each in ready]) if ready else []
        again = []
        for each, grant in zip(ready, grants, strict=True):
            if grant is Grant.GRANTED:
                self._start(hand_over(road, each.parcel))
            elif grant is not Grant.LOST:
                again.append(each.parcel.delivery)
        return again

    async def _prepare(self, delivery: Delivery, loaded: Loaded, pauses: Pauses) -> Ready | None:
        """Bring one delivery to its attempt; settle it here when it needs none."""
        road, now = self.road, self.road.now()
        try:
            if delivery.expires is not None and now >= delivery.expires and delivery.state is not State.UNKNOWN:
                event = fact("message.expired", delivery, now, f"{delivery.id}:expired", {"reason": "deadline passed"})
                await settle(road, delivery, State.EXPIRED, "deadline passed", events=[event])
                return None
            if (rest := pauses.get(delivery.origin)) is not None:
                await self._rest(delivery, *rest, now)
                return None
            context = road.timeline.context(loaded)
            resolved = resolve(delivery, context, road.lines, now, pauses)
            judgement = judge(delivery, resolved, road.policies, context, road.brand, now)
            if judgement.route is None:
                await self._not_now(delivery, judgement, now)
                return None
            return await self._ready(delivery, judgement, loaded, context, now)
        except (StoreFull, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - one bad delivery stops nobody else; it is parked with its cause
            await self._fault(delivery, error)
            return None

    async def _rest(self, delivery: Delivery, until: datetime, reason: str, now: datetime) -> None:
        """Hold what belongs to a paused campaign, drop what belongs to a stopped one; an unknown one is not handed over again."""
        if delivery.state is State.UNKNOWN and reason == STOPPED:
            await give_up(self.road, delivery, (await self.road.store.attempts(delivery.id))[-1])
        elif delivery.state is State.UNKNOWN:
            await settle(self.road, delivery, State.UNKNOWN, reason, due=now + REST)
        elif reason == STOPPED:
            event = fact("message.dropped", delivery, now, f"{delivery.id}:dropped", {"reason": reason})
            await settle(self.road, delivery, State.DROPPED, reason, events=[event])
        else:
            await self._not_now(delivery, Judgement(Hold(until, reason), None, ()), now)

    async def _not_now(self, delivery: Delivery, judgement: Judgement, now: datetime) -> None:
        road, decision = self.road, json.dumps(judgement.shown())
        match judgement.verdict:
            case Hold(until, reason) if delivery.state is State.UNKNOWN:  # it stays what it is, and is looked at then
                await settle(road, delivery, State.UNKNOWN, reason, due=until, decision=decision)
            case Hold(until, reason):
                due = until if delivery.expires is None else min(until, delivery.expires)
                id_ = f"{delivery.id}:held:{due.isoformat()}:{now.isoformat()}"
                event = fact("message.held", delivery, now, id_, {"until": due.isoformat(), "reason": reason})
                await settle(road, delivery, State.HELD, reason, due=due, events=[event], decision=decision)
            case Drop(reason):
                if delivery.state is State.UNKNOWN or delivery.flagged:
                    state, why = State.FAILED, "answer_lost"
                elif delivery.tried:  # every way was tried, and the last one's answer is the reason
                    state, why = State.FAILED, delivery.reason or reason
                else:
                    state, why = State.DROPPED, reason
                type_ = "message.failed" if state is State.FAILED else "message.dropped"
                event = fact(type_, delivery, now, f"{delivery.id}:{state}", {"reason": why})
                await settle(road, delivery, state, why, events=[event], decision=decision)

    async def _ready(
        self, delivery: Delivery, judgement: Judgement, loaded: Loaded, context: Context, now: datetime
    ) -> Ready | None:
        road, route = self.road, judgement.route
        line = road.lines[(route.channel, delivery.audience)] if route else None
        if route is None or line is None:
            return None
        provider = next(each for each in line.providers if each.scheme == route.provider)
        promised = self._promised(delivery, context, now)
        again = delivery.state is State.UNKNOWN  # the same key once more
        last = (await road.store.attempts(delivery.id))[-1] if again else None
        try:
            terms = promised.terms if promised else None
            message, content = road.composer.compose(delivery, line.channel, context, terms, now)
        except MessageError as error:
            if again:
                await give_up(road, delivery, last)
                return None
            tried = (*delivery.tried, route_key(route.channel, route.provider, route.identity))
            await settle(road, delivery, State.QUEUED, f"cannot compose: {error}", due=now, tried=tried)
            return None
        id_ = last.id if last else road.ids.new(now)
        number = last.number if last else delivery.attempts + 1
        attempt = Attempt(
            id_, delivery.id, delivery.customer, number, Purpose(delivery.purpose), now, road.deadline,
            f"{provider.hook_url}?attempt={id_}" if provider.hook_url else "", message.name, again,
        )  # fmt: skip
        change = Change(loaded.customer.id, loaded.version)
        if promised is not None and promised.event is not None:
            change = await road.timeline.fold(loaded, [promised.event])
        limits = road.limits(delivery, route, now)  # only what they bind is spent: a receipt costs nobody a reminder
        wish = Try(
            id_, delivery.id, delivery.lease, number, route.channel, route.provider,
            route.identity.ref if route.identity else "", route.points if limits else 0, now, change,
            () if again else limits, (promised.code,) if promised else (),
            json.dumps(judgement.shown()),
        )  # fmt: skip
        address = road.redirect.get(route.identity.kind, route.identity.value) if route.identity else ""
        return Ready(Parcel(delivery, route, provider, message, content, address, attempt), wish)

    def _promised(self, delivery: Delivery, context: Context, now: datetime) -> Promised | None:
        if not delivery.offer:
            return None
        profile = context.named("profile")
        brand = self.road.brand
        return self.road.promise(
            delivery.offer, context, profile.locale or brand.locale, profile.zone or brand.zone, now
        )

    async def _fault(self, delivery: Delivery, error: Exception) -> None:
        road, faults = self.road, delivery.faults + 1
        cause = f"{type(error).__name__}"
        if faults >= POISON:
            reason = f"poison: {cause}"
            event = fact("message.failed", delivery, road.now(), f"{delivery.id}:poison", {"reason": reason})
            await settle(road, delivery, State.FAILED, reason, events=[event], faults=faults)
            return
        due = road.now() + timedelta(seconds=pause_after(faults))
        await settle(road, delivery, _waiting(delivery), f"fault: {cause}", due=due, faults=faults)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()


def _waiting(delivery: Delivery) -> State:
    """Say how it waits for another look: what may have arrived never becomes as good as new."""
    return State.UNKNOWN if delivery.state is State.UNKNOWN else State.QUEUED
