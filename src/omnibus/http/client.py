"""The client that providers use: lean, with one total deadline, and never twice by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Any

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_exponential

from omnibus.errors import Refused, TryLater, Unknown
from omnibus.http.answer import Answer
from omnibus.http.guard import vet
from omnibus.http.transport import Transport

MAX_BODY = 1_000_000  # bytes of an answer, unpacked, that we are ready to read
CONNECT = 5.0  # seconds for one connection at most
_HEADERS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "omnibus"}


class Client:
    """Make requests to one provider account with one total deadline each; redirects are never followed.

    Args:
        base_url: put before every path that is not a URL itself.
        headers: sent with every request.
        auth: (user, password), a function that signs the request in place, or an httpx auth flow.
        deadline: seconds for a whole request, answer body included.
        limit: how many requests may be in flight.
        guard: URLs come from strangers: only public addresses, ports 443 and 80.
        trusted: ``host:port`` that the guard lets pass (a sandbox on loopback).
    """

    def __init__(
        self, base_url: str = "", *, headers: Mapping[str, str] | None = None, auth: Any = None, deadline: float = 20.0,
        limit: int = 50, guard: bool = False, trusted: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._base, self._auth, self._deadline, self._closed = base_url.rstrip("/"), auth, deadline, False
        self._guard, self._trusted = guard, frozenset(trusted)
        told = {name.lower(): value for name, value in (headers or {}).items()}
        timeout = httpx.Timeout(deadline, connect=min(CONNECT, deadline / 2), read=None, pool=deadline / 2)
        transport = Transport(limit, guard=guard, trusted=self._trusted)
        self._lean = _Lean({**_HEADERS, **told}, timeout, transport)

    async def request(
        self, method: str, url: str, *, json: Any = None, data: Any = None, content: bytes | None = None,
        files: Any = None, params: Any = None, headers: Mapping[str, str] | None = None, auth: Any = None,
    ) -> Answer:  # fmt: skip
        """Make one request and read its whole answer, whatever its status.

        A connection that was never made is tried again at once, within the deadline; nothing else is.

        Raises:
            TryLater: no connection was made, so nothing was sent (``not_connected``), or the client is closed.
            Unknown: it may have arrived (``answer_lost``, ``deadline``, ``answer_too_big``).
            Refused: a redirect; a header of two lines (``bad_header``), a URL that is none (``bad_url``) or that the guard forbids (``forbidden_url``).
        """
        if self._closed:
            raise TryLater("closed")
        where = url if "://" in url else f"{self._base}/{url.lstrip('/')}" if url else self._base
        if self._guard:
            vet(where, self._trusted)
        if any(sign in value for value in (headers or {}).values() for sign in "\r\n\0"):
            raise Refused("bad_header")
        body = {"json": json, "data": data, "content": content, "files": files, "params": params}
        make = _Make(method, where, body, headers or {})
        try:
            async with asyncio.timeout(self._deadline):
                return await self._connected(make, self._auth if auth is None else auth)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise TryLater("not_connected") from None
        except TimeoutError:
            raise Unknown("deadline") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Refused("bad_url") from None
        except (httpx.HTTPError, httpx.StreamError):
            raise Unknown("answer_lost") from None

    async def aclose(self) -> None:
        """Close the connections; may be called twice."""
        self._closed = True
        await self._lean.aclose()

    async def _connected(self, make: _Make, auth: Any) -> Answer:
        try:
            return await self._lean.answer(make, auth)
        except httpx.ConnectError:
            retrying = AsyncRetrying(
                retry=retry_if_exception_type(httpx.ConnectError), stop=stop_after_attempt(2) | stop_after_delay(CONNECT),
                wait=wait_exponential(0.05, max=0.2), reraise=True,
            )  # fmt: skip
            return await retrying(self._lean.answer, make, auth)


class _Make:
    """Hold what a request is made of, so that it can be made again for another connection."""

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, method: str, url: str, body: dict[str, Any], headers: Mapping[str, str]) -> None:
        self.method, self.url, self.headers = method, url, headers
        self.body = {name: value for name, value in body.items() if value is not None}


class _Lean(httpx.AsyncClient):
    """Skip cookies, redirects, hooks and logging, which cost half of httpx's time and write URLs to the log.

    It still asks ``_transport_for_url``, so ``respx.mock(using="httpx")`` catches it. That method is private:
    hence the pin below 0.29 and a test.
    """

    def __init__(self, headers: Mapping[str, str], timeout: httpx.Timeout, transport: httpx.AsyncBaseTransport) -> None:
        super().__init__(transport=transport, trust_env=False, follow_redirects=False)
        self._told, self._extensions = dict(headers), {"timeout": timeout.as_dict()}

    async def answer(self, make: _Make, auth: Any) -> Answer:
        """Send a request by way of its authentication, and read the last answer."""
        headers = {**self._told, **{name.lower(): value for name, value in make.headers.items()}}
        request = httpx.Request(make.method, make.url, headers=headers, extensions=self._extensions, **make.body)
        if not request.url.host or (request.url.port or 0) > 65_535:
            raise httpx.InvalidURL("no host, or no such port")
        if isinstance(auth, tuple):
            auth = httpx.BasicAuth(*auth)
        if auth is None:
            return await self._read(request)
        if isinstance(auth, httpx.Auth):
            return await self._flow(auth.async_auth_flow(request))
        sign: Callable[[httpx.Request], httpx.Request] = auth
        return await self._read(sign(request))

    async def _flow(self, steps: AsyncGenerator[httpx.Request, httpx.Response]) -> Answer:
        async with aclosing(steps):
            request = await anext(steps)
            while True:
                answer = await self._read(request)
                told = httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body, request=request)
                try:
                    request = await steps.asend(told)
                except StopAsyncIteration:
                    return answer

    async def _read(self, request: httpx.Request) -> Answer:
        """Send one request and read its answer up to the limit; of an error only what there is of it."""
        response = await self._transport_for_url(request.url).handle_async_request(request)
        response.request = request
        status, headers, parts, size = response.status_code, dict(response.headers), list[bytes](), 0
        try:
            if 300 <= status < 400:
                raise Refused("redirect")
            async for part in response.aiter_bytes():
                size += len(part)
                if size > MAX_BODY:
                    break
                parts.append(part)
        except httpx.HTTPError:
            if status < 400:
                raise
        finally:
            await response.aclose()
        if size > MAX_BODY and status < 400:
            raise Unknown("answer_too_big")
        headers.pop("content-encoding", None)  # it is undone
        return Answer(status, headers, b"".join(parts))
