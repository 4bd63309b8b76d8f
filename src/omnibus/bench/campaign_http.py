"""A durable campaign over HTTP, beside bare loops and beside queues that people would otherwise put together."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from omnibus.bench.alone import enqueue
from omnibus.bench.goals import GOALS
from omnibus.bench.peers import Peers
from omnibus.bench.rounds import Contender, Measure, Scene, Trial, Unbalanced, rate_over
from omnibus.bench.scenes import Bench, Setting, balanced
from omnibus.bench.servers import SinkProcess
from omnibus.bench.wire import ClientScenes, lean, plain
from omnibus.errors import Unknown
from omnibus.hookspecs import hookimpl
from omnibus.http import Client
from omnibus.model.attempt import Attempt, Receipt
from omnibus.model.content import Content
from omnibus.provider import Keep, Provider, ProviderSettings
from omnibus.testing.fakes import FakeChannel


class SinkSettings(ProviderSettings):
    """Read where the sink is, and the secret of its webhooks."""

    url: str = ""
    secret: str = ""


class SinkProvider(Provider):
    """Hand over by one POST through the default client; *answered*: delivery → when, by the performance counter."""

    channel: ClassVar[Any] = FakeChannel
    scheme: ClassVar[str] = "sink"
    Settings: ClassVar[type[ProviderSettings]] = SinkSettings
    idempotency = "key"
    answered: ClassVar[dict[str, float]] = {}
    _client: Client | None = None

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Post it."""
        if self._client is None:
            self._client = Client(str(self.settings.url))
        answer = await self._client.request("POST", "", json={"id": attempt.id, "to": address, "text": content.text})
        if answer.status != 200:
            raise Unknown("answer")
        self.answered[attempt.delivery] = time.perf_counter()
        return Receipt(attempt.id)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


class Sinks:
    """Bring the channel and its provider."""

    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        """Register both."""
        register(FakeChannel, SinkProvider)


def to_sink(url: str, points: int = 6, store: str = "sqlite:omnibus.db") -> Setting:
    """Set a bus up that hands over to a sink."""
    return Setting(provider=f'"sink"\nurl = "{url}"', plugin=Sinks, points=points, store=store)


class CampaignHttp:
    """Make the scene."""

    def __init__(self, bench: Bench, sink: SinkProcess, wire: ClientScenes, peers: Peers) -> None:
        self.bench, self.sink, self.wire, self.peers = bench, sink, wire, peers

    async def scene(self) -> Scene:
        """Make it; the loops and the peers post what the campaign's own content is long."""
        size, text = self.bench.size, await self._text()
        rows = (
            Contender("bus", self.enqueued, "FULL", "all features on, accepted before", "http"),
            Contender("bus, launched", self.launched, "FULL", "bus.launch to everybody, expansion included", "http"),
            Contender("httpx loop", self.wire.loop(plain, 50, size.sent // 2, text), setup="httpx.AsyncClient, same transport", sink="http"),
            Contender("lean loop", self.wire.loop(lean, 50, size.sent // 2, text), setup="the client of the bus", sink="http"),
            *self.peers.rows(text),
        )  # fmt: skip
        celery, taskiq = "Celery + Redis, send only", "taskiq + NATS, send only"
        return Scene(
            "campaign-http", "messages", rows,
            (
                rate_over("bus", celery, GOALS["1"]), rate_over("bus", taskiq, GOALS["2"]),
                rate_over("bus", "httpx loop", GOALS["3"]),
                Measure(("bus", "lean loop"), lambda a, b: a.cpu_us - b.cpu_us, GOALS["4"]),
                rate_over("bus", "lean loop"),
                *(rate_over("bus", f"{peer}, {way}") for peer in ("Celery + Redis", "taskiq + NATS")
                  for way in ("same job", "send only, synced")),
                *(Measure(("bus, launched", each), lambda a, b: a.rate / b.told["with_enqueueing"],
                          what=f"bus, launched ÷ {each}, enqueueing in both") for each in (celery, taskiq)),
            ),
            self.peers.close,
        )  # fmt: skip

    async def _text(self) -> str:
        """Give what one customer is told, so that everybody posts as much."""
        bus = await self.bench.bus(to_sink(self.sink.url), people=50)
        content = (await bus.preview("news", "c0000007"))[0].content
        await self.bench.clear()
        if content is None:
            raise Unbalanced("the message of the campaign cannot be composed")
        return content.text

    async def enqueued(self) -> Trial:
        """Accept for everybody, then hand over to the sink; the sink's count is the book."""
        return await self._trial(launched=False)

    async def launched(self) -> Trial:
        """Launch a campaign to everybody: expanded only as fast as it is sent."""
        return await self._trial(launched=True)

    async def _trial(self, *, launched: bool) -> Trial:
        people = self.bench.size.sent
        bus = await self.bench.bus(to_sink(self.sink.url), people=people)
        if not launched:
            await enqueue(bus, self.bench.names(people))
        before = await self.sink.count()

        async def run() -> int:
            if launched:
                await bus.launch("news", name="bench")
            await bus.drain()
            return people

        async def check() -> None:
            SinkProvider.answered.clear()
            seen = await self.sink.count() - before
            if seen != people:
                raise Unbalanced(f"the sink saw {seen} instead of {people}")
            await balanced(bus, people)

        return Trial(run, check)
