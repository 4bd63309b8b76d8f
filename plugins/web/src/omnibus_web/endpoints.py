"""What pages call, below ``/web``. Every answer is about the customer of the page's token and nobody else.

All POST bodies are JSON objects with ``token`` (except ``/visit``); ``text/plain`` is accepted as their content type,
for it spares the browser a preflight. Allowed origins may read the answers; another origin gets 403.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

from omnibus import Desk, Endpoint, Forged, NotFound, Request, Response
from omnibus_web import visitors
from omnibus_web.cards import Card, Cards
from omnibus_web.gate import SOURCE, body_of, page, preflight
from omnibus_web.page import event_data, event_id
from omnibus_web.push_endpoints import PUSH_ENDPOINTS
from omnibus_web.stream import HEADERS, frames

MODULE = files("omnibus_web").joinpath("omnibus.js").read_bytes()
_ETAG = f'"{hashlib.sha256(MODULE).hexdigest()[:16]}"'


async def module(request: Request, desk: Desk) -> Response:
    """Serve the ES module; public, so any origin may load it."""
    headers = {
        "etag": _ETAG, "cache-control": "public, max-age=300", "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
    }  # fmt: skip
    if request.headers.get("if-none-match") == _ETAG:
        return Response(304, b"", headers)
    return Response(200, MODULE, {**headers, "content-type": "text/javascript; charset=utf-8"})


async def visit(request: Request, desk: Desk) -> Response:
    """Welcome a page: who brings a known visitor's secret comes back, anyone else becomes a new visitor."""
    secret = body_of(request).get("visitor")
    known = None
    if isinstance(secret, str) and visitors.is_secret(secret):
        known = await desk.find("web", visitors.reference(secret))
    if known is None or not isinstance(secret, str):
        secret = visitors.new_secret()
        known = await desk.visitor("web", visitors.reference(secret))
    return _welcome(desk, known.id, secret)


async def stream(request: Request, desk: Desk) -> Response:
    """Stream the cards; 204 tells the browser to stop, the page then renews its token."""
    token = request.query.get("token")
    try:
        here = visitors.unseal(desk, token)
    except Forged:
        return Response(204)
    context = await desk.context(here.customer)
    last = request.headers.get("last-event-id") or request.query.get("last", "")
    events = frames(desk, context.customer.id, lambda: visitors.unseal(desk, token), last)
    return Response(200, b"", HEADERS, events)


async def track(request: Request, desk: Desk) -> Response:
    """Take a page's event; the same id again changes nothing."""
    told = body_of(request)
    here = visitors.unseal(desk, told.get("token"))
    name, data = event_id(told), event_data(told.get("type"), told.get("data", {}))
    new = await desk.track(here.customer, told["type"], data, id=f"{here.page}:{name}", source=SOURCE)
    return Response.of_json({"new": new})


async def identify(request: Request, desk: Desk) -> Response:
    """Join the visitor to the customer that the shop's backend vouches for; an unsigned claim joins nobody.

    A browser that already belongs to somebody else is not merged: the person at it gets a visitor of their own.
    """
    told = body_of(request)
    here = visitors.unseal(desk, told.get("token"))
    signed = told.get("assertion")
    if not isinstance(signed, str):
        return Response.of_json({"identified": False})
    kind, value = visitors.asserted(signed, _keys(desk), desk.now())
    me = (await desk.context(here.customer)).customer
    owner = await desk.find(kind, value)
    if owner is not None and owner.id == me.id:
        return Response.of_json({"identified": True})
    stranger = all(each.kind in {"web", "push"} for each in me.identities)
    if stranger:
        joined = await desk.identify(me.id, kind, value, evidence="signed by the shop", verified=True)
        token, seconds = visitors.reseal(desk, joined.id, here), desk.settings.token_seconds
        return Response.of_json({"identified": True, "token": token, "seconds": seconds})
    owner = owner or await desk.visitor(kind, value)
    secret = visitors.new_secret()
    owner = await desk.identify(owner.id, "web", visitors.reference(secret), evidence="web page", verified=True)
    return _welcome(desk, owner.id, secret, identified=True)


async def seen(request: Request, desk: Desk) -> Response:
    """Note that a page showed a card: it is delivered."""
    return await _about_card(request, desk, "message.delivered", "shown")


async def click(request: Request, desk: Desk) -> Response:
    """Note that the card's link was followed."""
    return await _about_card(request, desk, "message.clicked", "clicked")


async def dismiss(request: Request, desk: Desk) -> Response:
    """Take a card off all pages of this customer, for good."""
    return await _about_card(request, desk, "card.dismissed", "dismissed")


async def _about_card(request: Request, desk: Desk, type_: str, what: str) -> Response:
    told = body_of(request)
    here = visitors.unseal(desk, told.get("token"))
    cards = (await desk.context(here.customer))[Cards]
    name = told.get("card")
    if isinstance(name, str) and name in cards.ended:  # another tab was faster
        return Response.of_json({"new": False})
    card = cards.cards.get(name) if isinstance(name, str) else None
    if card is None:
        raise NotFound("no such card here", where="card")
    new = await desk.track(here.customer, type_, _data(card), id=f"{card.id}:{what}", source=SOURCE)
    return Response.of_json({"new": new})


def _data(card: Card) -> dict[str, Any]:
    return dict(card.about)


def _welcome(desk: Desk, customer: str, secret: str, **more: Any) -> Response:
    token = visitors.seal(desk, customer, secret)
    return Response.of_json({"visitor": secret, "token": token, "seconds": desk.settings.token_seconds, **more})


def _keys(desk: Desk) -> list[str]:
    told = (desk.settings.identify_secret, desk.settings.previous_identify_secret)
    return [each.get_secret_value() for each in told if each is not None and each.get_secret_value()]


_POSTS = {
    "/visit": visit, "/track": track, "/identify": identify, "/seen": seen, "/click": click, "/dismiss": dismiss,
}  # fmt: skip

ENDPOINTS = (
    Endpoint("web", "GET", "/omnibus.js", module),
    Endpoint("web", "GET", "/stream", page(stream)),
    *(Endpoint("web", "POST", path, page(handle)) for path, handle in _POSTS.items()),
    *(Endpoint("web", "OPTIONS", path, page(preflight)) for path in ("/stream", *_POSTS)),
    *PUSH_ENDPOINTS,
)
