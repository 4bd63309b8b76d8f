"""ADVANCE: journeys hear events and timers; each step is one commit of runs, events and deliveries.

Journeys have nothing to call: they yield wishes, and the outbox of the same commit takes them. What there is to do is taken
in rounds: in each, the first event or timer of every customer, all of them in one commit. So a customer's events are heard in
their order, and those of different customers together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from omnibus.errors import Conflict, FacetError
from omnibus.inbound.definitions import read, write
from omnibus.inbound.walk import Guide, Nameable, Publishing, Walk, Wishing, facts
from omnibus.model.context import Context
from omnibus.model.customer import PUBLIC
from omnibus.model.event import Event
from omnibus.model.ids import Ids
from omnibus.model.journey import Journey, WaitFor
from omnibus.model.run import Run
from omnibus.premises import holds
from omnibus.store import EntryKey, Step, Stride, Walker, Wish
from omnibus.timeline import TRIES, Timeline

BATCH = 200
TOGETHER = 32  # customers in one commit: some milliseconds of SQLite's writer
REST = timedelta(minutes=15)  # until a run asks again for a facet that is not known
HEARD = 20  # events that moved a run, remembered so that none moves it twice

Cue = Event | Run  # what moves a customer's runs: an event, or the time of one of them


@dataclass(slots=True, eq=False)
class Turn:
    """Gather what follows from one cue for its customer."""

    cue: Cue
    walker: Walker
    context: Context
    entries: dict[EntryKey, Journey] = field(default_factory=dict)
    strides: list[Stride] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    aside: bool = False

    @contextmanager
    def knowing(self) -> Iterator[None]:
        """Put the cue aside when it asks a facet that is not known: nothing follows from it until it can be told."""
        try:
            yield
        except FacetError:
            self.aside, self.entries, self.strides, self.wishes = True, {}, [], []

    @property
    def customer(self) -> str:
        """Name whose it is."""
        return self.walker.loaded.customer.id

    def take(self, run: Run, walk: Walk, *, new: bool = False) -> None:
        """Take up where a run went."""
        self.strides.append(Stride(walk.of(run), None if new else run.revision))
        self.wishes += walk.wishes


class Journeys:
    """Move runs of journeys.

    Args:
        journeys: the definitions that new runs enter.
        wish, publish, brand_zone: as ``Guide`` takes them.
    """

    def __init__(
        self, timeline: Timeline, ids: Ids, journeys: Mapping[str, Journey], wish: Wishing, publish: Publishing,
        brand_zone: str = "UTC",
    ) -> None:  # fmt: skip
        self.timeline, self.store, self.ids = timeline, timeline.store, ids
        self.journeys, self.guide = journeys, Guide(wish, publish, brand_zone)
        self._known = {(each.name, each.version): each for each in journeys.values()}

    @property
    def hears(self) -> set[str]:
        """List the event types that any journey may hear."""
        found: set[str] = set()
        for each in self._known.values():
            found |= {each.trigger.event, *each.goal}
            found |= {step.event for _, step in each.nodes() if isinstance(step, WaitFor)}
        return found

    async def define(self) -> None:
        """Keep the definitions, so that runs can stay on them."""
        for each in self.journeys.values():
            await self.store.define(each.name, each.version, write(each))

    async def advance(self) -> int:
        """Let journeys hear what they have not heard, then move the runs whose time has come; returns how much was done.

        Raises:
            Conflict: somebody else kept moving the same customers.
        """
        cues = await self.store.cues(self.timeline.now(), BATCH)
        left: list[Cue] = [*cues.events, *cues.due]
        walkers, tries = cues.walkers, 0
        while left:
            turn, later = _first(left, walkers)
            again = await self._round(turn, walkers)
            tries = tries + 1 if len(again) == len(turn) else 0
            if tries == TRIES:
                raise Conflict("the context kept moving; try again")
            left = [*again, *later]
            moved = {_owner(each, walkers) for each in turn}
            if old := list(dict.fromkeys([_who(each) for each in left if _owner(each, walkers) in moved])):
                walkers = {**walkers, **await self.store.walkers(old)}
        return len(cues.events) + len(cues.due)

    async def _round(self, cues: Sequence[Cue], walkers: Mapping[str, Walker]) -> list[Cue]:
        """Take one cue of each of some customers, in one commit; lists those where somebody else was faster."""
        now, context = self.timeline.now(), self.timeline.context
        met = [(cue, walker) for cue in cues if (walker := walkers.get(_who(cue))) is not None]
        turns = [Turn(cue, walker, context(walker.loaded)) for cue, walker in met]
        for turn in turns:
            with turn.knowing():
                await (
                    self._hear(turn, turn.cue, now) if isinstance(turn.cue, Event) else self._wake(turn, turn.cue, now)
                )
        await self._enter(turns, now)
        await self._meet(turns, now)
        steps = [(turn, step) for turn in turns if (step := await self._step(turn, now)) is not None]
        nobody = tuple(cue for cue in cues if isinstance(cue, Event) and cue.subject not in walkers)
        wanted = [*(step for _, step in steps), *([Step(heard=nobody)] if nobody else [])]
        done = await self.store.step(wanted) if wanted else []
        self.timeline.ring([step.change.customer for _, step in steps if step.change is not None])
        return [turn.cue for (turn, _), ok in zip(steps, done, strict=False) if not ok]

    async def _hear(self, turn: Turn, event: Event, now: datetime) -> None:
        for run in turn.walker.runs:
            journey = await self._definition(run)
            if journey is None or (run.started is not None and event.time < run.started):
                continue
            if event.type in journey.goal:
                turn.take(run, Walk("", reason="goal reached"))
            elif event.type in run.waiting and _name(event) not in run.values.get("heard", ()):
                told = [*run.values.get("heard", ()), _name(event)][-HEARD:]  # a crash may let us hear it again
                taken, node = replace(run, values={**run.values, "heard": told}), journey.arm(run.node, taken=True)
                turn.take(taken, self.guide.walk(taken, journey, node, turn.context, now))
        triggered = [
            each for each in self.journeys.values()
            if each.trigger.event == event.type and fnmatchcase(event.source, each.trigger.source)
        ]  # fmt: skip
        names = Nameable(turn.context, event.data)
        for journey in triggered:
            what = journey.entry_key(names).replace("\0", "")  # what a person wrote may hold one, a key may not
            if what and all(holds(each, turn.context, dict(event.data), now) for each in journey.trigger.where):
                turn.entries[turn.customer, journey.name, what] = journey

    async def _enter(self, turns: Sequence[Turn], now: datetime) -> None:
        """Begin the runs that events ask for, unless they were begun before."""
        asked = [entry for turn in turns for entry in turn.entries]
        met = await self.store.entered(asked) if asked else set()
        for turn in turns:
            with turn.knowing():
                for entry, journey in turn.entries.items():
                    if entry not in met and isinstance(turn.cue, Event):
                        self._begin(turn, turn.cue, entry, journey, now)

    def _begin(self, turn: Turn, event: Event, entry: EntryKey, journey: Journey, now: datetime) -> None:
        run = Run(
            self.ids.new(now), turn.customer, journey.name, journey.version, entry[2], journey.first, revision=0,
            values={"event": dict(event.data), "heard": [_name(event)]}, started=now,
        )  # fmt: skip
        turn.take(run, self.guide.walk(run, journey, journey.first, turn.context, now), new=True)

    async def _wake(self, turn: Turn, due: Run, now: datetime) -> None:
        """Move a run whose time has come, unless an event was faster."""
        for run in turn.walker.runs:
            if (run.id, run.revision) == (due.id, due.revision):
                journey = await self._definition(run)
                if journey is None:
                    turn.take(run, Walk("", reason="its definition is gone"))
                    return
                waits = isinstance(journey.step(run.node), WaitFor)
                node = journey.arm(run.node, taken=False) if waits else journey.after(run.node)
                turn.take(run, self.guide.walk(run, journey, node, turn.context, now))

    async def _meet(self, turns: Sequence[Turn], now: datetime) -> None:
        """Make the publics that runs have a first word to."""
        wished = [each.customer for turn in turns for wish in turn.wishes for each in wish.deliveries]
        if audiences := [each for each in dict.fromkeys(wished) if each.startswith(PUBLIC)]:
            await self.store.create([(each, ()) for each in audiences], now)

    async def _step(self, turn: Turn, now: datetime) -> Step | None:
        if turn.aside:
            return _aside(turn.cue, now)
        heard = (turn.cue,) if isinstance(turn.cue, Event) else ()
        if not turn.strides:
            return Step(heard=heard) if heard else None
        told = [fact for each in turn.strides for fact in facts(each.run, now, new=each.before is None)]
        change = await self.timeline.fold(turn.walker.loaded, told, context=turn.context)
        return Step(tuple(turn.strides), change, tuple(turn.wishes), heard)

    async def _definition(self, run: Run) -> Journey | None:
        key = (run.journey, run.version)
        if key not in self._known:
            body = await self.store.definition(*key)
            if body is None:
                return None
            self._known[key] = read(body)
        return self._known[key]


def _aside(cue: Cue, now: datetime) -> Step:
    """Leave an event unheard until it is asked for again, and a run where it is for a while."""
    if isinstance(cue, Event):
        return Step(aside=(cue,))
    return Step((Stride(replace(cue, due=now + REST, revision=cue.revision + 1), cue.revision),))


def _first(cues: Sequence[Cue], walkers: Mapping[str, Walker]) -> tuple[list[Cue], list[Cue]]:
    """Part the first cue of each customer from all others."""
    turn, later, met = list[Cue](), list[Cue](), set[str]()
    for cue in cues:
        who = _owner(cue, walkers)
        (later if who in met or len(turn) == TOGETHER else turn).append(cue)
        met.add(who)
    return turn, later


def _who(cue: Cue) -> str:
    return cue.subject if isinstance(cue, Event) else cue.customer


def _owner(cue: Cue, walkers: Mapping[str, Walker]) -> str:
    """Name who is moved by a cue, as they are called now."""
    walker = walkers.get(_who(cue))
    return _who(cue) if walker is None else walker.loaded.customer.id


def _name(event: Event) -> str:
    return f"{event.source} {event.id}"
