"""Hand-over passes that a till reads without a network: cart and offer, signed with Ed25519.

The signature proves that the offer was given; whether it was used elsewhere meanwhile only the timeline knows. So a
till that was offline tells its claims later, each with its time, and whatever order they arrive in, the earliest wins:
``Passes`` folds them to the same winner.

Format: ``OB1.<base64url JSON>.<base64url signature>``, both without padding. Signature: RFC 8032 over the JSON bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from omnibus import Event, Facet, Forged

PREFIX = "OB1"
LONGEST = 2300  # characters: what a QR code of version 40 still holds at level M


@dataclass(frozen=True, slots=True)
class Pass:
    """Hold what the till may know offline.

    Args:
        name: masked, so that a found pass tells nobody's name.
        cart: (sku, name, quantity, price) of each line, in *currency*.
        issued, expires: unix seconds.
    """

    customer: str
    offer: str
    code: str = field(repr=False)
    percent: int
    issued: int
    expires: int
    name: str = ""
    currency: str = ""
    cart: tuple[tuple[str, str, int, str], ...] = field(default=(), repr=False)


def sign(told: Pass, seed: bytes) -> str:
    """Write a pass; *seed* is the 32 bytes of the Ed25519 private key.

    Raises:
        ValueError: it is longer than a QR code holds.
    """
    values = [
        told.customer, told.offer, told.code, told.percent, told.issued, told.expires, told.name, told.currency,
        [list(each) for each in told.cart],
    ]  # fmt: skip
    body = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    text = f"{PREFIX}.{_write(body)}.{_write(Ed25519PrivateKey.from_private_bytes(seed).sign(body))}"
    if len(text) > LONGEST:
        raise ValueError(f"a pass holds at most {LONGEST} characters")
    return text


def public(seed: bytes) -> str:
    """Give the public key, base64url, for tills to keep."""
    return _write(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


def read(text: str, key: str, now: datetime) -> Pass:
    """Read a pass with nothing but the public key.

    Raises:
        Forged: changed, of another key, expired, or no pass at all.
    """
    told = opened(text, key)
    if now.timestamp() >= told.expires:
        raise Forged("the pass is expired")
    return told


def opened(text: str, key: str) -> Pass:
    """Read a pass whatever its age.

    Raises:
        Forged: changed, of another key, or no pass at all.
    """
    parts = text.strip().split(".")
    if len(parts) != 3 or parts[0] != PREFIX or len(text) > 2 * LONGEST:
        raise Forged("no pass")
    try:
        body, signature = _read(parts[1]), _read(parts[2])
        Ed25519PublicKey.from_public_bytes(_read(key)).verify(signature, body)
        customer, offer, code, percent, issued, expires, name, currency, cart = json.loads(body)
    except (InvalidSignature, ValueError, binascii.Error):
        raise Forged("no pass of ours") from None
    lines = tuple((sku, words, quantity, price) for sku, words, quantity, price in cart)
    return Pass(customer, offer, code, percent, issued, expires, name, currency, lines)


@dataclass(frozen=True, slots=True)
class Passes(Facet):
    """Fold `code.redeemed` and `pass.claimed`: who used an offer first, by the time of the sale.

    Args:
        used: offer → basket → when it was first used there.
    """

    name: ClassVar[str] = "passes"
    hears: ClassVar[tuple[str, ...]] = ("code.redeemed", "pass.claimed")

    used: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)

    def after(self, event: Event) -> Self:
        """Note a use; of two times told for one basket the earlier counts."""
        offer, basket = str(event.data.get("offer", "")), str(event.data.get("basket", ""))
        if not offer or not basket:
            return self
        before = self.used.get(offer, {})
        if basket in before and before[basket] <= event.time:
            return self
        return replace(self, used={**self.used, offer: {**before, basket: event.time}})

    def winner(self, offer: str) -> str:
        """Name the basket that used it first; of the same instant the smaller id; empty when none did."""
        used = self.used.get(offer, {})
        return min(used, key=lambda basket: (used[basket], basket), default="")


def seconds(at: datetime) -> int:
    """Write a time as unix seconds."""
    return int(at.astimezone(UTC).timestamp())


def seed_of(told: str) -> bytes:
    """Read the configured key: 32 bytes as hex or base64.

    Raises:
        ValueError: it is neither.
    """
    for undo in (bytes.fromhex, _read):
        try:
            raw: Any = undo(told.strip())
        except (ValueError, binascii.Error):
            continue
        if len(raw) == 32:
            return bytes(raw)
    raise ValueError("write 32 bytes as hex or base64")


def _write(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read(text: str) -> bytes:
    plain = text.replace("+", "-").replace("/", "_").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
