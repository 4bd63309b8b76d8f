"""Who is on the page: the visitor's secret, the page's token, and the shop's signed word that somebody is logged in.

- The **visitor's secret** (128 random bits) is made by us and kept by the page. Only its SHA-256 is stored, as the
  identity ``web``: an id from an import, a log or an export opens nothing.
- The **token** is short-lived, sealed and bound to one customer. It is the only thing that stands in a URL.
- The **assertion** is a JSON Web Token (RFC 7519) that the shop's backend signs with HMAC-SHA256 (``HS256``, RFC 7515):
  ``base64url({"alg":"HS256","typ":"JWT"}) . base64url({"aud":"omnibus","kind":"email","value":"…","exp":…}) . base64url(mac)``.
  Any JWT library makes it. ``exp`` is at most an hour ahead.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omnibus import Desk, Forged

ASSERTION_SECONDS = 300  # what ``assertion`` gives by default
LONGEST_ASSERTION = 3600  # seconds; one that lives longer is refused, for it may have leaked by then
AUDIENCE = "omnibus"
USE = "web.page"  # what our tokens are for; a token sealed for something else opens nothing here

_SECRET = re.compile(r"[A-Za-z0-9_-]{22}")


def new_secret() -> str:
    """Draw a visitor's secret: 128 bits, 22 characters of base64url."""
    return secrets.token_urlsafe(16)


def reference(secret: str) -> str:
    """Turn a visitor's secret into the value of their ``web`` identity; one way."""
    return "v1." + _url64(hashlib.sha256(b"omnibus-web-visitor:" + secret.encode()).digest())


def is_secret(value: object) -> bool:
    """Tell whether *value* can be a secret that we drew."""
    return isinstance(value, str) and _SECRET.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Visit:
    """Hold what a page's token says.

    Args:
        customer: whose cards it shows; no request names a customer in any other way.
        page: begins the ids of this browser's events, so that nobody can take the id of another's event.
    """

    customer: str
    page: str = field(repr=False)


def seal(desk: Desk, customer: str, secret: str) -> str:
    """Make a page's token."""
    page = hashlib.sha256(b"omnibus-web-page:" + secret.encode()).hexdigest()[:16]
    return reseal(desk, customer, Visit(customer, page))


def reseal(desk: Desk, customer: str, visit: Visit) -> str:
    """Make a new token for the same browser, bound to *customer*."""
    return desk.seal({"use": USE, "customer": customer, "page": visit.page}, desk.settings.token_seconds)


def unseal(desk: Desk, token: object) -> Visit:
    """Read a page's token.

    Raises:
        Forged: changed, expired, or made for something else.
    """
    if not isinstance(token, str) or not token:
        raise Forged("no token")
    try:
        claims = desk.unseal(token)
    except (ValueError, TypeError):  # not even the shape of a token
        raise Forged("token") from None
    if claims.get("use") != USE:
        raise Forged("a token for something else")
    return Visit(claims["customer"], claims["page"])


def assertion(secret: str, kind: str, value: str, *, now: datetime, seconds: int = ASSERTION_SECONDS) -> str:
    """Sign, in the shop's backend, that the person on the page is logged in as this identity.

    Args:
        kind: ``email``, ``phone``, ``loyalty`` …
        now: aware; *seconds*: how long it may be used.
    """
    claims = {"aud": AUDIENCE, "kind": kind, "value": value, "exp": int(now.timestamp()) + seconds}
    head = ".".join(
        _url64(json.dumps(each, separators=(",", ":")).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    return f"{head}.{_mac(secret, head)}"


def asserted(token: str, keys: Iterable[str], now: datetime) -> tuple[str, str]:
    """Read an assertion; returns (kind, value).

    Raises:
        Forged: no key is configured, another algorithm, a wrong signature, expired, or it lives too long.
    """
    head, _, mac = token.rpartition(".")
    if not any(hmac.compare_digest(mac.encode(), _mac(key, head).encode()) for key in keys):
        raise Forged("assertion")
    header, _, body = head.partition(".")
    told, claims = _read(header), _read(body)
    ends, moment = claims.get("exp"), now.timestamp()
    if told.get("alg") != "HS256" or claims.get("aud") != AUDIENCE:
        raise Forged("assertion of another kind")
    if not isinstance(ends, int | float) or isinstance(ends, bool) or not moment < ends <= moment + LONGEST_ASSERTION:
        raise Forged("assertion expired, or longer than an hour")
    kind, value = claims.get("kind"), claims.get("value")
    if not (isinstance(kind, str) and isinstance(value, str) and kind and value) or kind in {"web", "push"}:
        raise Forged("assertion without an identity")
    return kind, value


def _mac(secret: str, head: str) -> str:
    return _url64(hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest())


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read(part: str) -> dict[str, Any]:
    try:
        told = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        raise Forged("assertion") from None
    return told if isinstance(told, dict) else {}
