"""ADVANCE: journeys hear events and timers; each step is one commit of run, events and deliveries.

Journeys have nothing to call: they yield wishes, and the outbox of the same commit takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from omnibus.errors import Conflict, OmnibusError
from omnibus.inbound.definitions import read, write
from omnibus.model.context import Context
from omnibus.model.customer import PUBLIC
from omnibus.model.event import Event
from omnibus.model.ids import Ids
from omnibus.model.journey import Branch, Exit, Journey, Publish, Send, Wait, WaitFor, fill
from omnibus.model.run import Run
from omnibus.policies.quiet_hours import zone_of
from omnibus.store import Step, Wish
from omnibus.timeline import TRIES, Timeline, holds

SOURCE = "omnibus"
BATCH = 200
HEARD = 20  # events that moved a run, remembered so that none moves it twice

Wishing = Callable[[str, str, dict[str, Any], str, datetime | None], Wish]
Publishing = Callable[[str, tuple[str, ...], dict[str, Any], str], list[Wish]]


@dataclass(slots=True)
class Walk:
    """Gather what one walk from step to step amounts to, until the run waits or leaves."""

    node: str
    due: datetime | None = None
    waiting: tuple[str, ...] = ()
    reason: str = ""
    wishes: list[Wish] = field(default_factory=list)


class Journeys:
    """Move runs of journeys.

    Args:
        journeys: the definitions that new runs enter.
        wish: (message, customer, values, key, not before) → what the outbox takes.
        publish: (message, via, values, key) → the same for the public.
    """

    def __init__(
        self, timeline: Timeline, ids: Ids, journeys: Mapping[str, Journey], wish: Wishing, publish: Publishing,
        brand_zone: str = "UTC",
    ) -> None:  # fmt: skip
        self.timeline, self.store, self.ids = timeline, timeline.store, ids
        self.journeys, self.wish, self.publish, self.brand_zone = journeys, wish, publish, brand_zone
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
        """Let journeys hear what they have not heard, then move the runs whose time has come; returns how much was done."""
        events = await self.store.stirred(BATCH)
        for event in events:
            await self._hear(event)
        if events:
            await self.store.heard(events)
        runs = await self.store.runs(due=self.timeline.now(), last=BATCH)
        for run in runs:
            await self._wake(run)
        return len(events) + len(runs)

    async def _hear(self, event: Event) -> None:
        loaded = (await self.store.load([event.subject])).get(event.subject)
        if loaded is None:
            return
        customer = loaded.customer.id
        for run in await self.store.runs(customer=customer):
            journey = await self._definition(run)
            if journey is None or (run.started is not None and event.time < run.started):
                continue
            if event.type in journey.goal:
                await self._move(run, journey, Walk("", reason="goal reached"))
            elif event.type in run.waiting and _name(event) not in run.values.get("heard", ()):
                told = [*run.values.get("heard", ()), _name(event)][-HEARD:]  # a crash may let us hear it again
                taken = replace(run, values={**run.values, "heard": told})
                await self._go(taken, journey, journey.arm(run.node, taken=True))
        for journey in self.journeys.values():
            if journey.trigger.event == event.type and fnmatchcase(event.source, journey.trigger.source):
                await self._enter(journey, customer, event)

    async def _enter(self, journey: Journey, customer: str, event: Event) -> None:
        context = await self.timeline.read(customer)
        now = self.timeline.now()
        names = _names(context, event.data)
        entry = journey.entry_key(names).replace("\0", "")  # what a person wrote may hold one, a key may not
        if not entry or not all(holds(each, context, dict(event.data), now) for each in journey.trigger.where):
            return
        met = await self.store.runs(customer=customer, journey=journey.name, live=False)
        if any(run.entry == entry for run in met):
            return
        run = Run(
            self.ids.new(now), customer, journey.name, journey.version, entry, journey.first, revision=0,
            values={"event": dict(event.data), "heard": [_name(event)]}, started=now,
        )  # fmt: skip
        await self._go(run, journey, journey.first, new=True)

    async def _wake(self, run: Run) -> None:
        journey = await self._definition(run)
        if journey is None:
            await self._move(run, None, Walk("", reason="its definition is gone"))
            return
        step = journey.step(run.node)
        node = journey.arm(run.node, taken=False) if isinstance(step, WaitFor) else journey.after(run.node)
        await self._go(run, journey, node)

    async def _go(self, run: Run, journey: Journey, node: str | None, *, new: bool = False) -> None:
        """Walk from *node* until the run waits or leaves, and commit it."""
        context = await self.timeline.read(run.customer)
        try:
            walk = self._walk(run, journey, node, context)
        except (OmnibusError, KeyError) as error:  # a message or premise that is gone: this run ends, the others go on
            walk = Walk("", reason=f"failed: {error}")
        await self._move(run, journey, walk, new=new)

    def _walk(self, run: Run, journey: Journey, node: str | None, context: Context) -> Walk:
        now, names = self.timeline.now(), _names(context, run.values.get("event", {}))
        walk = Walk(node or "", reason="" if node else "finished")
        while walk.node:
            step, key = journey.step(walk.node), f"journey:{run.id}:{walk.node}"
            match step:
                case Send(message, values, delay):
                    at = now + delay if delay else None
                    walk.wishes.append(self.wish(message, run.customer, fill(values, names), key, at))
                case Publish(message, via):
                    walk.wishes += self.publish(message, via, {}, key)
                case Wait():
                    walk.due = self._until(step, context, now)
                    return walk
                case WaitFor(event, timeout):
                    walk.due, walk.waiting = now + timeout, (event,)
                    return walk
                case Branch(premise):
                    taken = holds(premise, context, dict(run.values.get("event", {})), now)
                    walk.node = journey.arm(walk.node, taken=taken) or ""
                    walk.reason = "" if walk.node else "finished"
                    continue
                case Exit(reason):
                    walk.node, walk.reason = "", reason
                    return walk
            walk.node = journey.after(walk.node) or ""
            walk.reason = "" if walk.node else "finished"
        return walk

    def _until(self, step: Wait, context: Context, now: datetime) -> datetime:
        if step.until is None:
            return now + (step.duration or timedelta())
        zone = zone_of(context.named("profile").zone or self.brand_zone)
        local = now.astimezone(zone)
        then = datetime.combine(local.date(), step.until, tzinfo=zone)
        return then if then > now else datetime.combine(local.date() + timedelta(days=1), step.until, tzinfo=zone)

    async def _move(self, run: Run, journey: Journey | None, walk: Walk, *, new: bool = False) -> None:
        moved = replace(
            run, node=walk.node, due=walk.due, waiting=walk.waiting, reason=walk.reason, revision=run.revision + 1
        )
        audiences = [
            each.customer for wish in walk.wishes for each in wish.deliveries if each.customer.startswith(PUBLIC)
        ]
        if audiences:  # the first word to an account's followers
            await self.store.create([(each, ()) for each in audiences], self.timeline.now())
        for _ in range(TRIES):
            loaded = (await self.store.load([run.customer]))[run.customer]
            change = await self.timeline.fold(loaded, self._events(run, moved, new=new))
            if (await self.store.step([Step(moved, None if new else run.revision, change, tuple(walk.wishes))]))[0]:
                self.timeline.ring([run.customer])
                return
            if not await self._still(run, new=new):
                return  # the event or the timer was faster, and did it
        raise Conflict("the context kept moving; try again")

    async def _still(self, run: Run, *, new: bool) -> bool:
        met = await self.store.runs(customer=run.customer, journey=run.journey, live=False)
        if new:
            return not any(each.entry == run.entry for each in met)
        return any(each.id == run.id and each.revision == run.revision for each in met)

    def _events(self, run: Run, moved: Run, *, new: bool) -> list[Event]:
        now = self.timeline.now()
        told = {"journey": run.journey, "version": run.version, "run": run.id, "node": moved.node}
        kind = "entered" if new else "advanced" if moved.node else "left"
        events = [Event(f"{run.id}:{moved.revision}", SOURCE, f"journey.{kind}", now, run.customer, told)]
        if new and not moved.node:
            kind = "left"
            events.append(Event(f"{run.id}:{moved.revision}:left", SOURCE, "journey.left", now, run.customer, told))
        if kind == "left":
            events[-1] = replace(events[-1], data={**told, "reason": moved.reason})
        return events

    async def _definition(self, run: Run) -> Journey | None:
        key = (run.journey, run.version)
        if key not in self._known:
            body = await self.store.definition(*key)
            if body is None:
                return None
            self._known[key] = read(body)
        return self._known[key]


def _name(event: Event) -> str:
    return f"{event.source} {event.id}"


def _names(context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
    view = context.view()
    return {**view, "customer": {**view["profile"], "id": context.customer.id}, "event": dict(event)}
