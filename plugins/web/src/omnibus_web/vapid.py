"""Who sends: VAPID tokens (RFC 8292), an ES256 JWT for each origin of a push service, kept for half of its life."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from omnibus_web.sealed import point, public_bytes

LIFE = timedelta(hours=12)  # RFC 8292 §2 allows 24 h
_HEADER = {"typ": "JWT", "alg": "ES256"}


def url64(raw: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def raw64(text: str) -> bytes:
    """Read base64url, padded or not.

    Raises:
        ValueError: it is none.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("not base64url") from None
    return raw


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """Read a P-256 private key: base64url of 32 bytes, as the usual generators print it, or PEM.

    Raises:
        ValueError: neither.
    """
    if "-----BEGIN" in text:
        key = load_pem_private_key(text.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("not a P-256 key")
        return key
    raw = raw64(text.strip())
    if len(raw) != 32:
        raise ValueError("a private key has 32 bytes")
    return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())


def new_private_key() -> str:
    """Make a key, to be kept as a secret; ``public_text`` gives its other half."""
    key = ec.generate_private_key(ec.SECP256R1())
    return url64(key.private_numbers().private_value.to_bytes(32, "big"))


def public_text(private: str) -> str:
    """Give the public key of a private one, as pages need it (``push_key``)."""
    return url64(public_bytes(private_key(private)))


def origin(endpoint: str) -> str:
    """Give the audience: scheme, host, and the port where it is not the scheme's own."""
    parts = urlsplit(endpoint)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in {None, usual} else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"


class Voucher:
    """Vouch for one sender towards all push services.

    Args:
        key: the private key of the subscriptions; *subject*: ``mailto:`` or ``https:`` of whom to ask.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        self.public = url64(public_bytes(key))
        self._key, self._subject = key, subject
        self._kept: dict[str, tuple[datetime, str]] = {}

    def header(self, endpoint: str, now: datetime) -> str:
        """Give the ``Authorization`` header; the token is signed anew when half of its life is over."""
        audience = origin(endpoint)
        until, token = self._kept.get(audience, (now, ""))
        if not now < until - LIFE / 2 or until > now + LIFE:
            until = now + LIFE
            token = self._signed({"aud": audience, "exp": int(until.timestamp()), "sub": self._subject})
            self._kept[audience] = until, token
        return f"vapid t={token}, k={self.public}"

    def _signed(self, claims: dict[str, Any]) -> str:
        head = ".".join(url64(json.dumps(each, separators=(",", ":")).encode()) for each in (_HEADER, claims))
        first, second = decode_dss_signature(self._key.sign(head.encode(), ec.ECDSA(SHA256())))
        return f"{head}.{url64(first.to_bytes(32, 'big') + second.to_bytes(32, 'big'))}"


def vouched(token: str, key: str) -> dict[str, Any]:
    """Read a token as a push service does; returns its claims (times and audience are the caller's to check).

    Raises:
        ValueError: not an ES256 token of this public key.
    """
    head, _, signature = token.rpartition(".")
    header, _, body = head.partition(".")
    raw = raw64(signature)
    if len(raw) != 64 or json.loads(raw64(header)).get("alg") != "ES256":
        raise ValueError("not ES256")
    pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        point(raw64(key)).verify(pair, head.encode(), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise ValueError("another key signed") from None
    claims: dict[str, Any] = json.loads(raw64(body))
    return claims
