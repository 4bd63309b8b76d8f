"""Stripe's webhooks: who may send them, and what they say of a reader's display.

https://docs.stripe.com/webhooks#verify-manually · https://docs.stripe.com/api/events/types
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from omnibus import Forged, Report, Request
from omnibus_pos.answers import member, text

TOLERANCE = 300  # seconds that a webhook's timestamp may lie off, either way

#: webhook type → our report, for actions of type ``set_reader_display``
EVENTS = {
    "terminal.reader.action_succeeded": "message.delivered",
    "terminal.reader.action_failed": "message.failed",
}


def digest(cart: Any) -> str:
    """Name a cart by what it shows: Stripe gives displays no id, but tells the cart again in its webhooks."""
    lines = member(cart, "line_items")
    plain = [
        [member(each, "description"), member(each, "amount"), member(each, "quantity")]
        for each in (lines if isinstance(lines, list) else [])
    ]
    body = json.dumps([member(cart, "currency"), member(cart, "total"), plain], ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()[:24]


def verify(request: Request, secrets: Sequence[SecretStr], now: datetime) -> None:
    """Check the signature header.

    Raises:
        Forged: wrong, missing or stale, or no secret is configured.
    """
    parts = [each.partition("=") for each in request.headers.get("stripe-signature", "").split(",")]
    stamps = [value for name, _, value in parts if name.strip() == "t"]
    told = [value.encode("utf-8", "replace") for name, _, value in parts if name.strip() == "v1"]
    stamp = stamps[0] if len(stamps) == 1 else ""
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 12):
        raise Forged("timestamp")
    good = [
        hmac.compare_digest(signature(each.get_secret_value(), stamp, request.body).encode(), one)
        for each in secrets
        if each.get_secret_value()
        for one in told
    ]
    if not any(good) or abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise Forged("signature")


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Sign as Stripe does: hex HMAC-SHA256 over ``timestamp.body``, the secret as text."""
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def reports(told: Any, reader: str) -> list[Report]:
    """Read a verified event; other readers' and other actions are no news."""
    thing, created, id_ = member(told, "data", "object"), member(told, "created"), text(told, "id")
    type_, action = EVENTS.get(text(told, "type")), member(thing, "action")
    ours = text(thing, "id") == reader and text(action, "type") == "set_reader_display"
    if not ours or type_ is None or not id_ or isinstance(created, bool) or not isinstance(created, int):
        return []
    if not 0 < created < 2**33 or not id_.isascii():
        return []
    data = {} if type_ == "message.delivered" else {"reason": text(action, "failure_code") or "reader_failed"}
    cart = member(action, "set_reader_display", "cart")
    at = datetime.fromtimestamp(created, UTC)
    return [Report(id_, type_, at, provider_id=f"{reader}:{digest(cart)}", data=data)]
