"""What there is to measure, in order, and one run of it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from omnibus.bench import machine
from omnibus.bench.alone import Alone
from omnibus.bench.campaign_http import CampaignHttp
from omnibus.bench.crowded import Crowded
from omnibus.bench.goals import GOALS
from omnibus.bench.intake import Intake
from omnibus.bench.letters import Letters
from omnibus.bench.letters import room as mail_room
from omnibus.bench.memory import Memory
from omnibus.bench.notify import Notify
from omnibus.bench.peers import Peers
from omnibus.bench.rounds import Scene, Told, measure, measures_shown, rows_shown
from omnibus.bench.scenes import SMOKE, Bench, Size
from omnibus.bench.servers import SinkProcess
from omnibus.bench.spreading import Spreading
from omnibus.bench.waiting import Waiting
from omnibus.bench.wire import ClientScenes, room

SCHEMA = 3


@dataclass(slots=True)
class Ground:
    """Hold what scenes share: the workshop, the sinks, and what those can take."""

    bench: Bench
    sink: SinkProcess
    mail: SinkProcess
    peers: Peers
    room: dict[str, float] = field(default_factory=dict)


Make = Callable[[Ground], Awaitable[list[Scene]]]


async def _alone(ground: Ground, name: str) -> Scene:
    return next(each for each in Alone(ground.bench).scenes() if each.name == name)


async def _wire(ground: Ground, name: str) -> Scene:
    return next(each for each in ClientScenes(ground.sink, ground.bench.size.requests).scenes() if each.name == name)


async def _campaign(ground: Ground, name: str) -> Scene:
    wire = ClientScenes(ground.sink, ground.bench.size.requests)
    return await CampaignHttp(ground.bench, ground.sink, wire, ground.peers).scene()


async def _waiting(ground: Ground, name: str) -> Scene:
    return next(each for each in Waiting(ground.bench, ground.sink, ground.peers).scenes() if each.name == name)


async def _intake(ground: Ground, name: str) -> Scene:
    return next(each for each in Intake(ground.bench).scenes() if each.name == name)


async def _crowded(ground: Ground, name: str) -> Scene:
    return Crowded(ground.bench).scene()


async def _memory(ground: Ground, name: str) -> Scene:
    return Memory(ground.bench).scene()


async def _letters(ground: Ground, name: str) -> Scene:
    if "smtp" not in ground.room:
        await ground.mail.start()
        ground.room["smtp"] = await mail_room(ground.mail, 200 if ground.bench.size == SMOKE else 5000)
    return next(each for each in await Letters(ground.bench, ground.mail).scenes() if each.name == name)


async def _notify(ground: Ground, name: str) -> Scene:
    return Notify(ground.bench, ground.sink).scene()


async def _spreading(ground: Ground, name: str) -> Scene:
    return Spreading(ground.bench).scene()


#: scenario → what makes it; in the order in which they run
SCENES: dict[str, Callable[[Ground, str], Awaitable[Scene]]] = {
    "campaign-noop": _alone, "send-50-callers": _alone, "expansion": _alone, "folding": _alone,
    "http-client-1": _wire, "http-client-10": _wire, "http-client-50": _wire, "http-client-200": _wire,
    "campaign-http": _campaign, "latency": _waiting,
    "inbound": _intake, "import": _intake, "rebuild": _intake, "full-store": _crowded,
    "campaign-email": _letters, "compose": _letters, "smtp-client": _letters, "notify": _notify,
    "scale-postgres": _spreading, "memory": _memory,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """Say what is to be measured and how.

    Args:
        only: scenarios; empty for all.
    """

    rounds: int
    size: Size
    only: Sequence[str] = ()
    slow: bool = False


async def run(wanted: Wanted, told: Told) -> dict[str, Any]:
    """Measure; returns the document of ``--json``. A signal to end breaks off, and ends all that was started."""
    with suppress(NotImplementedError, RuntimeError):  # not on every system, nor in every thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, signal.raise_signal, signal.SIGINT)
    pinned = machine.pin()
    bench = Bench(wanted.size, slow=wanted.slow)
    sink, smoke = SinkProcess(bench.folder), wanted.size == SMOKE
    begun, chosen = datetime.now(UTC), [each for each in SCENES if not wanted.only or each in wanted.only]
    document: dict[str, Any] = {
        "schema": SCHEMA, "begun": begun.isoformat(timespec="seconds"), "revision": machine.revision(),
        "machine": machine.described(pinned=pinned), "versions": machine.versions(),
        "settings": {"rounds": wanted.rounds, "scenarios": chosen, "slow": wanted.slow, "smoke": smoke, "in_flight": bench.slots, "durability": "FULL",
                     "size": asdict(wanted.size)},
        "sinks": {}, "results": [], "measures": [], "absent": [], "broken": [],
    }  # fmt: skip
    ground = Ground(bench, sink, SinkProcess(bench.folder, "sink_smtp"), Peers(bench.folder, sink, wanted.size.peers))
    try:
        await sink.start()
        told("what the sink can take")
        ground.room["http"] = await room(sink, 500 if smoke else 20_000)
        for name in chosen:
            scene = await SCENES[name](ground, name)
            outcome = await measure(scene, wanted.rounds, told, warm=not smoke)
            await bench.clear()
            document["results"] += rows_shown(outcome, ground.room)
            document["measures"] += measures_shown(outcome)
            document["absent"] += [
                {"scenario": name, "row": row, "reason": reason} for row, reason in outcome.absent.items()
            ]
            document["broken"] += [f"{name}: {row}" for row in outcome.broken]
        document["sinks"] = {name: round(each) for name, each in ground.room.items()}
    finally:
        await bench.aclose()
        await sink.stop()
        await ground.mail.stop()
    document["seconds"] = round((datetime.now(UTC) - begun).total_seconds())
    return document


def goals_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """List every goal in order, those without a figure with the reason."""
    found = {each["number"]: each for each in document["measures"] if each["number"]}
    return [
        found.get(number)
        or {"number": number, "what": goal.what, "value": None, "unit": goal.unit, "must": goal.must, "aim": goal.aim,
            "met": None, "aimed": None, "noisy": False, "reason": "not asked for in this run", "scenario": "", "rows": []}
        for number, goal in GOALS.items()
    ]  # fmt: skip


def compared(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Set the values of two runs side by side; rates of two machines say nothing, so only what is measured within a run."""
    before = {_name(each): each["value"] for each in old.get("measures", ())}
    return [
        {"measure": _name(each), "before": before[_name(each)], "now": each["value"], "unit": each["unit"],
         "times": round(each["value"] / before[_name(each)], 3)}
        for each in new["measures"] if each["value"] and before.get(_name(each))
    ]  # fmt: skip


def _name(each: dict[str, Any]) -> str:
    return f"{each['scenario']}: {each['what']}"


def written(document: dict[str, Any]) -> str:
    """Write it as JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False)
