"""Scenes of single messages, of webhooks, of rebuilding, and of a store that is full of the past."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

from omnibus.bench.rounds import Run, Scene
from omnibus.bench.scenes import NOW, Bench
from omnibus.testing.fakes import fake_report

_PEAK = (
    "import asyncio, resource, sys\n"
    "from omnibus.bench.scenes import Bench, Size\n"
    "async def main():\n"
    "    bench = Bench(Size(people=int(sys.argv[1])))\n"
    "    await (await bench.pipeline())()\n"
    "    await bench.aclose()\n"
    "asyncio.run(main())\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
)


class Roads:
    """Make the scenes.

    Args:
        past: finished, and delayed, deliveries that a store holds beside the measured ones.
        few, many: recipients of the two runs whose peak memory is compared.
    """

    def __init__(self, bench: Bench, *, past: int, few: int, many: int) -> None:
        self.bench, self.past, self.few, self.many = bench, past, few, many
        self.waits: dict[str, Any] = {}
        self.peaks: dict[str, Any] = {}

    def scenes(self) -> list[Scene]:
        """List them."""
        bench, hundreds = self.bench, "plain sqlite3 inserts, 100 a commit"
        return [
            Scene("latency", "sends, one by one", self.latency, bench.raw_single, "plain sqlite3, one row a commit",
                  told=self.waits),
            Scene("inbound", "webhooks", self.inbound, bench.raw_hundreds, hundreds, must=0.05),
            Scene("rebuild", "contexts", self.rebuild, bench.raw_hundreds, hundreds),
            Scene("finished-rows", "messages", lambda: self.beside(timedelta()), bench.pipeline, "an empty store", must=0.8),
            Scene("delayed-rows", "messages", lambda: self.beside(timedelta(days=30)), bench.pipeline, "an empty store",
                  must=0.8),
        ]  # fmt: skip

    async def latency(self) -> Run:
        """Send one at a time through a working bus: accepted → answered by the provider."""
        people = max(self.bench.size.people // 4, 20)
        bus = await self.bench.bus(people=people)
        stop = asyncio.Event()

        async def run() -> int:
            working, spent = asyncio.create_task(bus.work(stop)), []
            for name in self.bench.names(people):
                async with bus.parts.bell.watch(name) as moved:  # its context moves when the answer is settled
                    begun = time.perf_counter()
                    await bus.send("news", name)
                    await moved.wait()
                    spent.append((time.perf_counter() - begun) * 1000)
            stop.set()
            await working
            spent.sort()
            told = {"p50_ms": spent[len(spent) // 2], "p99_ms": spent[len(spent) * 99 // 100]}
            self.waits.update({key: round(each, 2) for key, each in told.items()}, samples=len(spent))
            return people

        return run

    async def inbound(self) -> Run:
        """Let fifty connections post signed reports, each verified, stored and folded before it is answered."""
        people = self.bench.size.people
        bus = await self.bench.bus(people=people)
        async for _ in bus.send_many("news", self.bench.names(people)):
            pass
        await bus.parts.dispatcher.drain()
        rows = await bus.parts.store.deliveries(last=people)
        requests = [
            fake_report(
                "https://acme.example/hooks/fake/fake",
                {"id": f"r-{each.id}", "type": "message.delivered", "at": NOW, "provider_id": each.provider_id},
            )
            for each in rows
        ]

        async def run() -> int:
            left = iter(requests)

            async def post() -> None:
                for request in left:
                    answer = await bus.receive("fake", "fake", request)
                    if answer.status >= 300:
                        raise RuntimeError(f"a webhook was answered {answer.status}")

            await asyncio.gather(*(post() for _ in range(50)))
            audit = await bus.audit()
            if audit["delivered"] != people:
                raise RuntimeError(f"the books do not balance: {audit}")
            return people

        return run

    async def rebuild(self) -> Run:
        """Fold customers anew from their events and compare, byte for byte."""
        people = self.bench.size.people
        bus = await self.bench.bus(people=people)

        async def run() -> int:
            differed = await bus.rebuild_all(self.bench.names(people))
            if differed:
                raise RuntimeError(f"the context of {differed[0]} differs from its events")
            return people

        return run

    async def beside(self, delay: timedelta) -> Run:
        """Run the pipeline in a store that holds rows of the past, or rows for later."""
        people, past = self.bench.size.people, self.past
        bus = await self.bench.bus(people=people)
        store, ids, lines = bus.parts.store, bus.parts.ids, bus.lines
        message = bus.parts.messages.pick("news")
        from dataclasses import replace  # noqa: PLC0415 - only this scene bends rows

        from omnibus.model.delivery import State  # noqa: PLC0415
        from omnibus.outbound import outbox  # noqa: PLC0415

        names = self.bench.names(people)
        for start in range(0, past, 500):
            wishes = []
            for number in range(start, start + 500):
                wish = outbox.wish(
                    message, names[number % people], lines, ids, now=NOW, brand="Acme", values={}, key="",
                    at=NOW + delay if delay else None,
                )  # fmt: skip
                if not delay:
                    done = tuple(
                        replace(each, state=State.DROPPED, reason="of the past", premises=(), due=None)  # type: ignore[arg-type] # as stored
                        for each in wish.deliveries
                    )
                    wish = replace(wish, deliveries=done)
                wishes.append(wish)
            await store.accept(wishes)
        async for _ in bus.send_many("news", names):
            pass

        async def run() -> int:
            await bus.parts.dispatcher.drain()
            audit = await bus.audit()
            if audit["sent"] != people or audit["unbalanced"]:
                raise RuntimeError(f"the books do not balance: {audit}")
            return people

        return run

    def memory(self) -> dict[str, Any]:
        """Compare the peak memory of a large run with a small one, a process each."""
        few, many = (self._peak(each) for each in (self.few, self.many))
        return {"scenario": "memory", "few": self.few, "many": self.many, "few_kib": few, "many_kib": many,
                "ratio": round(many / few, 3), "must": 1.15}  # fmt: skip

    def _peak(self, people: int) -> int:
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", _PEAK, str(people)], capture_output=True, text=True, check=True, env=dict(os.environ)
        )
        return int(done.stdout)
