"""What pages and the service worker call for notifications, below ``/web/push``.

A permission of the browser is no consent: which purposes the person allowed is told apart from it, and stored.
A subscription that is somebody else's (a shared browser) is refused, never merged: the page makes a new one.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import Any

from omnibus import Desk, Endpoint, InputError, NotFound, Request, Response
from omnibus_web import visitors
from omnibus_web.gate import SOURCE, body_of, page, preflight
from omnibus_web.subscriptions import Subscription, subscription

WORKER = files("omnibus_web").joinpath("worker.js").read_text(encoding="utf-8")
PURPOSES = ("service", "marketing")


async def worker(request: Request, desk: Desk) -> Response:
    """Serve the service worker's code; the shop's own worker file imports it (``importScripts``)."""
    text = f"const OMNIBUS = {json.dumps(desk.public_url.rstrip('/') + '/web/')};\n{WORKER}"
    mark = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
    headers = {"etag": mark, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
    if request.headers.get("if-none-match") == mark:
        return Response(304, b"", headers)
    return Response(200, text.encode(), {**headers, "content-type": "text/javascript; charset=utf-8"})


async def key(request: Request, desk: Desk) -> Response:
    """Tell the public key that subscriptions are made with."""
    return Response.of_json({"key": _key(desk)})


async def subscribe(request: Request, desk: Desk) -> Response:
    """Take a browser's subscription for the customer of the page's token."""
    told = body_of(request)
    here = visitors.unseal(desk, told.get("token"))
    made = subscription(told.get("subscription"), desk.settings.push_hosts, _key(desk))
    purposes = _purposes(told.get("purposes", ["service"]))
    me = (await desk.context(here.customer)).customer.id
    owner = await desk.find("push", made.id)
    if owner is not None and owner.id != me:
        return Response.of_json({"subscribed": False, "error": "this subscription is another customer's"}, 409)
    await _keep(desk, me, made)
    for purpose in purposes:
        data = {"channel": "push", "purpose": purpose, "topic": "*"}
        await desk.track(me, "consent.granted", data, id=f"push:{made.id}:{purpose}", source=SOURCE)
    return Response.of_json({"subscribed": True})


async def renew(request: Request, desk: Desk) -> Response:
    """Replace a subscription that the browser changed by itself; who knows the old one's secret may.

    Raises:
        NotFound: the old one is nobody's.
    """
    told = body_of(request)
    old, new = (subscription(told.get(each), desk.settings.push_hosts, _key(desk)) for each in ("old", "new"))
    owner, taken = await desk.find("push", old.id), await desk.find("push", new.id)
    if owner is None or (taken is not None and taken.id != owner.id):
        raise NotFound("no such subscription", where="old")
    await _keep(desk, owner.id, new)
    return Response.of_json({"subscribed": True})


async def _keep(desk: Desk, customer: str, made: Subscription) -> None:
    data = {"id": made.id, "subscription": made.text}
    await desk.track(customer, "push.subscribed", data, id=f"push:{made.id}", source=SOURCE)
    await desk.identify(customer, "push", made.id, evidence="permission of the browser", verified=True)


def _purposes(told: Any) -> list[str]:
    if not isinstance(told, list) or not all(each in PURPOSES for each in told):
        raise InputError(f"`purposes` is a list of {', '.join(PURPOSES)}", where="purposes")
    return sorted(set(told))


def _key(desk: Desk) -> str:
    found: str = desk.settings.push_key
    if not found:
        raise NotFound("notifications are not set up", where="[channels.web]", fix="set push_key")
    return found


PUSH_ENDPOINTS = (
    Endpoint("web", "GET", "/worker.js", worker),
    Endpoint("web", "GET", "/push/key", page(key)),
    Endpoint("web", "POST", "/push/subscribe", page(subscribe)),
    Endpoint("web", "POST", "/push/renew", page(renew)),
    *(Endpoint("web", "OPTIONS", f"/push/{each}", page(preflight)) for each in ("key", "subscribe", "renew")),
)
