"""Sign what a carrier's session tells us, so that it can take the one way in that is durable: our own hook.

The scheme is that of Standard Webhooks, with the secret's text as key: ``webhook-id``, ``webhook-timestamp``,
``webhook-signature: v1,<base64 HMAC-SHA256 over id.timestamp.body>``.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from omnibus import Forged, Request

TOLERANCE = 300  # seconds, both ways


def digest(body: bytes) -> str:
    """Name a body: the same told twice has the same name."""
    return hashlib.sha256(body).hexdigest()[:32]


def headers(body: bytes, secret: str, now: datetime) -> dict[str, str]:
    """Write the headers of a signed JSON body."""
    id_, stamp = digest(body), str(int(now.timestamp()))
    signature = f"v1,{_sign(secret, id_, stamp, body)}"
    return {
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": stamp,
        "webhook-signature": signature,
    }


def verify(request: Request, secrets: Sequence[str], now: datetime) -> None:
    """Check a signature with every live secret, and its age.

    Raises:
        Forged: no secret, no or a wrong signature, or older or newer than five minutes.
    """
    told: Mapping[str, str] = request.headers
    id_, stamp = told.get("webhook-id", ""), told.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12 or abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise Forged("stale or no timestamp")
    given = [each.removeprefix("v1,") for each in told.get("webhook-signature", "").split(" ") if each.isascii()]
    wanted = [_sign(secret, id_, stamp, request.body) for secret in secrets if secret]
    if not any(hmac.compare_digest(one, other) for one in given for other in wanted):
        raise Forged("wrong signature" if wanted else "no webhook secret is configured")


def _sign(secret: str, id_: str, stamp: str, body: bytes) -> str:
    signed = f"{id_}.{stamp}.".encode() + body
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
