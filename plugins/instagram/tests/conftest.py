"""A world with Instagram's side of the wire, and a provider that speaks to it."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from omnibus import Endpoint, Response
from omnibus.testing import FakeClock, FakeDesk, World, sample_attempt, sample_context, sample_draft, serve
from omnibus_instagram import Direct, DirectContent, Graph, Posts
from omnibus_instagram.sandbox import GraphSandbox

ADA = "1784001"


@dataclass
class FileKeep:
    """Keep notes in a file, as a store would: they survive the process."""

    path: Path

    async def get(self, name):
        return self._read().get(name)

    async def set(self, name, value):
        self.path.write_text(json.dumps(self._read() | {name: value}))

    def _read(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}


@dataclass
class Shop:
    """Hold a world, its sandbox and a provider; both can be killed and started anew over the same disk."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    sandbox_class: type = GraphSandbox
    settings: dict = field(default_factory=dict)
    public_url: str = ""
    made: list = field(default_factory=list)

    async def start(self, **settings):
        self.settings |= settings
        self.world = World(self.folder / "world", self.clock.now, self.public_url)
        tables = await self.world.start(self.sandbox_class)
        self.sandbox = self.world.sandbox("instagram")
        self.keep = FileKeep(self.folder / "keep.json")
        self.table = tables["instagram"] | self.settings
        self.graph = self.provider()
        return self

    def provider(self, **changes):
        told = {name: value for name, value in (self.table | changes).items() if name != "provider"}
        self.made.append(Graph(Graph.Settings(**told), now=self.clock.now))
        return self.made[-1]

    async def stop(self):
        for graph in self.made:
            await graph.aclose()
        await self.world.stop()

    async def restart(self):
        await self.stop()
        return await self.start()

    def attempt(self, number=1, **changes):
        return sample_attempt(number, started=self.clock.now(), **changes)

    async def publish(self, number=1, attempt=None, **changes):
        content = self.post(**changes)
        return await self.graph.send(content, "", attempt or self.attempt(number), self.keep)

    def post(self, **changes):
        return Posts().compose(sample_draft("instagram", "public", **changes), None, sample_context())

    def letter(self, text="Your boots are ready.", **changes):
        return DirectContent(text=text, wrote=self.sandbox.feed.wrote(ADA), **changes)

    async def write(self, number=1, **changes):
        return await self.graph.send(self.letter(**changes), ADA, self.attempt(number), self.keep)

    def received(self, kind):
        return list(self.world.of("instagram", kind=kind))

    def refused(self):
        return [each.refused for each in self.world.of("instagram", accepted=False)]


@pytest.fixture
async def shop(tmp_path):
    shop = await Shop(tmp_path).start()
    yield shop
    await shop.stop()


@pytest.fixture
async def begin():
    """Start shops, and stop whatever still runs at the end, also after a failure."""
    shops = []

    async def start(folder, **told):
        shops.append(await Shop(folder, **told).start())
        return shops[-1]

    yield start
    for shop in shops:
        await shop.stop()


@pytest.fixture
async def hooked(tmp_path):
    """Give a shop whose webhooks arrive over HTTP, and the list that they arrive in."""
    shop, found = Shop(tmp_path), []

    async def handle(request, desk):
        challenge = shop.graph.challenge(request)
        if challenge is not None:
            return challenge
        found.extend(shop.graph.receive(request))
        return Response(204)

    desk = FakeDesk()
    hooks = [Endpoint("hooks", method, "/instagram/graph", handle) for method in ("GET", "POST")]
    async with serve(hooks, desk) as base_url:
        shop.public_url = base_url
        await shop.start()
        yield shop, found
        await shop.stop()


DAY = timedelta(hours=24)
__all__ = ["ADA", "DAY", "Direct", "FileKeep", "Shop"]
