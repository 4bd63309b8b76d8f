"""Signed, short-lived claims for URLs, and encrypted notes: one master key, a subkey per use."""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omnibus.errors import Forged

_written = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode  # made once, not for each token
MAC_BYTES = 16  # 128 bits are enough for tokens that live minutes to months


def subkey(key: bytes, use: str) -> bytes:
    """Derive a key for one use (HMAC-SHA256 as a PRF), so that no two uses share one."""
    return hmac.digest(key, f"omnibus {use}".encode(), sha256)


class Tokens:
    """Seal claims into URL-safe tokens.

    Args:
        now: business time; tokens expire by it.
    """

    def __init__(self, key: bytes, now: Callable[[], datetime], use: str = "tokens") -> None:
        self._key, self._now = subkey(key, use), now

    def seal(self, claims: Mapping[str, str], seconds: int) -> str:
        """Sign claims that hold for *seconds* (0: for ever)."""
        ends = int(self._now().timestamp()) + seconds if seconds else 0
        body = _written([ends, dict(claims)]).encode()
        return _text(hmac.digest(self._key, body, sha256)[:MAC_BYTES] + body)

    def read(self, token: str) -> dict[str, str] | None:
        """Read a token; None when it was changed, is of another key, or expired."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, hmac.digest(self._key, body, sha256)[:MAC_BYTES]):
            return None
        ends, claims = json.loads(body)
        return None if ends and self._now().timestamp() > ends else dict(claims)

    def unseal(self, token: str) -> dict[str, str]:
        """Read a token.

        Raises:
            Forged: changed, of another key, or expired.
        """
        claims = self.read(token)
        if claims is None:
            raise Forged("the token is not ours, was changed, or expired")
        return claims


class Sealer:
    """Encrypt small values at rest (AES-256-GCM, a fresh nonce each)."""

    def __init__(self, key: bytes, use: str) -> None:
        self._aead = AESGCM(subkey(key, use))

    def close(self, value: str, bound_to: str = "") -> str:
        """Encrypt; *bound_to* must be given again to open it."""
        nonce = os.urandom(12)
        return _text(nonce + self._aead.encrypt(nonce, value.encode(), bound_to.encode()))

    def open(self, sealed: str, bound_to: str = "") -> str:
        """Decrypt.

        Raises:
            Forged: changed, of another key, or bound to something else.
        """
        raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        try:
            return self._aead.decrypt(raw[:12], raw[12:], bound_to.encode()).decode()
        except InvalidTag:
            raise Forged("a stored note does not open with this key") from None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
