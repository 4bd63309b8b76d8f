"""Encryption of a push message: RFC 8291 over RFC 8188 (``aes128gcm``), both ways.

Written with ``cryptography`` rather than with the package ``webpush``: that one keeps the last TTL and subscriber on
its object, drops the port of ``aud``, reads the machine's clock and checks no size; its encryption and ``http-ece``
are the oracles of our tests.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD = 4096  # bytes of the one record
OVERHEAD = 103  # bytes: salt 16, record size 4, length 1, key 65, delimiter 1, tag 16
MAX_PLAIN = RECORD - OVERHEAD  # 3,993 bytes


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Write a key's public point, 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def point(raw: bytes) -> ec.EllipticCurvePublicKey:
    """Read a public point of P-256.

    Raises:
        ValueError: 65 bytes that are on the curve were expected.
    """
    if len(raw) != 65:
        raise ValueError("a public key has 65 bytes")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)


def seal(plain: bytes, browser: bytes, auth: bytes, *, own: ec.EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """Encrypt for one browser.

    Args:
        plain: at most 3,993 bytes.
        browser: its public point (``p256dh``), 65 bytes; *auth*: its secret, 16 bytes.
        own: a key pair made for this message alone; *salt*: 16 random bytes, likewise.

    Raises:
        ValueError: *plain* is too long, or a key has the wrong shape.
    """
    if len(plain) > MAX_PLAIN:
        raise ValueError(f"at most {MAX_PLAIN} bytes")
    mine = public_bytes(own)
    shared = own.exchange(ec.ECDH(), point(browser))
    key, nonce = _keys(shared, auth, browser, mine, salt)
    head = salt + RECORD.to_bytes(4, "big") + bytes([len(mine)]) + mine
    return head + AESGCM(key).encrypt(nonce, plain + b"\x02", None)


def unseal(body: bytes, own: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """Decrypt as the browser does.

    Raises:
        ValueError: not for this browser, changed, or of another shape.
    """
    salt, mark, sender = body[:16], body[20:21], body[21:86]
    if mark != b"\x41" or int.from_bytes(body[16:20], "big") < len(body) - 86:
        raise ValueError("not one record of aes128gcm")
    shared = own.exchange(ec.ECDH(), point(sender))
    key, nonce = _keys(shared, auth, public_bytes(own), sender, salt)
    try:
        padded = AESGCM(key).decrypt(nonce, body[86:], None)
    except InvalidTag:
        raise ValueError("not sealed for this browser") from None
    plain = padded.rstrip(b"\x00")
    if not plain.endswith(b"\x02"):
        raise ValueError("the last record must end with 2")
    return plain[:-1]


def _keys(shared: bytes, auth: bytes, browser: bytes, sender: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Derive the content key and the nonce of one browser's only record, RFC 8291 §3.4."""
    return derived(_hmac(_hmac(auth, shared), b"WebPush: info\x00" + browser + sender + b"\x01"), salt)


def derived(secret: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Derive the content key and the first record's nonce from the input keying material, RFC 8188 §2.2 and §2.3."""
    root = _hmac(salt, secret)
    key = _hmac(root, b"Content-Encoding: aes128gcm\x00\x01")[:16]
    return key, _hmac(root, b"Content-Encoding: nonce\x00\x01")[:12]


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
