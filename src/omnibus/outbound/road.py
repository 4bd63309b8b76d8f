"""What the stages of the road out are given: nothing is reached for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from omnibus.errors import Conflict, StoreFull
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import SHOWN, WAITING, Delivery, State
from omnibus.model.event import Event
from omnibus.model.ids import Ids
from omnibus.model.message import Message
from omnibus.model.offer import Terms
from omnibus.model.route import Route
from omnibus.outbound.compose import Composer
from omnibus.outbound.resolve import Line, Lines
from omnibus.policy import Policy
from omnibus.provider import Keep, Provider
from omnibus.store import CodeRow, Limit, Loaded, Outcome, Settlement, Store
from omnibus.timeline import TRIES, Timeline, broken

PATIENCE = 600  # tries, a second apart, to write an answer down while the store has no room
SOURCE = "omnibus"  # the source of events that the bus itself states


@dataclass(frozen=True, slots=True)
class Promised:
    """Hold the terms of an offer for one customer, and what makes the code theirs."""

    terms: Terms
    code: CodeRow
    event: Event | None


@dataclass(slots=True)
class _Asked:
    """Hold a settlement that waits for the next commit."""

    settlement: Settlement
    events: tuple[Event, ...]
    done: asyncio.Future[None]
    shown: Delivery | None = None
    tries: int = 0


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
    ids: Ids = field(default_factory=Ids)
    _waiting: list[_Asked] = field(default_factory=list, repr=False)
    _settling: bool = False

    def line(self, delivery: Delivery) -> Line | None:
        """Give the line a delivery went by."""
        return self.lines.get((delivery.channel, delivery.audience))

    def provider(self, channel: str, audience: str, scheme: str) -> Provider | None:
        """Find a configured provider by channel and scheme."""
        line = self.lines.get((channel, audience))
        return next((each for each in line.providers if each.scheme == scheme), None) if line else None

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
    return Event(id_, SOURCE, type_, now, delivery.customer, {**told, **(data or {})})


async def settle(
    road: Road, delivery: Delivery, state: State, reason: str, *, events: Sequence[Event] = (),
    due: datetime | None = None, outcome: Outcome | None = None, decision: str = "", **fields: Any,
) -> None:  # fmt: skip
    """Write what became of a claimed delivery, its events folded in the same commit.

    Settlements are group commits over whatever is ready: those that come while one commit is under way share the next.

    Raises:
        Conflict: the context kept moving.
    """
    channel = fields.get("channel") or delivery.channel
    shown = state in SHOWN and road.withdrawable(delivery, channel)
    watched = bool(delivery.premises) and (state in WAITING or shown)
    if shown and due is None and "withdraw" not in fields and road.ambient(delivery, channel):
        due = delivery.expires  # a card on show is taken off at its deadline; a post stays
    settlement = Settlement(
        delivery.id, delivery.customer, delivery.lease, state, reason, due=due, outcome=outcome, decision=decision,
        watched=watched, **fields,
    )  # fmt: skip
    for number in range(PATIENCE):
        done = asyncio.get_running_loop().create_future()
        asked = _Asked(settlement, tuple(events), done, replace(delivery, state=state) if shown else None)
        road._waiting.append(asked)  # noqa: SLF001 - this module is the road's
        if not road._settling:  # noqa: SLF001
            await _settle_all(road)
        try:
            await asked.done
        except StoreFull:  # what a provider answered is worth waiting for room
            if number == PATIENCE - 1:
                raise
            await road.rest(1.0)
        else:
            return


async def _settle_all(road: Road) -> None:
    """Commit what waits, batch after batch, until nothing does."""
    road._settling = True  # noqa: SLF001
    batch: list[_Asked] = []
    try:
        while road._waiting:  # noqa: SLF001
            batch, road._waiting = road._waiting, []  # noqa: SLF001
            await _settle_batch(road, batch)
    except BaseException as error:
        for each in (*batch, *road._waiting):  # noqa: SLF001
            if not each.done.done():
                each.done.set_exception(error if isinstance(error, Exception) else Conflict("the worker stopped"))
        road._waiting = []  # noqa: SLF001
        if not isinstance(error, Exception):
            raise
    finally:
        road._settling = False  # noqa: SLF001


async def _settle_batch(road: Road, batch: Sequence[_Asked]) -> None:
    loaded = await road.store.load([each.settlement.customer for each in batch if each.events])
    wanted: list[tuple[_Asked, Settlement]] = []
    for each in batch:
        try:
            wanted.append((each, await _folded(road, each, loaded)))
        except Exception as error:  # noqa: BLE001 - a facet's fault is its own delivery's, not the batch's
            each.done.set_exception(error)
    answers = await road.store.settle([settlement for _, settlement in wanted])
    for (each, _), ok in zip(wanted, answers, strict=True):
        if ok:
            each.done.set_result(None)
        elif each.tries >= TRIES:
            each.done.set_exception(Conflict("the context kept moving; try again"))
        else:
            await _again(road, each)
    road.timeline.ring([each.settlement.customer for each in batch])


async def _folded(road: Road, each: _Asked, loaded: Mapping[str, Loaded]) -> Settlement:
    settlement = each.settlement
    if not each.events:
        return settlement
    mine = loaded[settlement.customer]
    change = await road.timeline.fold(mine, each.events)
    if each.shown and settlement.watched:
        after = Context(mine.customer, road.timeline.facets, change.bodies)
        if broken([each.shown], after, road.now())[1]:  # its reason went while the hand-over was under way
            return replace(settlement, change=change, due=road.now(), withdraw=True)
    return replace(settlement, change=change)


async def _again(road: Road, each: _Asked) -> None:
    """Fold once more: somebody was faster, perhaps with these very events."""
    known = await road.store.known([(event.source, event.id) for event in each.events])
    each.events = tuple(event for event in each.events if (event.source, event.id) not in known)
    each.tries += 1
    road._waiting.append(each)  # noqa: SLF001
