"""The ASGI app: ``/hooks/<channel>/<provider>``, ``/<channel>/…`` of the plugins, ``/u/<token>``, ``/health``.

Mounted in another app, its lifespan does not run: open the bus in the host's lifespan.
"""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import Response as Answer
from starlette.routing import Route

from omnibus.bus import Bus
from omnibus.errors import Conflict, FacetError, StoreFull
from omnibus.model.request import Request
from omnibus.server.desk import BusDesk
from omnibus.server.pages import follow, unsubscribe
from omnibus.testing.serving import read_body, routes

MAX_BODY = 5_000_000  # bytes


def make_app(bus: Bus, closing: asyncio.Event | None = None) -> Starlette:
    """Make the app of an open bus.

    Args:
        closing: set it when the server stops, so that streams end.
    """
    closing = closing or asyncio.Event()
    enabled = {name for name, _ in bus.lines}
    endpoints = [each for each in bus.parts.plugins.registry.endpoints if each.channel in enabled]
    desks = {name: BusDesk(bus, name, closing) for name in enabled}

    async def hook(asked: Asked) -> Answer:
        body = await read_body(asked, MAX_BODY)
        answer = await bus.receive(
            asked.path_params["channel"], asked.path_params["provider"], _request(asked, body, bus)
        )
        return Answer(answer.body, answer.status, dict(answer.headers))

    async def stop(asked: Asked) -> Answer:
        return await unsubscribe(bus, asked)

    async def click(asked: Asked) -> Answer:
        return await follow(bus, asked)

    async def health(asked: Asked) -> Answer:
        try:
            await bus.next_due()
        except StoreFull:
            return Answer("the store is down", 503)
        return Answer("ok")

    async def not_now(asked: Asked, error: Exception) -> Answer:
        return Answer("not now; please try again in a minute", 503, {"retry-after": "30"})

    return Starlette(
        exception_handlers=dict.fromkeys((StoreFull, Conflict, FacetError), not_now),
        routes=[
            Route("/hooks/{channel}/{provider}", hook, methods=["GET", "POST", "PUT"]),
            Route("/u/{token}", stop, methods=["GET", "POST"]),
            Route("/c/{token}", click, methods=["GET"]),
            Route("/health", health),
            *routes(endpoints, lambda endpoint: desks[endpoint.channel]),
        ],
    )


def _request(asked: Asked, body: bytes, bus: Bus) -> Request:
    """Keep the URL as the sender saw it: ours is configured, so a proxy cannot change what was signed."""
    path = asked.scope.get("raw_path", asked.url.path.encode()).decode("latin-1").partition("?")[0]
    root = asked.scope.get("root_path", "").rstrip("/")  # where we are mounted; public_url says it, too
    query = asked.scope["query_string"].decode("latin-1")
    base = bus.parts.settings.omnibus.public_url or f"{asked.url.scheme}://{asked.url.netloc}{root}"
    headers = {name.lower(): value for name, value in asked.headers.items()}
    return Request(asked.method, base + path.removeprefix(root) + (f"?{query}" if query else ""), headers, body)
