"""Interleaved rounds: A B C, A B C …, one warm-up thrown away, medians, ratios within a round."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from omnibus.bench import machine
from omnibus.bench.goals import Goal

NOISY = 0.25  # spread of a row's rates, as a share of their median, above which it is marked
BOUND = 0.7  # share of what the sink can take, above which a row is marked


class Unbalanced(RuntimeError):
    """Say that a run's books do not balance, so it has no figure."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold what one run came to.

    Args:
        seconds, cpu: measured by the run itself where the work is done elsewhere; None: by whoever runs it.
        spent: milliseconds of each unit, where waiting is measured.
        told: further figures, e.g. MiB.
    """

    count: int
    seconds: float | None = None
    cpu: float | None = None
    spent: tuple[float, ...] = ()
    told: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """Hold one run that is ready to go: only *run* is measured; *check* raises Unbalanced."""

    run: Callable[[], Awaitable[Sample | int]]
    check: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """Hold one contender of a scene.

    Args:
        make: prepares a fresh trial.
        durability: what it promises when it has answered.
        setup: how it is set up, for the reader of the figures.
        sink: ``http`` or ``smtp`` where the sink could be what limits it.
        peer: somebody else's; when it fails, only its row is missing.
    """

    name: str
    make: Callable[[], Awaitable[Trial]]
    durability: str = "none"
    setup: str = ""
    sink: str = ""
    peer: bool = False


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Hold a row that cannot be measured here, with the reason."""

    name: str
    reason: str


@dataclass(slots=True)
class Figure:
    """Hold one round of one row, or all its rounds together."""

    rate: float
    cpu_us: float | None
    spent: list[float] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)
    rss_mib: float | None = None

    def wait(self, share: float) -> float:
        """Give the milliseconds that this share of the units did not exceed."""
        ordered = sorted(self.spent)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@dataclass(frozen=True, slots=True)
class Measure:
    """Say what is read from a round.

    Args:
        rows: whose figures it needs, ours first.
        value: those figures → the value.
        pooled: all rounds are read together (percentiles), not one by one.
    """

    rows: tuple[str, ...]
    value: Callable[..., float]
    goal: Goal | None = None
    what: str = ""
    unit: str = "×"
    pooled: bool = False


def rate_over(ours: str, base: str, goal: Goal | None = None, what: str = "") -> Measure:
    """Compare rates."""
    return Measure((ours, base), lambda a, b: a.rate / b.rate, goal, what or f"{ours} ÷ {base}")


def told(row: str, name: str, unit: str, goal: Goal | None = None, what: str = "") -> Measure:
    """Read a further figure."""
    return Measure((row,), lambda a: a.told[name], goal, what or f"{row}: {name}", unit)


def wait(row: str, share: float, goal: Goal | None = None, what: str = "") -> Measure:
    """Read a percentile of all rounds, in milliseconds."""
    return Measure((row,), lambda a: a.wait(share), goal, what or f"{row}, p{share * 100:g}", "ms", pooled=True)


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold what is measured side by side.

    Args:
        close: ends what the rows started.
        once: one round and no warm-up, where a round is long and hardly varies.
    """

    name: str
    unit: str
    rows: tuple[Contender | Unmeasured, ...]
    measures: tuple[Measure, ...] = ()
    close: Callable[[], Awaitable[None]] | None = None
    once: bool = False


@dataclass(slots=True)
class Findings:
    """Hold what a scene came to: row → figures of its rounds, or why it has none."""

    scene: Scene
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)  # rows of ours without a figure


Told = Callable[[str], None]


async def measure(scene: Scene, rounds: int, told: Told, *, warm: bool = True) -> Findings:
    """Run a scene's rows in turn, after a warm-up round that is thrown away; a row that fails is left out from then on."""
    outcome = Findings(scene, absent={each.name: each.reason for each in scene.rows if isinstance(each, Unmeasured)})
    rows = [each for each in scene.rows if isinstance(each, Contender)]
    last, warm = (1, False) if scene.once else (rounds, warm)
    try:
        for number in range(0 if warm else 1, last + 1):
            for row in rows:
                if row.name in outcome.absent:
                    continue
                told(f"{scene.name}, {f'round {number} of {last}' if number else 'warm-up'}: {row.name}")
                try:
                    figure = await _timed(row)
                except Exception as error:  # noqa: BLE001 - told in the table; the others go on
                    outcome.absent[row.name] = _reason(error)
                    outcome.broken += [] if row.peer else [row.name]
                    continue
                if number:
                    outcome.figures.setdefault(row.name, []).append(figure)
    finally:
        if scene.close is not None:
            await scene.close()
    for name in outcome.absent:
        outcome.figures.pop(name, None)
    return outcome


def _reason(error: Exception) -> str:
    return f"{error or type(error).__name__}" if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"


def rest() -> None:
    """Let the collector of cycles leave alone what is there already, as `omnibus work` does; for every row alike."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def _timed(row: Contender) -> Figure:
    trial = await row.make()
    rest()
    await asyncio.sleep(0)
    wall, cpu = time.perf_counter(), time.process_time()
    done = await trial.run()
    seconds, used = time.perf_counter() - wall, time.process_time() - cpu
    if trial.check is not None:
        await trial.check()
    sample = done if isinstance(done, Sample) else Sample(done)
    mine = sample.cpu if sample.seconds is not None else used if sample.cpu is None else sample.cpu
    return Figure(
        sample.count / (sample.seconds or seconds), None if mine is None else mine / sample.count * 1e6,
        list(sample.spent), dict(sample.told), machine.resident() if sample.seconds is None else None,
    )  # fmt: skip


def spread(values: Sequence[float]) -> float:
    """Give the range as a share of the median."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def rows_shown(outcome: Findings, room: Mapping[str, float]) -> list[dict[str, Any]]:
    """Give the rows as JSON values; *room* is what each sink can take in a second."""
    rows = {each.name: each for each in outcome.scene.rows if isinstance(each, Contender)}
    return [_row(outcome.scene, rows[name], figures, room) for name, figures in outcome.figures.items()]


def _row(scene: Scene, row: Contender, figures: list[Figure], room: Mapping[str, float]) -> dict[str, Any]:
    rates, cpus = [each.rate for each in figures], [each.cpu_us for each in figures if each.cpu_us is not None]
    whole = pool(figures)
    limit = room.get(row.sink)
    return {
        "scenario": scene.name, "row": row.name, "unit": scene.unit, "rate": round(median(rates), 1),
        "rates": [round(each, 1) for each in rates], "min": round(min(rates), 1), "max": round(max(rates), 1),
        "cpu_us": round(median(cpus), 1) if cpus else None, "cpus_us": [round(each, 1) for each in cpus],
        "p50_ms": round(whole.wait(0.5), 2) if whole.spent else None,
        "p99_ms": round(whole.wait(0.99), 2) if whole.spent else None, "samples": len(whole.spent),
        "rss_mib": max((each.rss_mib for each in figures if each.rss_mib is not None), default=None),
        "told": {name: round(median(each.told[name] for each in figures), 3) for name in figures[0].told},
        "durability": row.durability, "setup": row.setup, "peer": row.peer, "noisy": spread(rates) > NOISY,
        "sink_bound": None if limit is None else median(rates) > BOUND * limit,
    }  # fmt: skip


def pool(figures: Sequence[Figure]) -> Figure:
    """Put all rounds of a row together."""
    return Figure(median(each.rate for each in figures), None, [ms for each in figures for ms in each.spent])


def measures_shown(outcome: Findings) -> list[dict[str, Any]]:
    """Give what is asked for, met or not, as JSON values; the value is the median over the rounds."""
    return [_measure(outcome, each) for each in outcome.scene.measures]


def _measure(outcome: Findings, asked: Measure) -> dict[str, Any]:
    goal = asked.goal
    lacking = [f"{name}: {outcome.absent.get(name, 'not run')}" for name in asked.rows if name not in outcome.figures]
    values = [] if lacking else _values(outcome, asked)
    value = median(values) if values else None
    return {
        "scenario": outcome.scene.name, "number": goal.number if goal else "", "what": goal.what if goal else asked.what,
        "rows": list(asked.rows), "value": value and round(value, 4), "values": [round(each, 4) for each in values],
        "unit": goal.unit if goal else asked.unit, "must": goal.must if goal else None, "aim": goal.aim if goal else None,
        "met": None if goal is None or value is None else goal.reached(value, goal.must),
        "aimed": None if goal is None or value is None else goal.reached(value, goal.aim),
        "noisy": bool(values) and spread(values) > NOISY, "reason": "; ".join(lacking),
    }  # fmt: skip


def _values(outcome: Findings, asked: Measure) -> list[float]:
    columns = [outcome.figures[name] for name in asked.rows]
    if asked.pooled:
        return [asked.value(*(pool(each) for each in columns))]
    return [asked.value(*figures) for figures in zip(*columns, strict=True)]
