"""The way in: signed webhooks, an import from CSV, contexts folded anew."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import hmac
import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from omnibus.bench.alone import HUNDREDS, enqueue
from omnibus.bench.goals import GOALS
from omnibus.bench.rounds import Contender, Measure, Scene, Trial, Unbalanced, rate_over
from omnibus.bench.scenes import NOW, Bench, IdleProvider, Setting
from omnibus.bus import Bus
from omnibus.errors import Forged
from omnibus.hookspecs import hookimpl
from omnibus.intake import load_file, read_mapping
from omnibus.model.attempt import Report
from omnibus.model.event import Event
from omnibus.model.request import Request
from omnibus.testing.fakes import FakeChannel

SECRET = b"bench"
CONNECTIONS = 50
VISIT = 5  # lines in a row by one visitor
LINES = 20  # of each visitor
FEW = 3  # the same where most came once
MAPPING = """
[source]
name = "clicks"
time = "at"
[customer]
id = "v{visitor}"
identities = { web = "{visitor}" }
[[event]]
when = { event = "view" }
type = "product.viewed"
id = "{number}"
data = { sku = "{sku}", name = "{name}" }
"""


class HookProvider(IdleProvider):
    """Take webhooks that are signed by HMAC-SHA256 over their raw bytes."""

    scheme: ClassVar[str] = "hook"

    def verify(self, request: Request) -> None:
        """Compare the signature in constant time."""
        if not hmac.compare_digest(request.headers.get("x-signature", ""), _signature(request.body)):
            raise Forged("signature")

    def parse(self, request: Request) -> list[Report | Event]:
        """Read one report."""
        told = json.loads(request.body)
        return [Report(told["id"], told["type"], NOW, provider_id=told["provider_id"])]


class Hooks:
    """Bring the channel and its provider."""

    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        """Register both."""
        register(FakeChannel, HookProvider)


HOOKED = Setting(provider='"hook"', plugin=Hooks)


class Intake:
    """Make the scenes."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def scenes(self) -> list[Scene]:
        """List them."""
        hundreds = Contender(HUNDREDS, self.bench.raw_hundreds, "FULL")
        rate = Measure(("bus",), lambda a: a.rate, what="bus", unit="/s")
        return [
            Scene("inbound", "webhooks", (Contender("bus", self.inbound, "FULL", f"{CONNECTIONS} connections"), hundreds),
                  (rate_over("bus", HUNDREDS, GOALS["15"]), rate)),
            Scene("import", "events", (Contender("bus", self.importing, "FULL", f"visits of {VISIT} lines"), hundreds),
                  (Measure(("bus",), lambda a: a.rate, GOALS["16a"]), rate_over("bus", HUNDREDS))),
            Scene("rebuild", "contexts",
                  (Contender("bus", partial(self.rebuild, LINES), "FULL", f"{LINES} events each"),
                   Contender("few", partial(self.rebuild, FEW), "FULL", f"{FEW} events each"), hundreds),
                  (Measure(("bus",), lambda a: a.rate, GOALS["16b"]), rate_over("bus", HUNDREDS),
                   Measure(("few",), lambda a: a.rate, what=f"contexts of {FEW} events", unit="/s"))),
        ]  # fmt: skip

    async def inbound(self) -> Trial:
        """Let fifty connections post signed reports, each verified, stored and folded before it is answered."""
        people = self.bench.size.people
        bus = await self.bench.bus(HOOKED, people=people)
        await enqueue(bus, self.bench.names(people))
        await bus.parts.dispatcher.drain()
        rows = await bus.parts.store.deliveries(last=people)
        requests = [_signed(f"r-{each.id}", each.provider_id) for each in rows]

        async def run() -> int:
            left = iter(requests)

            async def post() -> None:
                for request in left:
                    answer = await bus.receive("fake", "hook", request)
                    if answer.status >= 300:
                        raise Unbalanced(f"a webhook was answered {answer.status}")

            await asyncio.gather(*(post() for _ in range(CONNECTIONS)))
            return people

        async def check() -> None:
            audit = await bus.audit()
            if audit["delivered"] != people or audit["unbalanced"]:
                raise Unbalanced(f"the books do not balance: {audit}")

        return Trial(run, check)

    async def importing(self) -> Trial:
        """Import a file as `omnibus import` does."""
        bus = await self.bench.bus(people=0)
        mapping, count = self._mapping(), self.bench.size.events
        file = self._file(count)

        async def run() -> int:
            done = await load_file(bus, file, mapping)
            if not done.new == done.facts == count:
                raise Unbalanced(f"{done.new} events were stored instead of {count}: {done.shown()}")
            return count

        return Trial(run)

    async def rebuild(self, lines: int) -> Trial:
        """Fold all customers anew from so many events each and compare, byte for byte, as `omnibus rebuild` does."""
        count = min(self.bench.size.events, 200_000)
        bus = await self.bench.bus(people=0)
        await load_file(bus, self._file(count, lines), self._mapping())

        async def run() -> int:
            done = 0
            async for page in bus.customers.all_ids():
                done += await _rebuilt(bus, page)
            return done

        return Trial(run)

    def _mapping(self) -> Any:
        path = self.bench.folder / "clicks.toml"
        path.write_text(MAPPING)
        return read_mapping(path)

    def _file(self, count: int, lines: int = LINES) -> Path:
        """Write a click stream: visits of a few lines, the visitors taking turns."""
        path = self.bench.folder / f"clicks-{count}-{lines}.csv"
        if not path.exists():
            visitors, visit = max(count // lines, 1), min(VISIT, lines)
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["number", "event", "visitor", "at", "sku", "name"])
                for number in range(count):
                    visitor, at = number // visit % visitors, NOW - timedelta(days=30) + timedelta(seconds=number)
                    sku = f"s{number % 40}"
                    writer.writerow([number, "view", f"{visitor:07d}", at.isoformat(), sku, f"Harbour mug {sku}"])
        return path


async def _rebuilt(bus: Bus, customers: list[str]) -> int:
    if differed := await bus.rebuild_all(customers):
        raise Unbalanced(f"{len(differed)} contexts differ from their events")
    return len(customers)


def _signature(body: bytes) -> str:
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def _signed(id_: str, provider_id: str) -> Request:
    body = json.dumps({"id": id_, "type": "message.delivered", "provider_id": provider_id}).encode()
    headers = {"x-signature": _signature(body), "content-type": "application/json"}
    return Request("POST", "https://acme.example/hooks/fake/hook", headers, body)
