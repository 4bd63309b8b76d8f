"""Scenes without a wire: the pipeline to a provider that does nothing, accepting, expanding, folding."""

from __future__ import annotations

import asyncio
from typing import Any

from omnibus.bench.goals import GOALS
from omnibus.bench.rounds import Contender, Scene, Trial, Unbalanced, rate_over
from omnibus.bench.scenes import NOW, Bench, balanced
from omnibus.bus import Bus
from omnibus.campaigns.campaigns import CHUNK
from omnibus.model.campaign import Chunk
from omnibus.model.event import Event

CALLERS = 50
THOUSANDS, HUNDREDS, SINGLE = "sqlite3, 1,000 a commit", "sqlite3, 100 a commit", "sqlite3, one a commit"


class Alone:
    """Make the scenes."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def scenes(self) -> list[Scene]:
        """List them."""
        bench = self.bench
        thousands = Contender(THOUSANDS, bench.raw_thousands, "FULL")
        hundreds = Contender(HUNDREDS, bench.raw_hundreds, "FULL")
        single = Contender(SINGLE, bench.raw_single, "FULL")
        return [
            Scene("campaign-noop", "messages", (Contender("bus", self.pipeline, "FULL"), thousands),
                  (rate_over("bus", THOUSANDS, GOALS["6"]),)),
            Scene("send-50-callers", "sends", (Contender("bus", self.callers, "FULL"), single),
                  (rate_over("bus", SINGLE, GOALS["7"]),)),
            Scene("expansion", "deliveries",
                  (Contender("campaign", self.expansion, "FULL"), Contender("send_many", self.many, "FULL"), thousands),
                  (rate_over("campaign", THOUSANDS, GOALS["8"]), rate_over("send_many", THOUSANDS))),
            Scene("folding", "events", (Contender("bus", self.folding, "FULL"), hundreds), (rate_over("bus", HUNDREDS),)),
        ]  # fmt: skip

    async def pipeline(self) -> Trial:
        """Accept for everybody, then measure claim → resolve → judge → compose → attempt → settle."""
        people = self.bench.size.people
        bus = await self.bench.bus(people=people)
        await enqueue(bus, self.bench.names(people))

        async def run() -> int:
            await bus.parts.dispatcher.drain()
            return people

        return Trial(run, lambda: balanced(bus, people))

    async def callers(self) -> Trial:
        """Let fifty callers await their own sends."""
        bus = await self.bench.bus(people=CALLERS)
        each = max(self.bench.size.people // CALLERS, 2)

        async def run() -> int:
            customers = [await bus.customers.get(name) for name in self.bench.names(CALLERS)]

            async def call(customer: Any) -> None:
                for _ in range(each):
                    await bus.send("news", customer)

            await asyncio.gather(*(call(customer) for customer in customers))
            return each * CALLERS

        return Trial(run, lambda: accepted(bus, each * CALLERS))

    async def expansion(self) -> Trial:
        """Expand a campaign to everybody, chunk by chunk, each with its cursor in one commit; nothing is sent meanwhile."""
        people = self.bench.size.people
        bus = await self.bench.bus(people=people)
        campaigns = bus.parts.campaigns

        async def run() -> int:
            now = bus.now()
            at = await bus.launch("news", name="bench")
            templates = campaigns.template(at.message, at.values, at.origin)
            while not at.whole:
                ids = tuple(campaigns.ids.several(now, CHUNK * len(templates)))
                moved = await campaigns.roll.expand(Chunk(at, templates, ids, CHUNK, now))
                if moved is None:
                    raise Unbalanced("somebody else expanded it")
                at = moved
            return people

        return Trial(run, lambda: accepted(bus, people))

    async def many(self) -> Trial:
        """Accept for everybody by `send_many`."""
        people = self.bench.size.people
        bus = await self.bench.bus(people=people)

        async def run() -> int:
            await enqueue(bus, self.bench.names(people))
            return people

        return Trial(run, lambda: accepted(bus, people))

    async def folding(self) -> Trial:
        """Store and fold events in chunks of 500."""
        bus = await self.bench.bus(people=200)
        count = min(self.bench.size.events, 10_000)
        events = [
            Event(f"e{n}", "bench", "product.viewed", NOW.replace(microsecond=n), f"c{n % 200:07d}",
                  {"sku": f"s{n % 40}", "name": "mug"})
            for n in range(count)
        ]  # fmt: skip
        stored = 0

        async def run() -> int:
            nonlocal stored
            for start in range(0, count, 500):
                stored += await bus.parts.inbox.put(events[start : start + 500], quiet=True)
            return count

        async def check() -> None:
            if stored != count:
                raise Unbalanced(f"{stored} events were stored instead of {count}")

        return Trial(run, check)


async def enqueue(bus: Bus, names: list[str], message: str = "news") -> None:
    """Accept a message to everybody."""
    async for _ in bus.send_many(message, names):
        pass


async def accepted(bus: Bus, count: int) -> None:
    """Check that so many were accepted, and wait.

    Raises:
        Unbalanced: another number.
    """
    audit = await bus.audit()
    if not audit["accepted"] == audit["waiting"] == count or audit["unbalanced"] or audit["lost_lanes"]:
        raise Unbalanced(f"the books do not balance: {count} asked for, {audit}")
