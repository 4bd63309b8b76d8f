"""Interleaved rounds: A B A B …, one warm-up thrown away, medians, ratios within a round."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Run = Callable[[], Awaitable[int]]
NOISY = 0.25  # spread of the rates, as a share of their median, above which a row is marked


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold one comparison.

    Args:
        ours, yardstick: each makes a fresh run; a run returns how many units it did.
        must: the ratio asked for by docs/performance.md; None where none is set.
        told: what a run has to say besides its rate, e.g. percentiles; the last round's stands.
        durability: what both rows promise when they answer.
    """

    name: str
    unit: str
    ours: Callable[[], Awaitable[Run]]
    yardstick: Callable[[], Awaitable[Run]]
    against: str
    durability: str = "FULL"
    must: float | None = None
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """Hold what a scene came to: units a second in each round, and CPU microseconds a unit."""

    scene: Scene
    ours: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Give the median of the ratios within each round."""
        return median(a / b for a, b in zip(self.ours, self.yardstick, strict=True))

    @property
    def noisy(self) -> bool:
        """Tell whether the rounds differ too much to be quoted."""
        return (max(self.ours) - min(self.ours)) / median(self.ours) > NOISY

    def shown(self) -> dict[str, Any]:
        """Give JSON values."""
        return {
            "scenario": self.scene.name, "unit": self.scene.unit, "rate": round(median(self.ours), 1),
            "rates": [round(each, 1) for each in self.ours], "cpu_us": round(median(self.cpu), 1),
            "against": self.scene.against, "against_rate": round(median(self.yardstick), 1), "ratio": round(self.ratio, 3),
            "must": self.scene.must, "met": None if self.scene.must is None else self.ratio >= self.scene.must,
            "noisy": self.noisy, "durability": self.scene.durability, "against_rates": [round(x, 1) for x in self.yardstick],
            "ratios": [round(a / b, 4) for a, b in zip(self.ours, self.yardstick, strict=True)], "told": self.scene.told,
        }  # fmt: skip


async def measure(scenes: Sequence[Scene], rounds: int, told: Callable[[str], None]) -> list[Result]:
    """Run every scene in turn, *rounds* times after one warm-up; returns a result each."""
    results = [Result(scene) for scene in scenes]
    for number in range(rounds + 1):
        for result in results:
            told(f"round {number or 'warm-up'}: {result.scene.name}")
            rate, cpu = await _timed(result.scene.ours)
            against, _ = await _timed(result.scene.yardstick)
            if number:
                result.ours.append(rate)
                result.cpu.append(cpu)
                result.yardstick.append(against)
    return results


async def _timed(make: Callable[[], Awaitable[Run]]) -> tuple[float, float]:
    run = await make()
    gc.collect()
    await asyncio.sleep(0)
    wall, cpu = time.perf_counter(), time.process_time()
    count = await run()
    spent, used = time.perf_counter() - wall, time.process_time() - cpu
    return count / spent, used / count * 1e6
