"""What to say as things happen: a trigger, steps, a goal. Read from YAML by ``omnibus.writing.journeys``.

A run stands at a *node*: the path of a step, e.g. ``2`` or ``3.then.0``. The functions here only tell which
node comes next; the rows that hold runs, and the clock, are elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Any, Literal

_PATH = re.compile(r"\{\{\s*([a-z_][\w.]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Trigger:
    """Say which event lets a customer enter.

    Args:
        event: an event type, e.g. ``cart.updated``.
        where: premises that must hold at that moment.
        source: glob on the event's source, e.g. ``till*``.
    """

    event: str
    where: tuple[str, ...] = ()
    source: str = "*"


@dataclass(frozen=True, slots=True)
class SendStep:
    """Send a message; a value ``{{ event.id }}`` is looked up when the step is reached, others stand as they are.

    Args:
        delay: how long it waits in the outbox, where a premise that breaks ends it; the run goes on at once.
    """

    message: str
    values: Mapping[str, Any] = field(default_factory=dict)
    delay: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish a message to the public of some channels."""

    message: str
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for a while, or until a time of day in the customer's zone; exactly one is given."""

    duration: timedelta | None = None
    until: time | None = None


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait for an event: goes on by *then* when it comes in time, else by *else_*; both may be empty."""

    event: str
    timeout: timedelta
    then: tuple[Step, ...] = ()
    else_: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """Go by *then* when a premise holds at this moment, else by *else_*."""

    premise: str
    then: tuple[Step, ...] = ()
    else_: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """Leave here; *reason* is noted on the run."""

    reason: str = "exit"


Step = SendStep | Publish | Wait | WaitFor | Branch | Exit


@dataclass(frozen=True, slots=True)
class Journey:
    """Hold one journey file; frozen, so a run can stay on its version.

    Args:
        version: number from the file, or a hash of it.
        goal: event types that end a run at once, wherever it stands.
        once: ``per customer`` (never again) or ``per key`` (once for each value of *key*).
        key: path into the names, e.g. ``cart.id`` or ``event.id`` (data of the trigger event).
        source: the file it came from, for errors.
    """

    name: str
    version: str
    trigger: Trigger
    steps: tuple[Step, ...]
    goal: tuple[str, ...] = ()
    once: Literal["per customer", "per key"] = "per customer"
    key: str = ""
    source: str = ""

    def entry_key(self, names: Mapping[str, Any]) -> str:
        """Tell what a customer may enter only once: ``*`` per customer, else the value at *key* (empty: no entry)."""
        if self.once == "per customer":
            return "*"
        found = look_up(self.key, names)
        return "" if found is None else str(found)

    @property
    def first(self) -> str:
        """Give the node a run begins at."""
        return "0"

    def step(self, node: str) -> Step:
        """Give the step at a node.

        Raises:
            KeyError: this version has no such node.
        """
        steps, index = self._at(node)
        return steps[index]

    def after(self, node: str) -> str | None:
        """Give the node that follows, leaving finished arms; None at the end."""
        while True:
            steps, index = self._at(node)
            head, _, _ = node.rpartition(".")
            if index + 1 < len(steps):
                return f"{head}.{index + 1}" if head else str(index + 1)
            if not head:
                return None
            node = head.rpartition(".")[0]

    def arm(self, node: str, *, taken: bool) -> str | None:
        """Give the node after a Branch or WaitFor: the first of the arm, or what follows when that arm is empty."""
        step = self.step(node)
        if isinstance(step, Branch | WaitFor) and (step.then if taken else step.else_):
            return f"{node}.{'then' if taken else 'else'}.0"
        return self.after(node)

    def nodes(self) -> Iterator[tuple[str, Step]]:
        """List all nodes with their steps, in the order of the file."""
        return _walk(self.steps, "")

    def _at(self, node: str) -> tuple[tuple[Step, ...], int]:
        parts = node.split(".")
        steps, index = self.steps, _index(parts[0], self.steps, node)
        for arm, place in zip(parts[1::2], parts[2::2], strict=True):
            step = steps[index]
            if not isinstance(step, Branch | WaitFor) or arm not in {"then", "else"}:
                raise KeyError(node)
            steps = step.then if arm == "then" else step.else_
            index = _index(place, steps, node)
        return steps, index


def _index(place: str, steps: tuple[Step, ...], node: str) -> int:
    if not place.isdecimal() or int(place) >= len(steps):
        raise KeyError(node)
    return int(place)


def _walk(steps: tuple[Step, ...], before: str) -> Iterator[tuple[str, Step]]:
    for index, step in enumerate(steps):
        node = f"{before}{index}"
        yield node, step
        if isinstance(step, Branch | WaitFor):
            yield from _walk(step.then, f"{node}.then.")
            yield from _walk(step.else_, f"{node}.else.")


def look_up(path: str, names: Mapping[str, Any]) -> Any:
    """Follow a dotted path through mappings and lists (``cart.lines.0.sku``); None where it leads nowhere."""
    found: Any = names
    for part in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list | tuple) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def fill(values: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """Replace values that are wholly ``{{ path }}`` by what stands there (None when nothing does); copy the others."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        path = _PATH.fullmatch(value) if isinstance(value, str) else None
        made[name] = look_up(path[1], names) if path else value
    return made
