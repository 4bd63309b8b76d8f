"""What the stages of the road out are given: nothing is reached for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import SHOWN, WAITING, Delivery, State
from omnibus.model.event import Event
from omnibus.model.ids import Ids
from omnibus.model.message import Message
from omnibus.model.offer import Terms
from omnibus.model.route import Route
from omnibus.outbound.bulkheads import Bulkheads
from omnibus.outbound.compose import Composer
from omnibus.outbound.rates import Rates
from omnibus.outbound.resolve import ChannelLine, Lines
from omnibus.outbound.settle import Basis, Pending, Settling
from omnibus.policy import Policy
from omnibus.provider import Keep, Provider
from omnibus.store import CodeRow, Limit, Outcome, Store
from omnibus.timeline import Timeline

SOURCE = "omnibus"  # the source of events that the bus itself states

SettleSoon = Callable[..., None]  # as ``settle_soon``


@dataclass(frozen=True, slots=True)
class Promised:
    """Hold the terms of an offer for one customer, and what makes the code theirs."""

    terms: Terms
    code: CodeRow
    event: Event | None


@dataclass(slots=True)
class Road:
    """Hold everything a stage may use.

    Args:
        promise: offer name, context, locale, zone, now → terms and code; None without an offer.
        limits: contact-budget limits of a route.
        window: how far back hand-overs count against the budget.
        redirect: identity kind → address that everything goes to instead (staging).
        deadline: seconds for one hand-over; at most half the lease.
        rest: waits seconds of machine time, when the store has no room.
        rates: what providers allow in a second, where they are limited.
        bulkheads: what goes on with each provider, and which of them does not answer.
    """

    store: Store
    timeline: Timeline
    lines: Lines
    policies: Sequence[Policy]
    composer: Composer
    brand: Brand
    now: Callable[[], datetime]
    keep: Callable[[str], Keep]
    promise: Callable[[str, Context, str, str, datetime], Promised | None]
    limits: Callable[[Delivery, Route, datetime], tuple[Limit, ...]]
    window: timedelta = timedelta(days=7)
    redirect: Mapping[str, str] = field(default_factory=dict, repr=False)
    deadline: float = 20.0
    lease_term: float = 60.0
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep
    rates: Rates | None = None
    bulkheads: Bulkheads = field(default_factory=Bulkheads)
    ids: Ids = field(default_factory=Ids)
    settling: Settling = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make what collects settlements."""
        self.settling = Settling(self.timeline, self.rest)

    def line(self, delivery: Delivery) -> ChannelLine | None:
        """Give the line a delivery went by."""
        return self.lines.get((delivery.channel, delivery.audience))

    def provider(self, channel: str, audience: str, scheme: str) -> Provider | None:
        """Find a configured provider by channel and scheme."""
        line = self.lines.get((channel, audience))
        return next((each for each in line.providers if each.scheme == scheme), None) if line else None

    def promised(self, delivery: Delivery, context: Context, now: datetime) -> Promised | None:
        """Give what its offer promises this customer, in their language and zone; None without one, or when it is over."""
        if not delivery.offer:
            return None
        profile, brand = context.named("profile"), self.brand
        return self.promise(delivery.offer, context, profile.locale or brand.locale, profile.zone or brand.zone, now)

    def ambient(self, delivery: Delivery, channel: str) -> bool:
        """Tell whether the channel waits for a visit."""
        line = self.lines.get((channel, delivery.audience))
        return line is not None and line.channel.capabilities.ambient

    def withdrawable(self, delivery: Delivery, channel: str) -> bool:
        """Tell whether the channel can take this off show again."""
        line = self.lines.get((channel, delivery.audience))
        return line is not None and line.channel.capabilities.withdraw


def fact(
    type_: str, delivery: Delivery, now: datetime, id_: str, data: Mapping[str, Any] | None = None, *,
    message: Message | None = None,
) -> Event:  # fmt: skip
    """State what happened to a delivery; the same happening always gets the same id."""
    told = {
        "delivery": delivery.id, "message": delivery.message, "topic": message.topic if message else delivery.topic,
        "purpose": delivery.purpose, "channel": delivery.channel, "audience": delivery.audience,
        "provider": delivery.provider, "identity": delivery.identity,
    }  # fmt: skip
    if data:
        told.update(data)
    return Event(id_, SOURCE, type_, now, delivery.customer, told)


def settle_soon(
    road: Road, delivery: Delivery, state: State, reason: str, *, events: Sequence[Event] = (),
    due: datetime | None = None, outcome: Outcome | None = None, decision: str = "", basis: Basis | None = None,
    **fields: Any,
) -> None:  # fmt: skip
    """Let the next commit write what became of a claimed delivery, its events folded in it.

    What goes wrong with it is the dispatcher's to tell: whoever handed over does not wait.

    Args:
        basis: what it was judged by, where that is at hand: then nothing is read again.
    """
    line = road.lines.get((fields.get("channel") or delivery.channel, delivery.audience)) if state in SHOWN else None
    shown = line is not None and line.channel.capabilities.withdraw
    watched = bool(delivery.premises) and (shown or state in WAITING)
    if shown and due is None and line and line.channel.capabilities.ambient and "withdraw" not in fields:
        due = delivery.expires  # a card on show is taken off at its deadline; a post stays
    told = {
        "delivery": delivery.id, "customer": delivery.customer, "lease": delivery.lease, "state": state, "reason": reason,
        "due": due, "outcome": outcome, "decision": decision, "watched": watched, **fields,
    }  # fmt: skip
    road.settling.add(Pending(told, tuple(events), delivery if shown and watched else None, basis))
