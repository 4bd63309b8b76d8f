"""Write and check the two JSON Web Tokens that carriers use; nothing else of the standard, so nothing to be fooled by.

Source: RFC 7515 (compact serialisation), RFC 7518 §3.2 (HS256) and §3.3 (RS256).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def rs256(claims: Mapping[str, Any], private_key: str) -> str:
    """Sign claims with an RSA key in PEM.

    Raises:
        ValueError: no RSA key; the text does not quote it.
    """
    try:
        key = serialization.load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("no RSA private key in PEM")  # noqa: TRY004 - a settings validator reports ValueError
    signed = f"{_packed({'alg': 'RS256', 'typ': 'JWT'})}.{_packed(claims)}"
    return f"{signed}.{_text(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def hs256(token: str, secrets: Sequence[str]) -> dict[str, Any] | None:
    """Give the claims of a token that one of the live secrets signed with HS256; None for any other."""
    head, _, rest = token.partition(".")
    body, _, signature = rest.partition(".")
    try:
        header, claims, told = json.loads(_octets(head)), json.loads(_octets(body)), _octets(signature)
    except (ValueError, RecursionError, binascii.Error):
        return None
    if not isinstance(header, dict) or header.get("alg") != "HS256" or not isinstance(claims, dict):
        return None
    wanted = [hmac.new(each.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest() for each in secrets if each]
    return claims if any(hmac.compare_digest(told, want) for want in wanted) else None


def _packed(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True)
