"""One notification at a time, beside libraries that keep nothing: what a durable one costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from omnibus.bench.campaign_http import SinkProvider, to_sink
from omnibus.bench.goals import GOALS
from omnibus.bench.rounds import Contender, Measure, Scene, Trial, Unbalanced, Unmeasured, rate_over
from omnibus.bench.scenes import Bench, balanced
from omnibus.bench.servers import SinkProcess
from omnibus.bench.wire import letter

AT_ONCE = 50
APPRISE, SESSION = "Apprise notify, {}", "requests.Session, {}"


class Notify:
    """Make the scene."""

    def __init__(self, bench: Bench, sink: SinkProcess) -> None:
        self.bench, self.sink = bench, sink
        self.count = max(bench.size.requests // 2, 50)
        self._number = 0

    def scene(self) -> Scene:
        """Make it."""
        rows: list[Contender | Unmeasured] = []
        for words, flight in (("one at a time", 1), (f"{AT_ONCE} at once", AT_ONCE)):
            rows.append(
                Contender(f"bus, {words}", self._bus(flight), "FULL", "bus.send to the provider's answer", "http")
            )
            rows.append(self._peer(APPRISE.format(words), "apprise", self._apprise, flight))
            rows.append(self._peer(SESSION.format(words), "requests", self._requests, flight))
        one, other = "bus, one at a time", APPRISE.format("one at a time")
        many, others = f"bus, {AT_ONCE} at once", APPRISE.format(f"{AT_ONCE} at once")
        return Scene(
            "notify", "notifications", tuple(rows),
            (
                Measure((many, others), lambda a, b: b.cpu_us / a.cpu_us, GOALS["19"]),
                Measure((one, other), lambda a, b: b.cpu_us / a.cpu_us, what=f"CPU, {other} ÷ {one}"),
                rate_over(one, other), rate_over(many, others),
            ),
        )  # fmt: skip

    def _peer(
        self, name: str, package: str, make: Callable[[], Callable[[int], None]], flight: int
    ) -> Contender | Unmeasured:
        if find_spec(package) is None:
            return Unmeasured(name, f"{package} is not installed: pip install 'omnibus-bus[bench]'")
        return Contender(name, self._threads(make, flight), setup="synchronous, one POST each", sink="http", peer=True)

    def _bus(self, flight: int) -> Callable[[], Any]:
        async def fresh() -> Trial:
            bus = await self.bench.bus(to_sink(self.sink.url, points=1_000_000), people=AT_ONCE)
            SinkProvider.answered.clear()
            names, before = self.bench.names(AT_ONCE), await self.sink.count()

            async def run() -> int:
                stop, numbers = asyncio.Event(), iter(range(self.count))
                working = asyncio.create_task(bus.work(stop))

                async def send(name: str) -> None:
                    for _ in numbers:
                        made = (await bus.send("receipt", name))[0].id
                        while made not in SinkProvider.answered:
                            async with bus.parts.bell.watch(name) as moved:  # its context moves when it is settled
                                if made not in SinkProvider.answered:
                                    await moved.wait()

                await asyncio.gather(*(send(name) for name in names[:flight]))
                stop.set()
                bus.parts.bell.ring()
                await working
                return self.count

            async def check() -> None:
                seen = await self.sink.count() - before
                if seen != self.count:
                    raise Unbalanced(f"the sink saw {seen} instead of {self.count}")
                await balanced(bus, self.count)

            return Trial(run, check)

        return fresh

    def _threads(self, make: Callable[[], Callable[[int], None]], flight: int) -> Callable[[], Any]:
        async def fresh() -> Trial:
            self._number += 1

            def work(numbers: range) -> None:
                post = make()
                for number in numbers:
                    post(number)

            async def run() -> int:
                with ThreadPoolExecutor(flight) as threads:
                    parts = [threads.submit(work, range(start, self.count, flight)) for start in range(flight)]
                    await asyncio.gather(*(asyncio.wrap_future(each) for each in parts))
                return self.count

            return Trial(run)

        return fresh

    def _requests(self) -> Callable[[int], None]:
        session = import_module("requests").Session()

        def post(number: int) -> None:
            session.post(
                self.sink.url, json=letter(f"s{self._number}-{number:08d}", "x" * 200), timeout=30
            ).raise_for_status()

        return post

    def _apprise(self) -> Callable[[int], None]:
        notifier = import_module("apprise").Apprise()
        notifier.add(f"json://127.0.0.1:{self.sink.port}/")

        def post(number: int) -> None:
            if not notifier.notify(body="x" * 200, title=f"{number:08d}"):
                raise Unbalanced("a notification failed")

        return post
