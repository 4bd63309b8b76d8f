"""Serve plugin endpoints over real HTTP: the adapter that the core's server uses too, and a loopback server for tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as Asked
from starlette.responses import Response as Answer
from starlette.responses import StreamingResponse
from starlette.routing import Route

from omnibus.endpoint import Desk, Endpoint
from omnibus.errors import Forged, InputError, NotFound
from omnibus.model.request import Request, Response

MAX_BODY = 1_000_000  # bytes
READ_SECONDS = 20.0  # machine time in which a body must be here


def routes(endpoints: Iterable[Endpoint], desk_for: Callable[[Endpoint], Desk]) -> list[Route]:
    """Make Starlette routes ``/<channel><path>``.

    Path parameters are appended to the query of ``Request.url``, so they win over a query of the same name.
    The URL starts with ``desk.public_url`` where there is one: a proxy must not change what was signed.
    Forged → 401, NotFound → 404, another InputError → 400, each as ``{"error": text}``; a body over 1 MB → 413.
    """
    return [Route(f"/{each.channel}{each.path}", _handler(each, desk_for), methods=[each.method]) for each in endpoints]


@asynccontextmanager
async def serve(endpoints: Iterable[Endpoint], desk: Any) -> AsyncIterator[str]:
    """Serve endpoints on a free loopback port for the length of a test; gives the base URL.

    *desk* is a ``FakeDesk`` (or any Desk); its ``public_url`` is set when empty, its streams end at the end.
    """
    app = Starlette(routes=routes(endpoints, lambda _: desk))
    listener = socket.create_server(("127.0.0.1", 0))
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    desk.public_url = desk.public_url or base_url
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=5
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield base_url
    finally:
        if hasattr(desk, "close"):
            await desk.close()
        server.should_exit = True
        await running
        listener.close()


class _Server(uvicorn.Server):
    """Leave the process's signals alone, and tell when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _handler(endpoint: Endpoint, desk_for: Callable[[Endpoint], Desk]) -> Callable[[Asked], Any]:
    async def handle(asked: Asked) -> Answer:
        desk = desk_for(endpoint)
        try:
            body = await read_body(asked)
            return _answer(await endpoint.handle(_request(asked, body, desk.public_url), desk))
        except HTTPException as error:
            return _error(error.status_code, error.detail)
        except Forged:
            return _error(401, "not allowed")
        except NotFound as error:
            return _error(404, str(error))
        except InputError as error:
            return _error(400, str(error))

    return handle


async def read_body(asked: Asked, most: int = MAX_BODY, seconds: float = READ_SECONDS) -> bytes:
    """Read a body, counted as it comes: a length may be missing, or a lie; who trickles it is let go.

    Raises:
        HTTPException: 413 when it is over *most* bytes, 408 when it is not here after *seconds*.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in asked.stream():
                body += piece
                if len(body) > most:
                    raise HTTPException(413, "the body is too big")
    except TimeoutError:
        raise HTTPException(408, "the body did not come in time", {"connection": "close"}) from None
    return bytes(body)


def _request(asked: Asked, body: bytes, public_url: str) -> Request:
    scope = asked.scope
    path = scope.get("raw_path", asked.url.path.encode()).decode("latin-1").partition("?")[0]
    query = scope["query_string"].decode("latin-1")
    if asked.path_params:
        query = "&".join(filter(None, (query, urlencode(asked.path_params))))
    base = public_url or f"{asked.url.scheme}://{asked.url.netloc}"
    url = base.rstrip("/") + path + (f"?{query}" if query else "")
    return Request(asked.method, url, {name.lower(): value for name, value in asked.headers.items()}, body)


def _error(status: int, text: str) -> Answer:
    return _answer(Response.of_json({"error": text}, status))


def _answer(response: Response) -> Answer:
    headers = dict(response.headers)
    if response.stream is None:
        return Answer(response.body, response.status, headers)
    return StreamingResponse(_pieces(response.stream), response.status, headers)


async def _pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for piece in stream:
            yield piece
    finally:
        if isinstance(stream, AsyncGenerator):  # a reader that left must not leave the generator hanging
            await stream.aclose()
