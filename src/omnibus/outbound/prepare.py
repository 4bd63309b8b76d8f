"""PREPARE: claimed deliveries as far as their attempts: resolve, judge, compose. Reads nothing, waits for nothing.

What needs no attempt (held, dropped, expired, cannot be composed) is handed to the settlement here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from omnibus.errors import FacetError, MessageError
from omnibus.model.attempt import Attempt
from omnibus.model.campaign import STOPPED
from omnibus.model.content import Content
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.model.message import Message, Purpose
from omnibus.model.route import Route, tried_key
from omnibus.model.swift import swift
from omnibus.model.verdict import Drop, Hold
from omnibus.outbound.hand_over import Parcel, pause_after
from omnibus.outbound.judge import MENDING, Judgement, judge
from omnibus.outbound.lost_answer import give_up
from omnibus.outbound.resolve import Resolved, resolve
from omnibus.outbound.road import Promised, Road, SettleSoon, fact, settle_soon
from omnibus.outbound.settle import Basis
from omnibus.store import Change, Loaded, OpenAttempt, Try

POISON = 5  # faults of processing after which a delivery is parked as failed(poison)
REST = timedelta(minutes=15)  # until the next look at an unknown delivery of a paused campaign

_PURPOSES = {each.value: each for each in Purpose}

Pauses = Mapping[str, tuple[datetime, str]]
T = TypeVar("T")


@swift
@dataclass(frozen=True, slots=True)
class Ready:
    """Hold a parcel whose attempt asks to be committed.

    Args:
        late: an event that belongs into the attempt's commit, but is older than what was folded last: all is to be
            folded anew for it, which only the store can feed.
    """

    parcel: Parcel
    wish: Try
    late: Event | None = None


@swift
@dataclass(frozen=True, slots=True)
class Chosen:
    """Hold a delivery that may go: what it was judged by, and its way."""

    delivery: Delivery
    basis: Basis
    judgement: Judgement
    route: Route


class Said(NamedTuple):
    """Hold what is said, and the offer it promises."""

    message: Message
    content: Content
    promised: Promised | None


@dataclass(frozen=True, slots=True)
class Preparation:
    """Hold what all deliveries of a batch are prepared with.

    Args:
        last: delivery id → the attempt whose key is used again; for unknown deliveries only.
        settle: takes what needs no attempt.
    """

    road: Road
    pauses: Pauses
    now: datetime
    last: Mapping[str, OpenAttempt]
    settle: SettleSoon = settle_soon

    def choose(self, claimed: Iterable[tuple[Delivery, Loaded]]) -> list[Chosen]:
        """Resolve and judge; gives those that may go, and the way they go.

        Stage by stage for all of them rather than one after the other: what a stage runs stays in the processor's caches.
        """
        return self._each(self._chosen, self._each(self._resolved, self._each(self._seen, claimed)))

    def ready(self, chosen: Iterable[Chosen]) -> list[Ready]:
        """Compose for those that go, and ask for their attempts; whoever does not go after all gives up their token."""
        asked = list(chosen)
        said = self._each(self._said, [(each.delivery, each) for each in asked])
        ids = self.road.ids.several(self.now, len(said))
        ready = self._each(self._ready, [(*each, id_) for each, id_ in zip(said, ids, strict=True)])
        if self.road.rates and len(ready) < len(asked):
            going = {each.parcel.delivery.id for each in ready}
            self.road.rates.give_back([each.route.name for each in asked if each.delivery.id not in going])
        return ready

    def _each(self, stage: Callable[..., T | None], of: Iterable[tuple[Any, ...]]) -> list[T]:
        """Bring deliveries through one stage; what needs no further one gives None."""
        made = []
        for each in of:
            try:
                if (one := stage(*each)) is not None:
                    made.append(one)
            except FacetError as error:
                self._not_now(each[0], Judgement(Hold(self.now + MENDING, error.reason), None, ()))
            except Exception as error:  # noqa: BLE001 - one bad delivery stops nobody else; it is parked with its cause
                self._fault(each[0], error)
        return made

    def _seen(self, delivery: Delivery, loaded: Loaded) -> tuple[Delivery, Basis] | None:
        """Make the context, unless its time is over or its campaign rests."""
        road, now = self.road, self.now
        if delivery.expires is not None and now >= delivery.expires and delivery.state is not State.UNKNOWN:
            event = fact("message.expired", delivery, now, f"{delivery.id}:expired", {"reason": "deadline passed"})
            self.settle(road, delivery, State.EXPIRED, "deadline passed", events=[event])
            return None
        if (rest := self.pauses.get(delivery.origin)) is not None:
            self._rest(delivery, *rest)
            return None
        return delivery, Basis(loaded, road.timeline.context(loaded))

    def _resolved(self, delivery: Delivery, basis: Basis) -> tuple[Delivery, Basis, Resolved]:
        return delivery, basis, resolve(delivery, basis.context, self.road.lines, self.now, self.pauses)

    def _chosen(self, delivery: Delivery, basis: Basis, resolved: Resolved) -> Chosen | None:
        road = self.road
        judgement = judge(delivery, resolved, road.policies, basis.context, road.brand, self.now)
        if judgement.route is None:
            self._not_now(delivery, judgement)
            return None
        return Chosen(delivery, basis, judgement, judgement.route)

    def _rest(self, delivery: Delivery, until: datetime, reason: str) -> None:
        """Hold what belongs to a paused campaign, drop what belongs to a stopped one; an unknown one is not handed over again."""
        if delivery.state is State.UNKNOWN and reason == STOPPED:
            give_up(self.road, delivery, self.last[delivery.id])
        elif delivery.state is State.UNKNOWN:
            self.settle(self.road, delivery, State.UNKNOWN, reason, due=self.now + REST)
        elif reason == STOPPED:
            event = fact("message.dropped", delivery, self.now, f"{delivery.id}:dropped", {"reason": reason})
            self.settle(self.road, delivery, State.DROPPED, reason, events=[event])
        else:
            self._not_now(delivery, Judgement(Hold(until, reason), None, ()))

    def _not_now(self, delivery: Delivery, judgement: Judgement) -> None:
        road, now, decision = self.road, self.now, judgement.text()
        match judgement.verdict:
            case Hold(until, reason) if delivery.state is State.UNKNOWN:  # it stays what it is, and is looked at then
                self.settle(road, delivery, State.UNKNOWN, reason, due=until, decision=decision)
            case Hold(until, reason):
                due = until if delivery.expires is None else min(until, delivery.expires)
                id_ = f"{delivery.id}:held:{due.isoformat()}:{now.isoformat()}"
                event = fact("message.held", delivery, now, id_, {"until": due.isoformat(), "reason": reason})
                self.settle(road, delivery, State.HELD, reason, due=due, events=[event], decision=decision)
            case Drop(reason):
                state, why = _end(delivery, reason)
                type_ = "message.failed" if state is State.FAILED else "message.dropped"
                event = fact(type_, delivery, now, f"{delivery.id}:{state}", {"reason": why})
                self.settle(road, delivery, state, why, events=[event], decision=decision)

    def _said(self, delivery: Delivery, chosen: Chosen) -> tuple[Delivery, Chosen, Said] | None:
        """Compose, with what the offer promises; what cannot be said goes another way."""
        road, context, route = self.road, chosen.basis.context, chosen.route
        line = road.lines[(route.channel, delivery.audience)]
        promised = road.promised(delivery, context, self.now)
        try:
            terms = promised.terms if promised else None
            message, content = road.composer.compose(delivery, line.channel, context, terms, self.now)
        except MessageError as error:
            self._unsayable(delivery, route, error)
            return None
        return delivery, chosen, Said(message, content, promised)

    def _ready(self, delivery: Delivery, chosen: Chosen, said: Said, id_: str) -> Ready:
        """Ask for the attempt."""
        road, now, route, number = self.road, self.now, chosen.route, delivery.attempts + 1
        provider = road.lines[(route.channel, delivery.audience)].provider(route.provider)
        last, promised = self.last.get(delivery.id), said.promised
        if last is not None:
            id_, number = last.id, last.number  # the same key once more
        attempt = Attempt(
            id_, delivery.id, delivery.customer, number, _PURPOSES[delivery.purpose], now, road.deadline,
            f"{provider.hook_url}?attempt={id_}" if provider.hook_url else "", said.message.name, last is not None,
        )  # fmt: skip
        change, after, late = self._issued(promised, chosen.basis)
        limits = road.limits(delivery, route, now)  # only what they bind is spent: a receipt costs nobody a reminder
        wish = Try(
            id_, delivery.id, delivery.lease, number, route.channel, route.provider,
            route.identity.ref if route.identity else "", route.points if limits else 0, now, change,
            () if last else limits, (promised.code,) if promised else (), chosen.judgement.text(),
            origin=delivery.origin,
        )  # fmt: skip
        address = road.redirect.get(route.identity.kind, route.identity.value) if route.identity else ""
        return Ready(Parcel(delivery, route, provider, said.message, said.content, address, attempt, after), wish, late)

    def _unsayable(self, delivery: Delivery, route: Route, error: MessageError) -> None:
        if delivery.id in self.last:
            give_up(self.road, delivery, self.last[delivery.id])
            return
        ref = route.identity.ref if route.identity else ""
        tried = (*delivery.tried, tried_key(route.channel, route.provider, ref))
        self.settle(self.road, delivery, State.QUEUED, f"cannot compose: {error}", due=delivery.due, tried=tried)

    def _issued(self, promised: Promised | None, basis: Basis) -> tuple[Change, Basis | None, Event | None]:
        """Give what the attempt's commit does to the context, and the context that stands afterwards."""
        loaded = basis.loaded
        guard = Change(loaded.customer.id, loaded.version)
        if promised is None or promised.event is None:
            return guard, basis, None
        onward = self.road.timeline.onward(loaded, [promised.event], basis.context)
        if onward is None:
            return guard, None, promised.event
        return onward[0], Basis(loaded, onward[1]), None

    def _fault(self, delivery: Delivery, error: Exception) -> None:
        road, faults = self.road, delivery.faults + 1
        cause = type(error).__name__
        if faults >= POISON:
            reason = "answer_lost" if _doubtful(delivery) else f"poison: {cause}"
            event = fact("message.failed", delivery, self.now, f"{delivery.id}:poison", {"reason": reason})
            self.settle(road, delivery, State.FAILED, reason, events=[event], faults=faults)
            return
        due = self.now + timedelta(seconds=pause_after(faults))
        self.settle(road, delivery, waiting(delivery), f"fault: {cause}", due=due, faults=faults)


def _end(delivery: Delivery, reason: str) -> tuple[State, str]:
    """Say how a delivery ends that no route may take."""
    if _doubtful(delivery):
        return State.FAILED, "answer_lost"
    if delivery.tried:  # every way was tried, and the last one's answer is the reason
        return State.FAILED, delivery.reason or reason
    return State.DROPPED, reason


def _doubtful(delivery: Delivery) -> bool:
    """Tell whether it may have arrived already: a report may still say so."""
    return delivery.state is State.UNKNOWN or delivery.flagged


def waiting(delivery: Delivery) -> State:
    """Say how it waits for another look: what may have arrived never becomes as good as new."""
    return State.UNKNOWN if delivery.state is State.UNKNOWN else State.QUEUED
