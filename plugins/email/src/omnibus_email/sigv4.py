"""Sign a request for AWS, version 4.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit


@dataclass(frozen=True, slots=True)
class Credentials:
    """Hold an access key; *token* only for temporary ones."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    region: str
    service: str
    token: str = field(default="", repr=False)


def signed(
    method: str, url: str, headers: Mapping[str, str], body: bytes, mine: Credentials, at: datetime
) -> dict[str, str]:
    """Give the headers to send: *headers*, the time, the token and ``authorization``.

    Args:
        url: as it will be sent; its path segments are encoded once already.
        at: aware; AWS accepts five minutes either way.
    """
    parts, stamp = urlsplit(url), f"{at:%Y%m%dT%H%M%SZ}"
    told = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    told |= {"host": parts.netloc, "x-amz-date": stamp} | ({"x-amz-security-token": mine.token} if mine.token else {})
    names = ";".join(sorted(told))
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(parts.query, True)
    )
    canonical = "\n".join((
        method, quote(parts.path or "/", safe="/-_.~"), "&".join(f"{name}={value}" for name, value in query),
        *(f"{name}:{told[name]}" for name in sorted(told)), "", names, hashlib.sha256(body).hexdigest(),
    ))  # fmt: skip
    scope = f"{stamp[:8]}/{mine.region}/{mine.service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{mine.secret}".encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    authorization = f"AWS4-HMAC-SHA256 Credential={mine.key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    sent = {name: value for name, value in told.items() if name != "host"}
    return sent | {"authorization": authorization}
