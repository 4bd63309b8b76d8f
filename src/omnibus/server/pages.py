"""Pages for people: unsubscribing. GET shows, POST acts, so a link scanner never unsubscribes anybody.

Source: RFC 8058 (one-click: POST with ``List-Unsubscribe=One-Click``).
"""

from __future__ import annotations

from contextlib import suppress
from html import escape

from starlette.requests import Request as Asked
from starlette.responses import HTMLResponse, RedirectResponse, Response

from omnibus.bus import Bus
from omnibus.errors import Conflict, Forged, InputError, NotFound, StoreFull
from omnibus.testing.serving import read_body

SOURCE = "unsubscribe"
MAX_FORM = 10_000  # bytes of what a mail program or this page posts


async def unsubscribe(bus: Bus, asked: Asked) -> Response:
    """Show the page, or act on it; acting twice is acting once."""
    try:
        claims = bus.parts.links.read_opt_out(asked.path_params["token"])
    except Forged:
        return _page(
            bus, "This link is not valid", "<p>It was changed on its way. Please use the one in the message.</p>", 404
        )
    if asked.method != "POST":  # HEAD, too, only looks
        form = (
            '<form method="post"><p>What shall we stop? Nothing has changed yet.</p>'
            '<button name="topic" value="one">Stop messages about this</button> '
            '<button name="topic" value="all">Stop all advertising</button></form>'
        )
        return _page(bus, "Unsubscribe", form)
    everything = b"topic=all" in await read_body(asked, MAX_FORM)
    delivery = await bus.parts.store.delivery(claims["d"])
    channel = delivery.channel if delivery else ""
    data = {
        "channel": "*" if everything else channel or "*", "purpose": "marketing",
        "topic": "*" if everything else claims["t"], "delivery": claims["d"],
    }  # fmt: skip
    id_ = f"{claims['d']}:{'all' if everything else 'topic'}"
    try:
        await bus.track(claims["u"], "message.unsubscribed", data, id=id_, source=SOURCE)
    except NotFound:
        return _page(bus, "You are not known here any more", "<p>Nothing is sent to you.</p>")
    what = "advertise to you" if everything else "write to you about this"
    return _page(bus, "Done", f"<p>We will not {what} any more.</p>")


async def follow(bus: Bus, asked: Asked) -> Response:
    """Note a click and lead on; only to where we said, for the token is signed. A HEAD is a machine looking."""
    try:
        claims = bus.parts.links.read_click(asked.path_params["token"])
    except Forged:
        return _page(
            bus, "This link is not valid", "<p>It was changed on its way. Please use the one in the message.</p>", 404
        )
    if asked.method == "GET":
        data = {"delivery": claims["d"]}
        # who was erased, and whom a store that is away cannot note, is led on all the same
        with suppress(NotFound, InputError, StoreFull, Conflict):
            await bus.track(claims["c"], "message.clicked", data, id=f"{claims['d']}:clicked", source="link")
    return RedirectResponse(claims["l"], 302, {"referrer-policy": "no-referrer", "cache-control": "no-store"})


def _page(bus: Bus, title: str, body: str, status: int = 200) -> HTMLResponse:
    brand = bus.parts.brand
    theme = brand.theme
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)} · {escape(brand.name)}</title><style>body{{font-family:{escape(theme.font)};"
        f"background:{escape(theme.background)};color:{escape(theme.text)};max-width:32rem;margin:10vh auto;padding:0 1rem}}"
        f"button{{background:{escape(theme.primary)};color:{escape(theme.on_primary)};border:0;border-radius:{theme.radius}px;"
        f"padding:.7rem 1rem;font:inherit;cursor:pointer}}</style><main><p>{escape(brand.name)}</p>"
        f"<h1>{escape(title)}</h1>{body}</main></html>"
    )
    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"}
    return HTMLResponse(html, status, headers)
