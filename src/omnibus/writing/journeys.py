"""``journeys/*.yaml`` → ``Journey``; every wrong step is named with file, line and fix."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Any

from omnibus.errors import JourneyError
from omnibus.model.duration import read_duration
from omnibus.model.event import EVENT_TYPES
from omnibus.model.journey import Branch, Exit, Journey, Publish, SendStep, Step, Trigger, Wait, WaitFor
from omnibus.settings.words import suggest
from omnibus.writing.marked import Marked, read_yaml

KEYS = ("name", "version", "trigger", "goal", "once", "key", "steps")
#: step kind → the keys that may stand beside it
STEPS = {
    "send": ("values", "in"), "publish": ("via",), "wait": (), "wait_for": ("timeout", "then", "else"),
    "branch": ("then", "else"), "exit": (),
}  # fmt: skip

_EVENT = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")
_CORE_NOUNS = frozenset(each.partition(".")[0] for each in EVENT_TYPES)
_PREMISE = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")

At = tuple[str | int, ...]


def read_journeys(
    folder: Path, *, messages: Collection[str] | None = None, premises: Collection[str] | None = None
) -> dict[str, Journey]:
    """Read every ``*.yaml`` of a folder; a folder that is not there holds none.

    Args:
        messages, premises: what is known; None checks nothing of the kind.

    Raises:
        JourneyError: the first file that is wrong; two files of one name.
    """
    found: dict[str, Journey] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        journey = read_journey(path, messages=messages, premises=premises)
        if journey.name in found:
            what = f"there is a second journey `{journey.name}`"
            raise JourneyError(what, where=journey.source, fix=f"{found[journey.name].source} is the first")
        found[journey.name] = journey
    return found


def read_journey(
    path: Path, *, messages: Collection[str] | None = None, premises: Collection[str] | None = None
) -> Journey:
    """Read one journey file.

    Args:
        messages, premises: what is known; None checks nothing of the kind.

    Raises:
        JourneyError: with file, line and fix.
    """
    source = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise JourneyError(f"cannot be read ({type(error).__name__})", where=source) from None
    marked = read_yaml(text, source, JourneyError)
    told = marked.value
    marked.only(told, KEYS)
    for key in ("trigger", "steps"):
        if key not in told:
            raise marked.wrong(f"`{key}` is missing", fix=f"add `{key}:`")
    once = told.get("once", "per customer")
    if once not in {"per customer", "per key"}:
        raise marked.wrong("`once` must be `per customer` or `per key`", "once")
    key = told.get("key", "")
    if (once == "per key") != bool(key) or not isinstance(key, str):
        fix = "e.g. once: per key, key: cart.id"
        raise marked.wrong("`once: per key` and `key` belong together", "key" if key else "once", fix=fix)
    version = told.get("version", hashlib.sha256(text.encode()).hexdigest()[:12])
    journey = Journey(
        str(told.get("name", path.stem)), str(version), _trigger(marked), _steps(marked, ("steps",)),
        goal=_events(marked, "goal"), once=once, key=key, source=source,
    )  # fmt: skip
    _check_names(marked, journey, messages, premises)
    return journey


def _check_names(
    marked: Marked, journey: Journey, messages: Collection[str] | None, premises: Collection[str] | None
) -> None:
    for premise in journey.trigger.where:
        if premises is not None and premise not in premises:
            fix = suggest(premise, premises)
            raise marked.wrong(f"unknown premise `{premise}`", "trigger", "where", fix=fix)
    for node, step in journey.nodes():
        at = ("steps", *(int(part) if part.isdecimal() else part for part in node.split(".")))
        if isinstance(step, SendStep | Publish) and messages is not None and step.message not in messages:
            raise marked.wrong(f"unknown message `{step.message}`", *at, fix=suggest(step.message, messages))
        if isinstance(step, Branch) and premises is not None and step.premise not in premises:
            raise marked.wrong(f"unknown premise `{step.premise}`", *at, fix=suggest(step.premise, premises))


def _trigger(marked: Marked) -> Trigger:
    told = marked.value["trigger"]
    if isinstance(told, str):
        return Trigger(_event(marked, told, ("trigger",)))
    if not isinstance(told, dict):
        raise marked.wrong("`trigger` must be an event or a table", "trigger", fix="trigger: { event: cart.updated }")
    marked.only(told, ("event", "where", "source"), "trigger")
    if "event" not in told:
        raise marked.wrong("`trigger` needs an event", "trigger", fix="add `event: cart.updated`")
    where = tuple(
        _premise(marked, each, ("trigger", "where")) for each in _list(marked, told.get("where"), ("trigger", "where"))
    )
    source = told.get("source", "*")
    if not isinstance(source, str):
        raise marked.wrong("`source` must be text", "trigger", "source")
    return Trigger(_event(marked, told["event"], ("trigger", "event")), where, source)


def _steps(marked: Marked, at: At) -> tuple[Step, ...]:
    told: Any = marked.value
    for part in at:
        told = told[part]
    if not isinstance(told, list) or not told:
        raise marked.wrong("there must be a list of steps", *at, fix="- send: some-message")
    return tuple(_step(marked, each, (*at, index)) for index, each in enumerate(told))


def _step(marked: Marked, told: Any, at: At) -> Step:
    step = {told: None} if isinstance(told, str) else told
    kinds = [key for key in step if key in STEPS] if isinstance(step, dict) else []
    if not isinstance(step, dict) or len(kinds) != 1:
        word = next((key for key in step if key not in STEPS), "") if isinstance(step, dict) else ""
        what = f"unknown step `{word}`" if word and not kinds else "a step must be exactly one thing"
        raise marked.wrong(what, *at, fix=suggest(str(word), STEPS) if word else f"known are {', '.join(STEPS)}")
    kind = kinds[0]
    if isinstance(step[kind], dict) and kind in {"wait_for", "publish", "send", "branch"}:
        raise marked.wrong(f"`{kind}` must be text", *at, kind, fix="write its other keys beside it, not below it")
    marked.only(step, (kind, *STEPS[kind]), *at)
    return _MAKERS[kind](marked, step, at)


def _send(marked: Marked, step: Mapping[str, Any], at: At) -> Step:
    values = step.get("values") or {}
    if not isinstance(values, dict):
        raise marked.wrong("`values` must be a table", *at, "values", fix='values: { order: "{{ event.id }}" }')
    delay = _duration(marked, step["in"], (*at, "in"), "in") if "in" in step else None
    return SendStep(_word(marked, step["send"], (*at, "send"), "a message"), values, delay)


def _publish(marked: Marked, step: Mapping[str, Any], at: At) -> Step:
    via = tuple(_word(marked, each, (*at, "via"), "a channel") for each in _list(marked, step.get("via"), (*at, "via")))
    return Publish(_word(marked, step["publish"], (*at, "publish"), "a message"), via)


def _wait(marked: Marked, step: Mapping[str, Any], at: At) -> Step:
    told = step["wait"]
    if isinstance(told, dict):
        marked.only(told, ("until",), *at, "wait")
        clock = _CLOCK.fullmatch(str(told.get("until", "")))
        if not clock:
            raise marked.wrong("`until` must be a time of day", *at, "wait", fix='wait: { until: "09:00" }')
        return Wait(until=time(int(clock[1]), int(clock[2])))
    return Wait(_duration(marked, told, (*at, "wait"), "wait"))


def _wait_for(marked: Marked, step: Mapping[str, Any], at: At) -> Step:
    if "timeout" not in step:
        raise marked.wrong("`wait_for` needs a timeout", *at, fix="add `timeout: 1d`, or it might wait for ever")
    event = _event(marked, step["wait_for"], (*at, "wait_for"))
    timeout = _duration(marked, step["timeout"], (*at, "timeout"), "timeout")
    return WaitFor(event, timeout, _arm(marked, step, at, "then"), _arm(marked, step, at, "else"))


def _branch(marked: Marked, step: Mapping[str, Any], at: At) -> Step:
    premise = _premise(marked, step["branch"], (*at, "branch"))
    if not step.get("then") and not step.get("else"):
        raise marked.wrong("`branch` needs `then` or `else`", *at, fix="add `then:` with steps below it")
    return Branch(premise, _arm(marked, step, at, "then"), _arm(marked, step, at, "else"))


def _exit(marked: Marked, step: Mapping[str, Any], at: At) -> Step:
    told = step["exit"]
    return Exit() if told is None else Exit(_word(marked, told, (*at, "exit"), "a reason"))


_MAKERS = {
    "send": _send, "publish": _publish, "wait": _wait, "wait_for": _wait_for, "branch": _branch, "exit": _exit,
}  # fmt: skip


def _arm(marked: Marked, step: Mapping[str, Any], at: At, name: str) -> tuple[Step, ...]:
    return _steps(marked, (*at, name)) if step.get(name) else ()


def _duration(marked: Marked, told: Any, at: At, key: str) -> timedelta:
    try:
        return read_duration(told)
    except ValueError as error:
        raise marked.wrong(f"`{key}` {error}", *at) from None


def _word(marked: Marked, told: Any, at: At, what: str) -> str:
    if not isinstance(told, str) or not told.strip():
        raise marked.wrong(f"`{at[-1]}` needs {what}", *at)
    return told.strip()


def _event(marked: Marked, told: Any, at: At) -> str:
    if not isinstance(told, str) or not _EVENT.fullmatch(told):
        raise marked.wrong(f"`{at[-1]}` needs an event type", *at, fix="write it as noun.past, e.g. order.placed")
    noun = told.partition(".")[0]
    if told not in EVENT_TYPES and noun in _CORE_NOUNS:  # other nouns are plugins'
        raise marked.wrong(f"unknown event type `{told}`", *at, fix=suggest(told, EVENT_TYPES))
    return told


def _premise(marked: Marked, told: Any, at: At) -> str:
    if not isinstance(told, str) or not _PREMISE.fullmatch(told):
        raise marked.wrong(f"`{at[-1]}` needs a premise", *at, fix="write it as facet.word, e.g. cart.open")
    return told


def _events(marked: Marked, key: str) -> tuple[str, ...]:
    return tuple(_event(marked, each, (key,)) for each in _list(marked, marked.value.get(key), (key,)))


def _list(marked: Marked, told: Any, at: At) -> list[Any]:
    if told is None:
        return []
    if isinstance(told, str):
        return [told]
    if not isinstance(told, list):
        raise marked.wrong(f"`{at[-1]}` must be a list", *at)
    return told
