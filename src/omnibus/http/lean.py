"""httpx without what costs half of its time, for what the short way does not serve: signatures, files, mocks.

It still asks ``_transport_for_url``, so ``respx.mock(using="httpx")`` catches all that is sent. That method is
private: hence the pin below 0.29 and a test.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import httpx

from omnibus.errors import Refused, Unknown
from omnibus.http.answer import MAX_BODY, Answer
from omnibus.http.transport import Transport


class Lean(httpx.AsyncClient):
    """Skip cookies, redirects, hooks and logging, which would write URLs to the log."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport=transport, trust_env=False, follow_redirects=False)
        self._own = transport

    def is_caught(self, url: httpx.URL) -> bool:
        """Tell whether a mock stands between us and the wire."""
        return self._transport_for_url(url) is not self._own

    async def answer(self, method: str, url: httpx.URL, headers: Mapping[str, str], auth: Any, **body: Any) -> Answer:
        """Send a request by way of its authentication, and read the last answer."""
        request = httpx.Request(method, url, headers=dict(headers), **body)
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
