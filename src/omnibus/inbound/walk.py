"""WALK: one run from step to step, until it waits or leaves. Reads nothing, commits nothing: it yields wishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from omnibus.errors import FacetError, OmnibusError
from omnibus.model.context import Context
from omnibus.model.event import Event
from omnibus.model.journey import Branch, Exit, Journey, Publish, SendStep, Wait, WaitFor, fill
from omnibus.model.run import Run
from omnibus.policies.quiet_hours import zone_of
from omnibus.premises import holds
from omnibus.store import Wish

SOURCE = "omnibus"

Wishing = Callable[[str, str, dict[str, Any], str, datetime | None], Wish]
Publishing = Callable[[str, tuple[str, ...], dict[str, Any], str], list[Wish]]


@dataclass(slots=True)
class Walk:
    """Gather what one walk amounts to."""

    node: str
    due: datetime | None = None
    waiting: tuple[str, ...] = ()
    reason: str = ""
    wishes: list[Wish] = field(default_factory=list)

    def of(self, run: Run) -> Run:
        """Give the run as it stands afterwards."""
        return replace(
            run, node=self.node, due=self.due, waiting=self.waiting, reason=self.reason, revision=run.revision + 1
        )


@dataclass(frozen=True, slots=True)
class Guide:
    """Lead runs through the steps of their journeys.

    Args:
        wish: (message, customer, values, key, not before) → what the outbox takes.
        publish: (message, via, values, key) → the same for the public.
        brand_zone: for people whose zone is not known.
    """

    wish: Wishing
    publish: Publishing
    brand_zone: str

    def walk(self, run: Run, journey: Journey, node: str | None, context: Context, now: datetime) -> Walk:
        """Walk from *node*; where a message or premise is gone, this run ends and the others go on.

        Raises:
            FacetError: a step asks a facet that is not known.
        """
        try:
            return self._walk(run, journey, node, context, now)
        except FacetError:
            raise
        except (OmnibusError, KeyError) as error:
            return Walk("", reason=f"failed: {error}")

    def _walk(self, run: Run, journey: Journey, node: str | None, context: Context, now: datetime) -> Walk:
        told = run.values.get("event", {})
        walk = Walk(node or "", reason="" if node else "finished")
        while walk.node:
            step, key = journey.step(walk.node), f"journey:{run.id}:{walk.node}"
            match step:
                case SendStep(message, values, delay):
                    at = now + delay if delay else None
                    filled = fill(values, Nameable(context, told))
                    walk.wishes.append(self.wish(message, run.customer, filled, key, at))
                case Publish(message, via):
                    walk.wishes += self.publish(message, via, {}, key)
                case Wait():
                    walk.due = self._until(step, context, now)
                    return walk
                case WaitFor(event, timeout):
                    walk.due, walk.waiting = now + timeout, (event,)
                    return walk
                case Branch(premise):
                    taken = holds(premise, context, dict(told), now)
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


def facts(moved: Run, now: datetime, *, new: bool) -> list[Event]:
    """State what happened to a run; the same happening always gets the same id."""
    told = {"journey": moved.journey, "version": moved.version, "run": moved.id, "node": moved.node}
    kind = "entered" if new else "advanced" if moved.node else "left"
    events = [Event(f"{moved.id}:{moved.revision}", SOURCE, f"journey.{kind}", now, moved.customer, told)]
    if new and not moved.node:
        kind = "left"
        events.append(Event(f"{moved.id}:{moved.revision}:left", SOURCE, "journey.left", now, moved.customer, told))
    if kind == "left":
        events[-1] = replace(events[-1], data={**told, "reason": moved.reason})
    return events


class Nameable(Mapping[str, Any]):
    """Give what a journey's templates may name: every facet, the customer, and the event that a run entered by."""

    def __init__(self, context: Context, event: Mapping[str, Any]) -> None:
        self._context, self._event = context, event

    def __getitem__(self, name: str) -> Any:
        """Give the view of one; a facet is folded or not whatever becomes of the others.

        Raises:
            KeyError: there is no such name.
            FacetError: that facet is not known.
        """
        if name == "event":
            return dict(self._event)
        if name == "customer":
            return {**self["profile"], "id": self._context.customer.id}
        return self._context.view((name,))[name]

    def __iter__(self) -> Iterator[str]:
        """List the names."""
        return iter((*self._context.names, "customer", "event"))

    def __len__(self) -> int:
        """Count the names."""
        return len(self._context.names) + 2
