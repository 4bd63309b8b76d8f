"""httpx over aiohttp's connections, with the errors put right.

httpx's own pool walks all connections with every request (223 requests a second at 50 in flight); over aiohttp's
it is twenty times as fast. But httpx-aiohttp 0.2.0 tells a connection lost *after* the request as a connect
time-out, which would read as "not sent": a duplicate. So each error is mapped again from aiohttp's own.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from omnibus.errors import Refused
from omnibus.http.guard import Forbidden, VettedResolver

KEEP_ALIVE = 15.0  # seconds; below what providers keep, or a POST dies on a connection they just closed

_NO_URL = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)


class Transport(AiohttpTransport):
    """Carry requests over one aiohttp session of our own: no cookies, no proxies of the environment.

    Args:
        limit: connections at most.
        guard: vet every address that a name leads to.
        trusted: ``host:port`` that the guard lets pass.
    """

    def __init__(self, limit: int, *, guard: bool = False, trusted: Collection[str] = ()) -> None:
        super().__init__(verify=_tls(), trust_env=False, client=self._session)
        self._limit, self._guard, self._trusted = limit, guard, trusted

    def _session(self) -> aiohttp.ClientSession:
        resolver = VettedResolver(self._trusted) if self._guard else None
        connector = aiohttp.TCPConnector(
            limit=self._limit,
            keepalive_timeout=KEEP_ALIVE,
            ssl=_tls(),
            resolver=resolver,
            use_dns_cache=not self._guard,
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make one request; its answer's body is a stream.

        Raises:
            httpx.ConnectError: nothing was sent; ConnectTimeout: neither, after waiting.
            httpx.ReadError: it may have arrived.
            Refused: the guard forbids the address.
        """
        with _mended():
            response = await super().handle_async_request(request)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Stream(response.stream)
        return response


class _Stream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _mended():
            async for piece in self._stream:
                yield piece

    async def aclose(self) -> None:
        with _mended():
            await self._stream.aclose()


@contextmanager
def _mended() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, aiohttp.ClientError, OSError, ValueError) as error:
        cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__
        if isinstance(getattr(cause, "os_error", None), Forbidden):
            raise Refused("forbidden_url") from None
        # only the next three say that nothing was sent; everything else, known or not, may have arrived
        if isinstance(cause, _NO_URL):
            raise httpx.UnsupportedProtocol("no URL") from None
        if isinstance(cause, aiohttp.ConnectionTimeoutError):
            raise httpx.ConnectTimeout("not connected in time") from None
        if isinstance(cause, aiohttp.ClientConnectorError):
            raise httpx.ConnectError("not connected") from None
        raise httpx.ReadError(type(cause or error).__name__) from None


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # reads a file of 300 KB: once per process
