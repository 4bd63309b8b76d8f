"""Requests over aiohttp's connections, without its session: one deadline each, and never twice by itself.

aiohttp keeps the connections, resolves, does TLS and reads answers (llhttp). Left out is what its session does
around them with every request: it makes a request and a response object, cookies, redirects and time-outs, and it
sends again, silently, what a kept connection lost. What is left costs a third (docs/decisions/0009-http-seam.md).

A request that was not written was not sent: ``TryLater``. After that everything may have arrived: ``Unknown``.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import aiohttp
import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_exponential
from yarl import URL

from omnibus.errors import Refused, TryLater, Unknown
from omnibus.http.answer import Answer
from omnibus.http.ask import KEPT, Ask, Origin
from omnibus.http.guard import Forbidden, VettedResolver

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

MAX_BODY = 1_000_000  # bytes of an answer, unpacked, that we are ready to read
CONNECT = 5.0  # seconds for one connection at most
KEEP_ALIVE = 15.0  # seconds; below what providers keep, or a POST dies on a connection they just closed


class _Turn:
    """Hold until when one request may take (monotonic seconds), and what to cut when it takes longer."""

    __slots__ = ("over", "transport", "until")

    def __init__(self, until: float) -> None:
        self.until, self.over = until, False
        self.transport: asyncio.Transport | None = None


class Wire:
    """Hold the connections of one client; none before the first request.

    Args:
        limit: connections at most.
        deadline: seconds for a whole request, answer body included.
        guard: vet every address that a name leads to; *trusted* ``host:port`` may be anywhere.
    """

    def __init__(self, limit: int, deadline: float, *, guard: bool = False, trusted: Collection[str] = ()) -> None:
        self._limit, self._deadline, self._guard, self._trusted = limit, deadline, guard, trusted
        self._patience = aiohttp.ClientTimeout(connect=deadline / 2, sock_connect=min(CONNECT, deadline / 2))
        self._connector: aiohttp.TCPConnector | None = None
        self._doors: dict[Origin, aiohttp.ClientRequest] = {}
        self._turns: dict[_Turn, None] = {}  # in the order of their ends, for all have the same time
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def opened(self) -> bool:
        """Tell whether there was a request."""
        return self._connector is not None

    async def exchange(self, ask: Ask) -> Answer:
        """Send one request and read its answer up to the limit; of an error only what there is of it.

        Raises:
            TryLater: it was not sent (``not_connected``).
            Unknown: it may have arrived (``answer_lost``, ``deadline``, ``answer_too_big``).
            Refused: a redirect, or the guard forbids the address (``forbidden_url``).
        """
        turn = self._begin()
        try:
            connection = await self._connected(ask.place.origin, turn)
            try:
                answer = await _ask(connection, ask, turn)
            except BaseException:
                connection.close()
                raise
            connection.release()
            return answer
        finally:
            self._turns.pop(turn, None)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._connector is not None:
            await self._connector.close()

    async def _connected(self, origin: Origin, turn: _Turn) -> Connection:
        """Take a kept connection, or make one; tried again only where there was none."""
        try:
            try:
                return await self._taken(origin)
            except aiohttp.ClientConnectorError as error:
                if not _again(error):
                    raise
                async with asyncio.timeout_at(turn.until):
                    return await _RETRYING.copy()(self._taken, origin)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(getattr(error, "os_error", None), Forbidden):
                raise Refused("forbidden_url") from None
            raise TryLater("not_connected") from None

    async def _taken(self, origin: Origin) -> Connection:
        connector = self._connector or self._open()
        door = self._doors.get(origin) or self._door(origin)
        for _ in range(self._limit + 1):  # all that are kept, and one more
            connection = await connector.connect(door, [], self._patience)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()  # somebody spoke on it unasked: that must not be read as our answer
        raise ConnectionError("speaks before it is asked")

    def _open(self) -> aiohttp.TCPConnector:
        self._connector = aiohttp.TCPConnector(
            limit=self._limit,
            keepalive_timeout=KEEP_ALIVE,
            ssl=_tls(),
            resolver=VettedResolver(self._trusted) if self._guard else None,
            use_dns_cache=not self._guard,
        )
        return self._connector

    def _door(self, origin: Origin) -> aiohttp.ClientRequest:
        """Make what the connector finds connections by."""
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

    def _begin(self) -> _Turn:
        loop = asyncio.get_running_loop()
        turn = _Turn(loop.time() + self._deadline)
        self._turns[turn] = None
        if self._alarm is None:
            self._alarm = loop.call_at(turn.until, self._ring)
        return turn

    def _ring(self) -> None:
        """Cut what is over; one timer serves all, for the oldest ends first."""
        loop, self._alarm = asyncio.get_running_loop(), None
        for turn in list(self._turns):
            if turn.until > loop.time():
                self._alarm = loop.call_at(turn.until, self._ring)
                return
            del self._turns[turn]
            turn.over = True
            if turn.transport is not None:
                turn.transport.abort()


async def _ask(connection: Connection, ask: Ask, turn: _Turn) -> Answer:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or transport.is_closing() or turn.over:
        raise TryLater("not_connected")
    turn.transport = transport
    protocol.set_response_params(skip_payload=ask.place.bodiless, read_until_eof=True)
    transport.write(ask.data)
    answer = await _read(protocol, turn)
    if transport.get_write_buffer_size():
        protocol.force_close()  # answered before it was read whole: the rest would precede the next request
    return answer


async def _read(protocol: ResponseHandler, turn: _Turn) -> Answer:
    """Read one answer whole; an interim one (1xx) is none."""
    status, headers, parts, size = 0, dict[str, str](), list[bytes](), 0
    try:
        message, payload = await protocol.read()
        while 100 <= message.code < 200 and message.code != 101:
            message, payload = await protocol.read()
        status, headers = message.code, _told(message.headers)
        if message.compression:
            headers.pop("content-encoding", None)  # it is undone
        while not payload.at_eof() and not 300 <= status < 400 and size <= MAX_BODY:
            parts.append(await payload.readany())
            size += len(parts[-1])
    except Exception:  # noqa: BLE001 - the request is out: whatever is wrong now, it may have arrived
        if status < 400:
            raise Unknown("deadline" if turn.over else "answer_lost") from None
        protocol.force_close()
    if 300 <= status < 400:
        raise Refused("redirect")
    if status < 400:
        if turn.over or status < 200:
            raise Unknown("deadline" if turn.over else "answer_lost")
        if size > MAX_BODY:
            raise Unknown("answer_too_big")
    return Answer(status, headers, b"".join(parts)[:MAX_BODY])


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """Give headers by lower-case name; those told twice are joined."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        name, value = name.lower(), value if value.isascii() else _readable(value)  # noqa: PLW2901 - their plain form
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _readable(value: str) -> str:
    """Replace bytes that are no UTF-8, which the parser hands on as lone surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _again(error: BaseException) -> bool:
    """Tell whether another try to connect could do better."""
    if isinstance(error, (aiohttp.ClientSSLError, aiohttp.ConnectionTimeoutError)):
        return False
    return isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error.os_error, Forbidden)


_RETRYING = AsyncRetrying(
    retry=retry_if_exception(_again), stop=stop_after_attempt(2) | stop_after_delay(CONNECT),
    wait=wait_exponential(0.05, max=0.2), reraise=True,
)  # fmt: skip


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # reads a file of 300 KB: once per process
