"""The clerk's page at ``/pos/``: three static files of our own; all data comes from the till API, by terminal key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from importlib.resources import files

from omnibus import Desk, Endpoint, Request, Response
from omnibus_pos.picture import colour

#: nothing but our own files, no frame around us: a clerk's key is typed into this page
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def pages() -> tuple[Endpoint, ...]:
    """Give the routes of the page."""
    return (
        Endpoint("pos", "GET", "/", _file("till.html", "text/html")),
        Endpoint("pos", "GET", "/till.js", _file("till.js", "text/javascript")),
        Endpoint("pos", "GET", "/till.css", _file("till.css", "text/css")),
    )


def _file(name: str, media_type: str) -> Callable[[Request, Desk], Awaitable[Response]]:
    text = files(__name__).joinpath(name).read_text("utf-8")

    async def handle(request: Request, desk: Desk) -> Response:
        theme = desk.brand.theme
        filled = (
            text.replace("%brand%", escape(desk.brand.name))
            .replace("%primary%", colour(theme.primary, "#1f3a5f"))
            .replace("%on-primary%", colour(theme.on_primary, "#ffffff"))
            .replace("%accent%", colour(theme.accent, "#c8553d"))
        )
        return Response(200, filled.encode(), {"content-type": f"{media_type}; charset=utf-8", **HEADERS})

    return handle
