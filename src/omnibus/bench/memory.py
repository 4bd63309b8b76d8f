"""Peak memory of a whole campaign, a process each: ``python -m omnibus.bench.memory FOLDER RECIPIENTS``."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from omnibus.bench.goals import GOALS
from omnibus.bench.rounds import Contender, Measure, Sample, Scene, Trial, told
from omnibus.bench.scenes import PLAIN, Bench, balanced


class Memory:
    """Make the scene."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def scene(self) -> Scene:
        """Make it."""
        few, many = f"{self.bench.size.few:,} recipients", f"{self.bench.size.many:,} recipients"
        return Scene(
            "memory", "messages",
            (
                Contender(few, lambda: self._trial(self.bench.size.few), "FULL", "bus.launch to the last settlement"),
                Contender(many, lambda: self._trial(self.bench.size.many), "FULL", "bus.launch to the last settlement"),
            ),
            (
                Measure((many, few), lambda a, b: a.told["peak_mib"] / b.told["peak_mib"], GOALS["11a"]),
                told(many, "peak_mib", "MiB", GOALS["11b"]), told(few, "peak_mib", "MiB"),
                told(many, "start_mib", "MiB", what="before the launch"),
            ),
            once=True,
        )  # fmt: skip

    async def _trial(self, people: int) -> Trial:
        folder = await self.bench.filled(PLAIN, people)

        async def run() -> Sample:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "omnibus.bench.memory", str(folder), str(people), stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            if process.returncode:
                raise RuntimeError(f"its process ended with {process.returncode}")
            figures = json.loads(out)
            return Sample(people, figures.pop("seconds"), figures.pop("cpu"), told=figures)

        return Trial(run)


async def campaign(folder: Path, people: int) -> dict[str, float]:
    """Launch to everybody and work until all is settled; returns MiB, seconds and CPU seconds."""
    async with PLAIN.open(folder) as bus:
        start = _peak()
        begun, cpu = time.perf_counter(), time.process_time()
        await bus.launch("news", name="bench")
        await bus.drain()
        seconds, used, peak = time.perf_counter() - begun, time.process_time() - cpu, _peak()
        await balanced(bus, people)
    return {"seconds": seconds, "cpu": used, "peak_mib": peak, "start_mib": start}


def _peak() -> float:
    """Give the MiB of this program's peak: ``ru_maxrss`` begins with what the process was that started us."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / (
            1 << 10
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(campaign(Path(sys.argv[1]), int(sys.argv[2])))))
