"""The connections of one client: so many at most, kept for a while, made by aiohttp (names, happy eyeballs, TLS).

aiohttp's own pool is not asked with each request: it would cost eight microseconds to learn that one is free.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Collection

import aiohttp
import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_exponential
from yarl import URL

from omnibus.errors import Refused, TryLater
from omnibus.http.ask import KEPT, Origin
from omnibus.http.guard import Forbidden, VettedResolver
from omnibus.http.line import HttpLine
from omnibus.inflight import Room

CONNECT = 5.0  # seconds for one connection at most
KEEP_ALIVE = 15.0  # seconds at most; below what providers keep, or a POST dies on a connection they just closed
FRESH = 1.0  # seconds at most in which we trust that the other side has not closed one


class Lines:
    """Hold the connections of one client; none before the first request.

    Args:
        limit: connections at most.
        patience: seconds that a request waits for one.
        guard: vet every address that a name leads to; *trusted* ``host:port`` may be anywhere.
    """

    def __init__(self, limit: int, patience: float, *, guard: bool, trusted: Collection[str]) -> None:
        self._limit, self._patience, self._guard, self._trusted = limit, patience, guard, trusted
        self._room = Room(limit)
        self._kept: dict[Origin, list[HttpLine]] = {}  # which was used last stands last
        self._timeout = aiohttp.ClientTimeout(connect=patience, sock_connect=min(CONNECT, patience))
        self._connector: aiohttp.TCPConnector | None = None
        self._doors: dict[Origin, aiohttp.ClientRequest] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def opened(self) -> bool:
        """Tell whether there was a request."""
        return self._connector is not None

    def fresh(self, origin: Origin, now: float) -> HttpLine | None:
        """Take one that was in use a moment ago; None: ``take`` one."""
        kept = self._kept.get(origin)
        if kept and now < kept[-1].fresh and kept[-1].fit and self._room.enter():
            return kept.pop()
        return None

    async def take(self, origin: Origin, until: float) -> HttpLine:
        """Take one that is kept, or make one, when it is our turn; tried again only where none was made.

        Raises:
            TryLater: there is none (``not_connected``).
            Refused: the guard forbids the address (``forbidden_url``).
        """
        try:
            await self._turn()
            try:
                return await self._rested(origin) or await self._connected(origin, until)
            except BaseException:
                self._room.leave()
                raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(getattr(error, "os_error", None), Forbidden):
                raise Refused("forbidden_url") from None
            raise TryLater("not_connected") from None

    def back(self, line: HttpLine, now: float) -> None:
        """Keep one for the next request, or close it."""
        if line.fit:
            line.fresh, line.until = now + min(FRESH, line.rests), now + min(KEEP_ALIVE, line.rests)
            self._kept.setdefault(line.origin, []).append(line)
            if self._sweeper is None:
                self._sweeper = asyncio.get_running_loop().call_at(line.until, self._sweep)
        else:
            line.close()
        self._room.leave()

    async def aclose(self) -> None:
        """Close all, those in use as well."""
        self._limit = 0
        if self._sweeper is not None:
            self._sweeper.cancel()
        for line in [line for lines in self._kept.values() for line in lines]:
            line.close()
        self._kept.clear()
        if self._connector is not None:
            await self._connector.close()

    async def _turn(self) -> None:
        if not self._room.enter():
            async with asyncio.timeout(self._patience):
                await self._room.wait()

    async def _rested(self, origin: Origin) -> HttpLine | None:
        """Take one that is kept, after the loop has looked (in its next round) whether the other side closed it."""
        if self._kept.get(origin):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        kept, now = self._kept.get(origin, []), asyncio.get_running_loop().time()
        while kept:
            line = kept.pop()
            if line.fit and now < line.until:
                return line
            line.close()
        return None

    async def _connected(self, origin: Origin, until: float) -> HttpLine:
        self._make_room()
        try:
            line = await self._made(origin)
        except aiohttp.ClientConnectorError as error:
            if not _again(error):
                raise
            async with asyncio.timeout_at(until):
                line = await _RETRYING.copy()(self._made, origin)
        if not line.fit or asyncio.get_running_loop().time() >= until:
            line.close()
            raise ConnectionError("gone, late, or spoken on before it is asked")
        return line

    async def _made(self, origin: Origin) -> HttpLine:
        if not self._limit:
            raise ConnectionError("closed")
        connector = self._connector or self._open()
        connection = await connector.connect(self._doors.get(origin) or self._door(origin), [], self._timeout)
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            connection.close()
            raise ConnectionError("gone")
        return HttpLine(connection, protocol, transport, origin)

    def _make_room(self) -> None:
        """Close those that are kept elsewhere, whose time is over first, where there would be too many."""
        kept = sorted((line for lines in self._kept.values() for line in lines), key=lambda line: line.until)
        for line in kept[: max(len(kept) + self._room.taken - self._limit, 0)]:
            self._kept[line.origin].remove(line)
            line.close()

    def _sweep(self) -> None:
        """Close those that are kept for too long."""
        loop, self._sweeper = asyncio.get_running_loop(), None
        now = loop.time()
        for origin, lines in list(self._kept.items()):
            for line in [line for line in lines if now >= line.until or not line.fit]:
                lines.remove(line)
                line.close()
            if not lines:
                del self._kept[origin]
        if self._kept:
            first = min(line.until for lines in self._kept.values() for line in lines)
            self._sweeper = loop.call_at(first, self._sweep)

    def _open(self) -> aiohttp.TCPConnector:
        self._connector = aiohttp.TCPConnector(
            limit=0,
            ssl=_tls(),
            resolver=VettedResolver(self._trusted) if self._guard else None,
            use_dns_cache=not self._guard,
        )
        return self._connector

    def _door(self, origin: Origin) -> aiohttp.ClientRequest:
        """Make what the connector finds addresses by."""
        scheme, host, port = origin
        try:
            url = URL.build(scheme=scheme, host=host, port=port)
            found = aiohttp.ClientRequest("POST", url, loop=asyncio.get_running_loop())
        except ValueError:
            raise Refused("bad_url") from None
        if len(self._doors) >= KEPT:
            self._doors.clear()
        self._doors[origin] = found
        return found


def _again(error: BaseException) -> bool:
    """Tell whether another try to connect could do better."""
    if isinstance(error, aiohttp.ClientSSLError) or not isinstance(error, aiohttp.ClientConnectorError):
        return False
    return not isinstance(error.os_error, Forbidden)


_RETRYING = AsyncRetrying(
    retry=retry_if_exception(_again), stop=stop_after_attempt(2) | stop_after_delay(CONNECT),
    wait=wait_exponential(0.05, max=0.2), reraise=True,
)  # fmt: skip


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # reads a file of 300 KB: once per process
