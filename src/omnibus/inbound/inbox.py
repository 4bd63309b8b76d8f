"""INBOX: reports become events, durable and folded in one commit, before anyone is told that we have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from omnibus.errors import InputError, TryLater
from omnibus.inbound.door import check_data
from omnibus.model.attempt import Report
from omnibus.model.customer import PUBLIC, Identity
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import EVENT_TYPES, Event
from omnibus.model.ids import Ids
from omnibus.store import Move, OpenAttempt
from omnibus.timeline import Timeline

#: how long a report may wait for the receipt that it overtook, before it counts as somebody else's
PATIENCE = timedelta(minutes=10)

#: what a report does to its delivery
STATES = {
    "message.delivered": State.DELIVERED,
    "message.opened": State.OPENED,
    "message.clicked": State.CLICKED,
    "message.replied": State.REPLIED,
    "message.bounced": State.BOUNCED,
    "message.failed": State.BOUNCED,
}


@dataclass(slots=True)
class Gathered:
    """Hold what one webhook amounts to, before it is stored."""

    events: list[Event] = field(default_factory=list)
    moves: dict[str, tuple[Move, ...]] = field(default_factory=dict)
    early: bool = False


class Inbox:
    """Turn what the world says into events of customers.

    Args:
        types: event types beyond the core's that an enabled plugin hears.
        identity: makes an identity from (kind, value).
    """

    def __init__(
        self, timeline: Timeline, ids: Ids, identity: Callable[[str, str], Identity], types: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.timeline, self.ids, self.identity = timeline, ids, identity
        self.types = EVENT_TYPES | types
        self.store = timeline.store

    def check(self, event: Event) -> None:
        """Refuse an event of an unknown type, without a zone, or with data that cannot be read.

        Raises:
            InputError: with the nearest known type, or the key.
        """
        if event.type not in self.types:
            from difflib import get_close_matches  # noqa: PLC0415 - only to word an error

            near = get_close_matches(event.type, sorted(self.types), 1)
            raise InputError(
                f"unknown event type `{event.type}`",
                where=f"event {event.id}",
                fix=f"did you mean `{near[0]}`?" if near else "",
            )
        if event.time.tzinfo is None:
            raise InputError("the time has no zone", where=f"event {event.id}", fix="give an aware time, e.g. in UTC")
        check_data(event)

    async def put(self, events: Sequence[Event], *, quiet: bool = False) -> int:
        """Store and fold events; returns how many were new.

        Raises:
            InputError: an unknown type, or data that a facet cannot read; nothing is stored.
        """
        told, moves = [], dict[str, tuple[Move, ...]]()
        for event in events:
            self.check(event)
            if event.type in STATES and "delivery" in event.data:
                event = await self._about_delivery(event, moves)  # noqa: PLW2901 - the same fact, told in full
            told.append(event)
        return await self.timeline.put(told, quiet=quiet, moves=moves)

    async def _about_delivery(self, event: Event, moves: dict[str, tuple[Move, ...]]) -> Event:
        """Complete what a page or a till says of a delivery, and move that delivery; only ever the customer's own."""
        delivery = await self.store.delivery(str(event.data["delivery"]))
        who = (await self.store.load([event.subject])).get(event.subject)
        if delivery is None or who is None or delivery.customer != who.customer.id:
            raise InputError("no such delivery of this customer", where=f"event {event.id}")
        moves[event.subject] = (*moves.get(event.subject, ()), Move(delivery.id, STATES[event.type]))
        told = {
            "message": delivery.message, "topic": delivery.topic, "purpose": delivery.purpose,
            "audience": delivery.audience, "channel": delivery.channel, "provider": delivery.provider,
        }  # fmt: skip
        return replace(event, data={**told, **event.data})

    async def take(self, source: str, told: Sequence[Report | Event]) -> int:
        """Store what a webhook of *source* (channel/provider) said; returns how many facts were new.

        Raises:
            TryLater: a report overtook the receipt it speaks of; the sender shall repeat it.
        """
        gathered = Gathered()
        for each in told:
            if isinstance(each, Event):
                self.check(each)
                if each.subject.startswith(PUBLIC):  # somebody spoke to all of us, before we ever did
                    await self.store.create([(each.subject, ())], self.timeline.now())
                gathered.events.append(each)
            else:
                await self._gather(source, each, gathered)
        new = await self.timeline.put(gathered.events, moves=gathered.moves)
        if gathered.early:  # the rest is stored; a repeat of it changes nothing
            raise TryLater("the receipt of this report is not here yet", retry_after=5)
        return new

    async def _gather(self, source: str, report: Report, gathered: Gathered) -> None:
        attempt = await self._attempt(source, report)
        if attempt is not None:
            await self._about_attempt(source, report, attempt, gathered)
            return
        if report.identity is not None:
            await self._about_identity(source, report, report.identity, gathered)
            return
        gathered.early |= self.timeline.now() - report.at < PATIENCE

    async def _attempt(self, source: str, report: Report) -> OpenAttempt | None:
        if report.attempt:
            found = await self.store.attempt_of(id_=report.attempt)
            if found is not None and f"{found.channel}/{found.provider}" == source:
                return found  # an event binds to an attempt of this very provider only
        if report.provider_id:
            return await self.store.attempt_of(provider=source.partition("/")[2], provider_id=report.provider_id)
        return None

    async def _about_attempt(self, source: str, report: Report, attempt: OpenAttempt, gathered: Gathered) -> None:
        delivery = await self.store.delivery(attempt.delivery)
        if delivery is None:
            return
        told = {
            "delivery": delivery.id, "message": delivery.message, "topic": delivery.topic, "purpose": delivery.purpose,
            "audience": delivery.audience, "channel": attempt.channel, "provider": attempt.provider,
            "attempt": attempt.id, "identity": attempt.identity, **report.data,
        }  # fmt: skip
        hard = bool(report.data.get("hard"))
        if hard or report.type == "message.complained":
            told["suppress"] = str(report.data.get("reason") or report.type.partition(".")[2])
        event = Event(report.id, source, report.type, report.at, delivery.customer, told)
        gathered.events.append(event)
        move = self._move(report, delivery, attempt)
        if move is not None:
            gathered.moves[event.subject] = (*gathered.moves.get(event.subject, ()), move)

    def _move(self, report: Report, delivery: Delivery, attempt: OpenAttempt) -> Move | None:
        state = STATES.get(report.type)
        if state is None or (state is State.OPENED and report.data.get("machine")):
            return None
        if state is not State.BOUNCED:
            return Move(delivery.id, state, provider_id=report.provider_id, attempt=attempt.id)
        reason = str(report.data.get("reason") or "bounced")
        now = self.timeline.now()
        if (
            (delivery.expires is None or now < delivery.expires)
            and delivery.audience == "person"
            and len(delivery.via) > 1
        ):
            tried = (*delivery.tried, f"{attempt.channel}/{attempt.provider}/{attempt.identity}")
            return Move(delivery.id, State.QUEUED, reason, due=now, tried=tried, attempt=attempt.id)  # the next route
        return Move(delivery.id, State.BOUNCED, reason, attempt=attempt.id)

    async def _about_identity(self, source: str, report: Report, identity: tuple[str, str], gathered: Gathered) -> None:
        found = self.identity(*identity)
        now = self.timeline.now()
        known = (await self.store.find([found.ref])).get(found.ref)
        customer = known or (await self.store.create([(self.ids.new(now), [found])], now))[0]
        if known is None:  # they wrote to us first
            gathered.events.append(
                Event(
                    f"identified:{customer}:{found.ref}",
                    "omnibus",
                    "customer.identified",
                    now,
                    customer,
                    {"identity": found.ref},
                )
            )
        told: Mapping[str, object] = {"channel": source.partition("/")[0], "identity": found.ref, **report.data}
        gathered.events.append(Event(report.id, source, report.type, report.at, customer, told))
