"""Vonage's signature of SMS webhooks.

Source: https://developer.vonage.com/getting-started/concepts/signing-messages
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from omnibus import Forged

Method = Literal["md5hash", "md5", "sha1", "sha256", "sha512"]
MAX_AGE = 86_400 + 300  # seconds: Vonage repeats a webhook for 24 hours; event ids make a replay harmless
AHEAD = 300  # seconds that Vonage's clock may be ahead of ours


def sign(secret: str, params: Mapping[str, str], method: Method) -> str:
    """Sign parameters, sorted by name, ``&`` and ``=`` in values replaced; hex.

    ``md5hash`` is the dashboard's default, plain MD5 over string and secret; the others are HMAC.
    """
    flat = {name: value.replace("&", "_").replace("=", "_") for name, value in params.items() if name != "sig"}
    signed = "".join(f"&{name}={flat[name]}" for name in sorted(flat))
    if method == "md5hash":
        return hashlib.md5((signed + secret).encode(), usedforsecurity=False).hexdigest()
    return hmac.new(secret.encode(), signed.encode(), method).hexdigest()


def verify(params: Mapping[str, str], secrets: Sequence[str], method: Method, now: datetime) -> None:
    """Check ``sig`` with every live secret, and the age of ``timestamp``.

    Raises:
        Forged: no secret, no or a wrong signature, no timestamp, or one too old or ahead of us.
    """
    told = params.get("sig", "").lower()
    live = [secret for secret in secrets if secret]
    if not live or not told.isascii():
        raise Forged("vonage: no signature secret is configured" if not live else "vonage: wrong signature")
    if not any(hmac.compare_digest(sign(secret, params, method), told) for secret in live):
        raise Forged("vonage: wrong signature")
    stamp = params.get("timestamp", "")
    if not stamp.isdecimal() or len(stamp) > 12 or not -AHEAD <= now.timestamp() - int(stamp) <= MAX_AGE:
        raise Forged("vonage: stale or no timestamp")
