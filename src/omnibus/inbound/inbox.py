"""INBOX: reports become events, durable and folded in one commit, before anyone is told that we have them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from omnibus.errors import InputError, OmnibusError, StoreFull, TryLater
from omnibus.inbound.crossing import Crossing
from omnibus.inbound.door import check_data
from omnibus.model.attempt import Report
from omnibus.model.customer import PUBLIC, Identity
from omnibus.model.delivery import State
from omnibus.model.event import EVENT_TYPES, Event
from omnibus.model.ids import Ids
from omnibus.model.route import tried_key
from omnibus.model.trace import Clue, Trace
from omnibus.store import Loaded, Move, Survey
from omnibus.timeline import Timeline
from omnibus.together import Told

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


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold what one caller told: a webhook of *source* (channel/provider), or the app when that is empty.

    Args:
        follow: events are of whoever their subject is now, after merges.
    """

    source: str
    told: Sequence[Report | Event]
    quiet: bool = False
    follow: bool = False


@dataclass(slots=True)
class Gathered:
    """Hold what one caller's words amount to, before it is stored."""

    asked: Asked
    events: list[Event] = field(default_factory=list)
    moves: dict[str, tuple[Move, ...]] = field(default_factory=dict)
    strangers: list[tuple[Report, Identity]] = field(default_factory=list)
    early: bool = False
    fault: Exception | None = None

    def move(self, subject: str, move: Move) -> None:
        """Add a move of one of a customer's deliveries."""
        self.moves[subject] = (*self.moves.get(subject, ()), move)


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
        self._crossing: Crossing[Asked, int] = Crossing(self._carry)

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

    async def put(self, events: Sequence[Event], *, quiet: bool = False, follow: bool = False) -> int:
        """Store and fold events, with whatever else is told meanwhile; returns how many were new.

        Args:
            follow: they are of whoever their subject is now, after merges.

        Raises:
            InputError: an unknown type, or data that a facet cannot read; nothing is stored.
        """
        for event in events:
            self.check(event)
        return await self._crossing.take(Asked("", events, quiet, follow)) if events else 0

    async def take(self, source: str, told: Sequence[Report | Event]) -> int:
        """Store what a webhook of *source* (channel/provider) said, each fact for itself; returns how many were new.

        Raises:
            TryLater: a report overtook the receipt it speaks of; the sender shall repeat it, and the others are stored.
            InputError: a fact cannot be read; the others are stored.
        """
        answers = await self.put_each(told, source=source)
        faults = [each for each in answers if isinstance(each, BaseException)]
        if faults:  # what goes by itself when it is repeated is told first
            raise next((each for each in faults if not isinstance(each, InputError)), faults[0])
        return sum(each for each in answers if isinstance(each, int))

    async def put_each(
        self, told: Sequence[Report | Event], *, source: str = "", quiet: bool = False
    ) -> list[int | BaseException]:
        """Store facts, each for itself; for each whether it was new, or what is wrong with it."""
        faults = [self._fault(each) for each in told]
        sound = [each for each, fault in zip(told, faults, strict=True) if fault is None]
        asked = [self._crossing.ask(Asked(source, [each], quiet)) for each in sound]
        answers = iter(await asyncio.gather(*asked, return_exceptions=True))
        return [next(answers) if fault is None else fault for fault in faults]

    def _fault(self, told: Report | Event) -> InputError | None:
        try:
            if isinstance(told, Event):
                self.check(told)
        except InputError as error:
            return error
        return None

    async def _carry(self, asked: Sequence[Asked]) -> list[int | Exception]:
        """Store what several told, in one commit; a fault of one is given to that one."""
        try:
            return await self._carry_all(asked)
        except StoreFull:
            raise
        except Exception as error:  # noqa: BLE001 - of whom is not known yet
            if len(asked) == 1:
                return [error]
            return [answer for each in asked for answer in await self._carry([each])]

    async def _carry_all(self, asked: Sequence[Asked]) -> list[int | Exception]:
        seen = await self._survey(asked)
        traces = iter(seen.traces)
        gathered = [Gathered(each) for each in asked]
        for each in gathered:
            try:
                await self._gather(each, traces, seen.loaded)
            except OmnibusError as error:
                each.fault = error
        await self._introduce(gathered)
        sound = [each for each in gathered if each.fault is None]
        told = [Told(each.events, each.moves, quiet=each.asked.quiet) for each in sound]
        answers = iter(await self.timeline.put_all(told, seen))
        return [_answer(each, next(answers)) if each.fault is None else each.fault for each in gathered]

    async def _survey(self, asked: Sequence[Asked]) -> Survey:
        clues: list[Clue] = []
        keys: list[tuple[str, str]] = []
        subjects: dict[str, None] = {}
        for one in asked:
            for each in one.told:
                if isinstance(each, Event):
                    keys.append((each.source, each.id))
                    subjects[each.subject] = None
                else:
                    keys.append((one.source, each.id))
                    clues.append(_clue(one.source, each))
        return await self.store.survey(clues, keys, list(subjects))

    async def _gather(self, gathered: Gathered, traces: Iterator[Trace | None], loaded: dict[str, Loaded]) -> None:
        source, follow = gathered.asked.source, gathered.asked.follow
        pairs = [(each, None if isinstance(each, Event) else next(traces)) for each in gathered.asked.told]
        for each, trace in pairs:  # all of one's traces are taken, whatever is wrong with it
            if isinstance(each, Event):
                if follow and each.subject in loaded:
                    each = _followed(each, loaded)  # noqa: PLW2901 - of who they are now
                if not source and each.type in STATES and "delivery" in each.data:
                    each = await self._about_delivery(each, gathered)  # noqa: PLW2901 - the same fact, told in full
                gathered.events.append(each)
            elif trace is not None:
                self._about_attempt(source, each, trace, gathered)
            elif each.identity is not None:
                gathered.strangers.append((each, self.identity(*each.identity)))
            else:
                gathered.early |= self.timeline.now() - each.at < PATIENCE

    async def _about_delivery(self, event: Event, gathered: Gathered) -> Event:
        """Complete what a page or a till says of a delivery, and move that delivery; only ever the customer's own."""
        delivery = await self.store.delivery(str(event.data["delivery"]))
        who = (await self.store.load([event.subject])).get(event.subject)
        if delivery is None or who is None or delivery.customer != who.customer.id:
            raise InputError("no such delivery of this customer", where=f"event {event.id}")
        gathered.move(event.subject, Move(delivery.id, STATES[event.type]))
        told = {
            "message": delivery.message, "topic": delivery.topic, "purpose": delivery.purpose,
            "audience": delivery.audience, "channel": delivery.channel, "provider": delivery.provider,
        }  # fmt: skip
        return replace(event, data={**told, **event.data})

    def _about_attempt(self, source: str, report: Report, trace: Trace, gathered: Gathered) -> None:
        told = {
            "delivery": trace.delivery, "message": trace.message, "topic": trace.topic, "purpose": trace.purpose,
            "audience": trace.audience, "channel": trace.channel, "provider": trace.provider,
            "attempt": trace.attempt, "identity": trace.identity, **report.data,
        }  # fmt: skip
        if report.data.get("hard") or report.type == "message.complained":
            told["suppress"] = str(report.data.get("reason") or report.type.partition(".")[2])
        gathered.events.append(Event(report.id, source, report.type, report.at, trace.customer, told))
        move = self._move(report, trace)
        if move is not None:
            gathered.move(trace.customer, move)

    def _move(self, report: Report, trace: Trace) -> Move | None:
        state = STATES.get(report.type)
        if state is None or (state is State.OPENED and report.data.get("machine")):
            return None
        if state is not State.BOUNCED:
            return Move(trace.delivery, state, provider_id=report.provider_id, attempt=trace.attempt)
        reason = str(report.data.get("reason") or "bounced")
        now = self.timeline.now()
        if (trace.expires is None or now < trace.expires) and trace.audience == "person" and len(trace.via) > 1:
            tried = (*trace.tried, tried_key(trace.channel, trace.provider, trace.identity))
            return Move(
                trace.delivery, State.QUEUED, reason, due=now, tried=tried, attempt=trace.attempt
            )  # the next route
        return Move(trace.delivery, State.BOUNCED, reason, attempt=trace.attempt)

    async def _introduce(self, gathered: Sequence[Gathered]) -> None:
        """Find or make the customers whom reports name by an identity only, and the publics that somebody spoke to."""
        sound = [each for each in gathered if each.fault is None]
        now, met = self.timeline.now(), [(each, *stranger) for each in sound for stranger in each.strangers]
        known = await self.store.find(list({found.ref: None for _, _, found in met})) if met else {}
        new = {found.ref: found for _, _, found in met if found.ref not in known}
        spoken = {event.subject: None for each in sound for event in each.events if event.subject.startswith(PUBLIC)}
        there = await self.store.now_called(list(spoken)) if spoken else {}
        publics = [each for each in spoken if each not in there]
        wanted = [(each, ()) for each in publics] + [(self.ids.new(now), (found,)) for found in new.values()]
        who = await self.store.create(wanted, now) if wanted else []
        people = {**known, **dict(zip(new, who[len(publics) :], strict=True))}
        for each, report, found in met:
            source, customer = each.asked.source, people[found.ref]
            if found.ref in new:  # they wrote to us first
                id_, told = f"identified:{customer}:{found.ref}", {"identity": found.ref}
                each.events.append(Event(id_, "omnibus", "customer.identified", now, customer, told))
            data: Mapping[str, object] = {"channel": source.partition("/")[0], "identity": found.ref, **report.data}
            each.events.append(Event(report.id, source, report.type, report.at, customer, data))


def _followed(event: Event, loaded: dict[str, Loaded]) -> Event:
    mine = loaded[event.subject]
    now = mine.customer.id
    if now == event.subject:
        return event
    loaded.setdefault(now, mine)
    return replace(event, subject=now)


def _clue(source: str, report: Report) -> Clue:
    channel, _, provider = source.partition("/")
    return Clue(channel, provider, report.attempt or "", report.provider_id or "")


def _answer(gathered: Gathered, answer: int | Exception) -> int | Exception:
    if gathered.early and not isinstance(answer, Exception):  # the rest is stored; a repeat of it changes nothing
        return TryLater("the receipt of this report is not here yet", retry_after=5)
    return answer
