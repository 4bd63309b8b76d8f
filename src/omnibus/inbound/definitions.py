"""Journey definitions as stored JSON, so that a run can stay on the version it entered."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import time, timedelta
from typing import Any

from omnibus.model.journey import Branch, Exit, Journey, Publish, SendStep, Step, Trigger, Wait, WaitFor

KINDS: dict[str, type[Any]] = {
    "send": SendStep, "publish": Publish, "wait": Wait, "wait_for": WaitFor, "branch": Branch, "exit": Exit,
}  # fmt: skip
_NAMES = {kind: name for name, kind in KINDS.items()}


def write(journey: Journey) -> str:
    """Write a journey as JSON."""
    told = asdict(journey) | {"steps": [_write_step(each) for each in journey.steps]}
    return json.dumps(told, default=_plain, sort_keys=True)


def read(text: str) -> Journey:
    """Read what ``write`` wrote."""
    told = json.loads(text)
    trigger = told.pop("trigger")
    told["trigger"] = Trigger(trigger["event"], tuple(trigger["where"]), trigger["source"])
    told["goal"], told["steps"] = tuple(told["goal"]), _read_steps(told["steps"])
    return Journey(**told)


def _write_step(step: Step) -> dict[str, Any]:
    told = {name: getattr(step, name) for name in step.__dataclass_fields__}
    for arm in ("then", "else_"):
        if arm in told:
            told[arm] = [_write_step(each) for each in told[arm]]
    return {"kind": _NAMES[type(step)], **told}


def _read_steps(told: list[dict[str, Any]]) -> tuple[Step, ...]:
    steps = []
    for each in told:
        fields = dict(each)
        kind = KINDS[fields.pop("kind")]
        for arm in ("then", "else_"):
            if arm in fields:
                fields[arm] = _read_steps(fields[arm])
        for name in ("duration", "timeout", "delay"):
            if fields.get(name) is not None:
                fields[name] = timedelta(seconds=fields[name])
        if fields.get("until") is not None:
            fields["until"] = time.fromisoformat(fields["until"])
        if "via" in fields:
            fields["via"] = tuple(fields["via"])
        steps.append(kind(**fields))
    return tuple(steps)


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, time) else str(value)
