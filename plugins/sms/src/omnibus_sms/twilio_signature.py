"""Twilio's webhook signature.

Source: https://www.twilio.com/docs/usage/security#validating-requests and
https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from omnibus import Forged, Request

ALGORITHMS = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
_PORTS = {"https": "443", "http": "80"}


def sign(secret: str, url: str, form: Iterable[tuple[str, str]], algorithm: str = "HMAC_SHA1") -> str:
    """Sign as Twilio does: the URL, then every field sorted by name; of a repeated name the distinct values, sorted.

    Raises:
        KeyError: an algorithm we do not know.
    """
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(secret.encode(), signed.encode(), ALGORITHMS[algorithm]).digest()).decode()


def verify(request: Request, tokens: Sequence[str], shared: Mapping[str, str]) -> None:
    """Check a request over its URL as Twilio called it, with and without the default port.

    Args:
        tokens: live auth tokens, any of which may have signed.
        shared: shared keys by name, for requests that name one in ``X-Twilio-Webhooks-Signature-Settings``.

    Raises:
        Forged: no secret, no or a wrong signature, an unknown key or algorithm, another body than the one hashed.
    """
    secrets, algorithm = _choice(request, tokens, shared)
    told = request.headers.get("x-twilio-signature", "")
    form = request.form if _is_form(request) else []
    if request.body and not _is_form(request):
        _check_hash(request)
    genuine = [
        hmac.compare_digest(sign(secret, url, form, algorithm), told)
        for secret in secrets
        for url in _urls(request.url)
        if told.isascii()
    ]
    if not any(genuine):
        raise Forged("twilio: wrong signature")


def _choice(request: Request, tokens: Sequence[str], shared: Mapping[str, str]) -> tuple[Sequence[str], str]:
    header = request.headers.get("x-twilio-webhooks-signature-settings", "")
    if not header:
        if not any(tokens):
            raise Forged("twilio: no auth token is configured")
        return [token for token in tokens if token], "HMAC_SHA1"
    told = dict(part.strip().partition("=")[::2] for part in header.split(","))
    algorithm, secret = told.get("algorithm", ""), shared.get(told.get("key", ""), "")
    if algorithm not in ALGORITHMS or not secret:
        raise Forged("twilio: unknown shared key or algorithm")
    return [secret], algorithm


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/x-www-form-urlencoded"


def _check_hash(request: Request) -> None:
    told = request.query.get("bodySHA256", "")
    if not told.isascii() or not hmac.compare_digest(hashlib.sha256(request.body).hexdigest(), told.lower()):
        raise Forged("twilio: the body is not the one that was signed")


def _urls(url: str) -> list[str]:
    """List the URL without fragment, as it came and with the default port added or taken away."""
    parts = urlsplit(url)._replace(fragment="")
    port, host = _PORTS.get(parts.scheme, ""), parts.netloc
    other = host.removesuffix(f":{port}") if host.endswith(f":{port}") else f"{host}:{port}"
    plain = url.partition("#")[0]
    if parts.port is not None and not host.endswith(f":{port}"):
        return [plain, urlunsplit(parts._replace(netloc=host.rpartition(":")[0]))]
    return [plain, urlunsplit(parts._replace(netloc=other))] if port else [plain]
