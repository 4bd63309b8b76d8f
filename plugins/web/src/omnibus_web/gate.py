"""Who may call: the origins that are listed, with bodies of a sane size; errors, too, can be read by the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from omnibus import Desk, Forged, InputError, NotFound, Request, Response
from omnibus_web.page import MAX_BODY

Handle = Callable[[Request, Desk], Awaitable[Response]]

SOURCE = "web"  # of all events that pages tell


def body_of(request: Request) -> dict[str, Any]:
    """Read a page's JSON object.

    Raises:
        InputError: too big, no JSON, or no object.
    """
    if len(request.body) > MAX_BODY:
        raise InputError(f"more than {MAX_BODY} bytes", where=request.path)
    told = request.json()
    if not isinstance(told, dict):
        raise InputError("the body is not a JSON object", where=request.path)
    return told


def origin_of(url: str) -> str:
    """Cut a URL down to its origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def page(handle: Handle) -> Handle:
    """Guard a handler: foreign origins are refused, and errors too carry the headers that let the page read them."""

    async def guarded(request: Request, desk: Desk) -> Response:
        origin = request.headers.get("origin", "")
        if origin and origin not in {*desk.settings.origins, origin_of(desk.public_url)}:
            return Response.of_json({"error": "this origin is not in [channels.web] origins"}, 403)
        try:
            answer = await handle(request, desk)
        except Forged:
            answer = Response.of_json({"error": "the token or assertion is not valid (any more)"}, 401)
        except NotFound as error:
            answer = Response.of_json({"error": str(error)}, 404)
        except InputError as error:
            answer = Response.of_json({"error": str(error)}, 400)
        extra = {"vary": "origin", "cache-control": "no-store"}
        if origin:
            extra["access-control-allow-origin"] = origin
        return Response(answer.status, answer.body, {**extra, **answer.headers}, answer.stream)

    return guarded


async def preflight(request: Request, desk: Desk) -> Response:
    """Answer a browser that asks before it posts."""
    allow = {"access-control-allow-methods": "GET, POST", "access-control-allow-headers": "content-type, last-event-id"}
    return Response(204, b"", {**allow, "access-control-max-age": "600"})
