"""Waiting: one durable message at a time through an idle bus, and a transactional one during a campaign at full speed."""

from __future__ import annotations

import asyncio
import time

from omnibus.bench.campaign_http import SinkProvider, to_sink
from omnibus.bench.goals import GOALS
from omnibus.bench.peers import CELERY, PACE, TASKIQ, WARM, Peers
from omnibus.bench.rounds import Contender, Measure, Sample, Scene, Trial, Unbalanced, wait
from omnibus.bench.scenes import Bench
from omnibus.bench.servers import SinkProcess
from omnibus.bus import Bus

PATIENCE = 30.0  # seconds for the last answers


class Waiting:
    """Make the scenes."""

    def __init__(self, bench: Bench, sink: SinkProcess, peers: Peers) -> None:
        self.bench, self.sink, self.peers = bench, sink, peers

    def scenes(self) -> list[Scene]:
        """List them."""
        samples = self.bench.size.samples
        celery = Measure(("idle", CELERY.name), lambda a, b: a.wait(0.5) / b.wait(0.5), GOALS["13"], pooled=True)
        rows = (
            Contender("idle", self.idle, "FULL", "from the call of send to the answer, one each 20 ms"),
            Contender("busy", self.busy, "FULL", "the same while a campaign goes over the same channel at full speed"),
            *self.peers.latency(samples),
        )
        return [
            Scene(
                "latency", "messages", rows,
                (
                    celery, wait("busy", 0.99, GOALS["14"]), wait("idle", 0.5), wait("idle", 0.99), wait("busy", 0.5),
                    wait(CELERY.name, 0.5), wait(TASKIQ.name, 0.5),
                    Measure(("busy", "idle"), lambda a, b: a.wait(0.99) / b.wait(0.99), what="busy ÷ idle, p99", pooled=True),
                    Measure(("busy",), lambda a: a.told["accepted_p99_ms"], what="busy, p99 from acceptance on", unit="ms"),
                    Measure(("busy",), lambda a: a.told["campaign_per_s"], what="the campaign meanwhile", unit="/s"),
                ),
                self.peers.close,
            )
        ]  # fmt: skip

    async def idle(self) -> Trial:
        """Send one at a time through a bus that works and has nothing else to do."""
        return await self._trial(busy=False)

    async def busy(self) -> Trial:
        """Send one at a time while campaigns to everybody go out, one launched after the other."""
        return await self._trial(busy=True)

    async def _trial(self, *, busy: bool) -> Trial:
        size = self.bench.size
        bus = await self.bench.bus(to_sink(self.sink.url, points=1_000_000), people=size.sent)
        SinkProvider.answered.clear()

        async def run() -> Sample:
            stop = asyncio.Event()
            working = asyncio.create_task(bus.work(stop))
            campaign = asyncio.create_task(_campaigns(bus, stop)) if busy else None
            try:
                return await self._sample(bus)
            finally:
                stop.set()
                bus.parts.bell.ring()
                await working
                if campaign is not None:
                    await campaign

        async def check() -> None:
            audit = await bus.audit()
            if audit["unbalanced"] or audit["lost_lanes"] or audit["unproven"] or (busy and not audit["sent"]):
                raise Unbalanced(f"the books do not balance: {audit}")

        return Trial(run, check)

    async def _sample(self, bus: Bus) -> Sample:
        size, called, kept = self.bench.size, dict[str, float](), dict[str, float]()
        names = self.bench.names(size.sent)
        begun, answered = time.perf_counter(), SinkProvider.answered
        if size.sent > size.samples:
            await asyncio.sleep(0.3)  # a campaign needs a moment to be at full speed
        for number in range(size.samples + WARM):
            before = time.perf_counter()
            made = (await bus.send("receipt", names[-1 - number % size.sent]))[0].id
            called[made], kept[made] = before, time.perf_counter()
            await asyncio.sleep(max(PACE - (time.perf_counter() - before), 0.001))
        until = time.monotonic() + PATIENCE
        while any(each not in answered for each in called):
            if time.monotonic() > until:
                raise Unbalanced("not every message was answered")
            await asyncio.sleep(0.01)
        seconds = time.perf_counter() - begun
        measured = list(called)[WARM:]
        spent = tuple((answered[each] - called[each]) * 1000 for each in measured)
        after = sorted((answered[each] - kept[each]) * 1000 for each in measured)
        told = {
            "accepted_p50_ms": after[len(after) // 2], "accepted_p99_ms": after[len(after) * 99 // 100],
            "campaign_per_s": (len(answered) - len(called)) / seconds,
        }  # fmt: skip
        return Sample(len(spent), seconds, spent=spent, told=told)


async def _campaigns(bus: Bus, stop: asyncio.Event) -> None:
    """Keep campaigns going until told to stop; the next is launched when the last is expanded."""
    number = 0
    while not stop.is_set():
        running = await bus.campaigns.roll.campaigns(soon=bus.now())
        if not any(not each.whole for each in running):
            number += 1
            await bus.launch("news", name=f"bench-{number}")
        await asyncio.sleep(0.2)
