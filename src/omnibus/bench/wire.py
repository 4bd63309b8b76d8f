"""HTTP alone: the client that providers use beside httpx's own pool and others, each against the sink."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

import aiohttp
import httpx

from omnibus.bench.goals import GOALS
from omnibus.bench.rounds import Contender, Scene, Trial, Unbalanced, Unmeasured, rate_over
from omnibus.bench.servers import SinkProcess
from omnibus.http import Client
from omnibus.http.transport import Transport

BODY = "x" * 400
POOL = "httpx, own pool"
_marks = itertools.count(1)  # no two runs have an id in common
Post = Callable[[str, str], Awaitable[None]]
Make = Callable[[str, int], tuple[Post, Callable[[], Awaitable[None]]]]


class ClientScenes:
    """Make the scenes of the client alone, and the loops that a campaign runs beside.

    Args:
        each: requests in one run.
    """

    def __init__(self, sink: SinkProcess, each: int) -> None:
        self.sink, self.each = sink, each

    def scenes(self) -> list[Scene]:
        """List them."""
        return [self._scene(flight) for flight in (1, 10, 50, 200)]

    def _scene(self, flight: int) -> Scene:
        count = max(self.each if flight > 1 else self.each // 4, flight)
        slow = max(min(count, 800 if flight < 100 else 400), flight)
        reason = "sniffio is not installed, and without it httpx's own pool looks too slow: install [bench]"
        pool = Contender(POOL, self.loop(own_pool, flight, slow)) if find_spec("sniffio") else Unmeasured(POOL, reason)
        rows: list[Contender | Unmeasured] = [
            Contender("default client", self.loop(lean, flight, count), sink="http"),
            pool,
        ]
        measures = [rate_over("default client", POOL, GOALS["5"] if flight == 50 else None)]
        if flight == 50:
            rows += [
                Contender("httpx.AsyncClient, same transport", self.loop(plain, flight, count), sink="http"),
                Contender(
                    "httpx.AsyncClient, null transport", self.loop(null, flight, count), setup="no request is made"
                ),
                Contender("aiohttp bare", self.loop(bare, flight, count), sink="http"),
            ]
            names = [each.name for each in rows[2:]]
            measures += [rate_over("default client", name) for name in names]
        return Scene(f"http-client-{flight}", "requests", tuple(rows), tuple(measures))

    def loop(self, make: Make, flight: int, count: int, body: str = BODY) -> Callable[[], Awaitable[Trial]]:
        """Make so many requests, so many at a time, through a fresh client."""

        async def fresh() -> Trial:
            post, close = make(self.sink.url, flight)
            mark, before = next(_marks), await self.sink.count()

            async def run() -> int:
                numbers = iter(range(count))

                async def sender() -> None:
                    for number in numbers:
                        await post(f"{mark:06d}-{number:08d}-0000-000000000000", body)

                await asyncio.gather(*(sender() for _ in range(flight)))
                return count

            async def check() -> None:
                await close()
                seen = await self.sink.count() - before
                if make is not null and seen != count:
                    raise Unbalanced(f"the sink saw {seen} instead of {count}")

            return Trial(run, check)

        return fresh


def lean(url: str, flight: int) -> tuple[Post, Callable[[], Awaitable[None]]]:
    """Use the client that providers use."""
    client = Client(url, limit=flight)

    async def post(id_: str, text: str) -> None:
        answer = await client.request("POST", "", json=letter(id_, text))
        if answer.status != 200:
            raise Unbalanced(f"the sink answered {answer.status}")

    return post, client.aclose


def plain(url: str, flight: int, transport: httpx.AsyncBaseTransport | None = None) -> Any:
    """Use httpx.AsyncClient over our transport, or another."""
    limits = httpx.Limits(max_connections=flight, max_keepalive_connections=flight)
    client = httpx.AsyncClient(transport=transport or Transport(flight), limits=limits, trust_env=False, timeout=120)

    async def post(id_: str, text: str) -> None:
        await client.post(url, json=letter(id_, text))

    return post, client.aclose


def own_pool(url: str, flight: int) -> Any:
    """Use httpx.AsyncClient over its own pool."""
    limits = httpx.Limits(max_connections=flight, max_keepalive_connections=flight)
    return plain(url, flight, httpx.AsyncHTTPTransport(limits=limits, trust_env=False))


def null(url: str, flight: int) -> Any:
    """Use httpx.AsyncClient without any wire."""
    return plain(url, flight, httpx.MockTransport(lambda request: httpx.Response(200, json={"ok": True})))


def bare(url: str, flight: int) -> Any:
    """Use aiohttp by itself."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=flight))

    async def post(id_: str, text: str) -> None:
        async with session.post(url, json=letter(id_, text)) as answer:
            await answer.read()

    return post, session.close


def letter(id_: str, text: str) -> dict[str, str]:
    """Write the payload, the same for everybody."""
    return {"id": id_, "to": "c0000000@example.com", "text": text}


class RequestFloor(asyncio.Protocol):
    """Send prepared requests as fast as answers come: what the sink can take."""

    def __init__(self, left: list[int], done: asyncio.Future[None]) -> None:
        self._left, self._done = left, done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first."""
        self._transport: Any = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Send the next."""
        if data.endswith(b"}"):
            self._next()

    def _next(self) -> None:
        if self._left:
            number = self._left.pop()
            body = b'{"id": "floor-%010d", "text": "%s"}' % (number, b"x" * 400)
            head = b"POST / HTTP/1.1\r\nhost: sink\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(head % len(body) + body)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell when nothing is left."""
        if not self._left and not self._done.done():
            self._done.set_result(None)


async def room(sink: SinkProcess, count: int) -> float:
    """Measure how many requests a second the sink answers to fifty connections that do nothing else."""
    loop = asyncio.get_running_loop()
    left, done, begun = list(range(count)), loop.create_future(), loop.time()
    for _ in range(50):
        await loop.create_connection(lambda: RequestFloor(left, done), "127.0.0.1", sink.port)
    await asyncio.wait_for(done, 120)
    return count / (loop.time() - begun)
