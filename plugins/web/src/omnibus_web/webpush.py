"""Web Push: notifications by the browsers' own push services (Google, Mozilla, Apple, Microsoft).

Protocol RFC 8030, encryption RFC 8291, sender RFC 8292. https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers
· https://web.dev/articles/push-notifications-web-push-protocol · https://mozilla-services.github.io/autopush-rs/errors.html

Idempotency: ``Topic`` replaces a repeat that still waits, ``tag`` one that is on show; both come from the delivery.
The service worker reports back (shown, clicked) with a proof that only we can have put into the payload.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field, SecretStr, field_validator

from omnibus import (
    Attempt,
    Content,
    Event,
    Forged,
    Keep,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    Report,
    Request,
    TryLater,
    Unreachable,
)
from omnibus.http import Client
from omnibus_web.push import Push, PushContent
from omnibus_web.push_service import MAX_TTL, URGENCY, meaning, seconds, topic
from omnibus_web.sealed import MAX_PLAIN, seal
from omnibus_web.subscriptions import HOSTS, read
from omnibus_web.vapid import Voucher, private_key, url64

#: what a service worker may say → event
REPORTS = {"shown": "message.delivered", "clicked": "message.clicked", "closed": None}


class WebPushSettings(ProviderSettings):
    """Read ``[channels.push]``.

    Args:
        private_key: P-256, base64url of 32 bytes or PEM; its public half is ``push_key`` of ``[channels.web]``.
        subject: ``mailto:`` or ``https:`` of whom a push service may ask.
        hosts: allowed push services; ``*.example`` for all below, ``host:port`` for another port.
        base_url: post there instead (a proxy, a sandbox); path and audience stay the endpoint's.
        ttl: seconds a message waits for the browser, unless its offer or the message ends sooner.
    """

    private_key: SecretStr
    subject: str = Field(pattern=r"^(mailto:[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+|https://[^\s<>]+)$")
    hosts: tuple[str, ...] = HOSTS
    base_url: str = ""
    ttl: int = Field(default=3 * 86_400, ge=0, le=MAX_TTL)

    @field_validator("private_key")
    @classmethod
    def _is_a_key(cls, told: SecretStr) -> SecretStr:
        private_key(told.get_secret_value())
        return told


class WebPush(Provider):
    """Post encrypted notifications to the endpoint of each subscription."""

    channel = Push
    scheme = "push"
    Settings = WebPushSettings
    idempotency: ClassVar[Any] = "key"

    def __init__(self, settings: Any, **given: Any) -> None:
        super().__init__(settings, **given)
        secret = settings.private_key.get_secret_value()
        self._voucher = Voucher(private_key(secret), settings.subject)
        self._proof = hmac.digest(secret.encode(), b"omnibus push report", hashlib.sha256)
        self._client: Client | None = None
        self._closed = False

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Encrypt and post.

        Raises:
            Unreachable: the subscription is over.
            Refused: no notification, a foreign push service, too big, or the subscription was made with another key.
            TryLater: told to wait, or our key is not accepted.
        """
        if not isinstance(content, PushContent):
            raise Refused("not a notification")
        if self._closed:
            raise TryLater("closed")
        if address not in content.to:
            raise Unreachable("unknown_subscription")
        to = read(content.to[address], self.settings.hosts)
        if to.key and to.key != self._voucher.public:
            raise Refused("other_key")
        plain = json.dumps(self.payload(content, attempt), ensure_ascii=False, separators=(",", ":")).encode()
        if len(plain) > MAX_PLAIN:
            raise Refused("too_big")
        body = seal(plain, to.browser, to.auth, own=ec.generate_private_key(ec.SECP256R1()), salt=os.urandom(16))
        headers = {
            "ttl": str(seconds(content, attempt, self.settings.ttl)), "topic": topic(attempt.delivery),
            "urgency": URGENCY[attempt.purpose], "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "authorization": self._voucher.header(to.endpoint, self.now()),
        }  # fmt: skip
        answer = await self._http().request("POST", self._url(to.endpoint), content=body, headers=headers)
        if not answer.ok:
            raise meaning(answer)
        return Receipt(None, {"bytes": len(body)})

    def payload(self, content: PushContent, attempt: Attempt) -> dict[str, Any]:
        """Give the service worker's JSON: the words, the tag, and where to report to."""
        report = f"{attempt.report_url}&proof={self.proof(attempt.id)}" if attempt.report_url else ""
        return {**content.payload(), "tag": topic(attempt.delivery), "report": report}

    def proof(self, attempt: str) -> str:
        """Prove that a report is about an attempt of ours: only its payload held this."""
        return url64(hmac.digest(self._proof, attempt.encode(), hashlib.sha256)[:16])

    def verify(self, request: Request) -> None:
        """Check the proof.

        Raises:
            Forged: missing or wrong.
        """
        attempt, proof = (request.query.get(each, "") for each in ("attempt", "proof"))
        if not attempt or not hmac.compare_digest(proof.encode(), self.proof(attempt).encode()):
            raise Forged("proof")

    def parse(self, request: Request) -> Sequence[Report | Event]:
        """Read what became of a notification; the time is ours, for a browser's clock proves nothing."""
        told = request.json()
        what = told.get("type") if isinstance(told, dict) else None
        type_ = REPORTS.get(what) if isinstance(what, str) else None
        if type_ is None:
            return ()
        attempt = request.query["attempt"]
        return (Report(f"{attempt}:{what}", type_, self.now(), attempt=attempt),)

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    def _http(self) -> Client:
        if self._client is None:
            self._client = Client()
        return self._client

    def _url(self, endpoint: str) -> str:
        if not self.settings.base_url:
            return endpoint
        parts, place = urlsplit(endpoint), str(self.settings.base_url)
        return place.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")
