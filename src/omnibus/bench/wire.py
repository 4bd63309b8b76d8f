"""Scenes over HTTP: the client alone, and a durable campaign through it, each against the sink of another process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import aiohttp
import httpx

from omnibus.bench.rounds import Run, Scene
from omnibus.bench.scenes import Bench
from omnibus.errors import Unknown
from omnibus.hookspecs import hookimpl
from omnibus.http import Client
from omnibus.http.transport import Transport
from omnibus.model.attempt import Attempt, Receipt
from omnibus.model.content import Content
from omnibus.provider import Keep, Provider, ProviderSettings
from omnibus.testing.fakes import FakeChannel

BODY = "x" * 400
Post = Callable[[str, str], Awaitable[None]]


class SinkProcess:
    """Run ``sink.py`` beside us, on another core where there is one."""

    url = ""

    async def start(self) -> None:
        """Start it and read its port."""
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "omnibus.bench.sink", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        if len(cores) > 1:
            os.sched_setaffinity(self._process.pid, set(cores[1:]))
        if self._process.stdout is None:
            raise RuntimeError("the sink has no output")
        self.url = f"http://127.0.0.1:{(await self._process.stdout.readline()).decode().strip()}"

    async def count(self) -> int:
        """Ask how many distinct ids it has seen."""
        async with aiohttp.ClientSession() as session, session.get(self.url) as answer:
            return int(await answer.text())

    async def stop(self) -> None:
        """End it by closing its input."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()


class _SinkSettings(ProviderSettings):
    """Read where the sink is."""

    url: str = ""


class SinkProvider(Provider):
    """Hand over by one POST through the default transport."""

    channel: ClassVar[Any] = FakeChannel
    scheme: ClassVar[str] = "sink"
    Settings: ClassVar[type[ProviderSettings]] = _SinkSettings
    _client: Client | None = None

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Post it."""
        if self._client is None:
            self._client = Client(str(self.settings.url))
        answer = await self._client.request("POST", "", json={"id": attempt.id, "to": address, "text": content.text})
        if answer.status != 200:
            raise Unknown("answer")
        return Receipt(attempt.id)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


class _Plugin:
    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        register(FakeChannel, SinkProvider)


class Wire:
    """Make the scenes over HTTP.

    Args:
        each: requests in one run of the client alone.
    """

    def __init__(self, bench: Bench, sink: SinkProcess, each: int) -> None:
        self.bench, self.sink, self.each = bench, sink, each
        self._number = 0

    def scenes(self) -> list[Scene]:
        """List them."""
        own = "httpx's own pool"
        found = [
            Scene(f"http-client-{flight}", "requests", self._run(_ours, flight), self._run(_pool, flight), own,
                  durability="none", must=15.0 if flight == 50 else None)
            for flight in (1, 10, 50, 200)
        ]  # fmt: skip
        found += [
            Scene("http-null", "requests", self._run(_ours, 50), self._run(_null, 50), "the API alone, null transport",
                  durability="none"),
            Scene("http-aiohttp", "requests", self._run(_ours, 50), self._run(_bare, 50), "aiohttp bare",
                  durability="none"),
            Scene("campaign-http", "messages", self.campaign, self._run(_httpx, 50, self.bench.size.people),
                  "a loop of httpx.AsyncClient over the same transport, nothing kept", must=0.80),
        ]  # fmt: skip
        return found

    async def campaign(self) -> Run:
        """Accept for everybody, then hand over to the sink; the sink's count is the book."""
        people = self.bench.size.people
        bus = await self.bench.bus(people=people, plugin=_Plugin(), provider=f'"sink"\nurl = "{self.sink.url}"')
        async for _ in bus.send_many("news", self.bench.names(people)):
            pass
        before = await self.sink.count()

        async def run() -> int:
            await bus.parts.dispatcher.drain()
            audit, seen = await bus.audit(), await self.sink.count() - before
            if not audit["sent"] == seen == people or audit["unbalanced"]:
                raise RuntimeError(f"the books do not balance: {audit}, the sink saw {seen}")
            return people

        return run

    def _run(
        self, make: Callable[[str, int], tuple[Post, Callable[[], Awaitable[None]]]], flight: int, count: int = 0
    ) -> Any:
        count = count or max(self.each if flight > 1 else self.each // 4, flight)

        async def fresh() -> Run:
            post, close = make(self.sink.url, flight)
            self._number += 1
            mark, before = self._number, await self.sink.count()

            async def run() -> int:
                numbers = iter(range(count))

                async def sender() -> None:
                    for number in numbers:
                        await post(f"{mark}-{number}", BODY)

                await asyncio.gather(*(sender() for _ in range(flight)))
                await close()
                if make is not _null and await self.sink.count() - before != count:
                    raise RuntimeError("the sink saw another number")
                return count

            return run

        return fresh


def _ours(url: str, flight: int) -> tuple[Post, Callable[[], Awaitable[None]]]:
    client = Client(url, limit=flight)

    async def post(id_: str, text: str) -> None:
        await client.request("POST", "", json={"id": id_, "text": text})

    return post, client.aclose


def _httpx(url: str, flight: int, transport: httpx.AsyncBaseTransport | None = None) -> Any:
    limits = httpx.Limits(max_connections=flight, max_keepalive_connections=flight)
    client = httpx.AsyncClient(transport=transport or Transport(flight), limits=limits, trust_env=False, timeout=120)

    async def post(id_: str, text: str) -> None:
        await client.post(url, json={"id": id_, "text": text})

    return post, client.aclose


def _pool(url: str, flight: int) -> Any:
    limits = httpx.Limits(max_connections=flight, max_keepalive_connections=flight)
    return _httpx(url, flight, httpx.AsyncHTTPTransport(limits=limits, trust_env=False))


def _null(url: str, flight: int) -> Any:
    return _httpx(url, flight, httpx.MockTransport(lambda request: httpx.Response(200, json={"ok": True})))


def _bare(url: str, flight: int) -> Any:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=flight))

    async def post(id_: str, text: str) -> None:
        async with session.post(url, json={"id": id_, "text": text}) as answer:
            await answer.read()

    return post, session.close
