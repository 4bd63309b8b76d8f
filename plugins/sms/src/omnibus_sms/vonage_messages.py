"""Carry SMS by Vonage's Messages API v1.

API https://developer.vonage.com/api/messages · errors https://developer.vonage.com/api-errors/messages · callbacks
https://developer.vonage.com/en/messages/concepts/messages-status-callbacks · signed webhooks
https://developer.vonage.com/getting-started/concepts/webhooks#signed-webhooks
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from omnibus import Attempt, Content, Forged, Keep, Provider, ProviderSettings, Receipt, Report, Request
from omnibus.http import Client, error_for
from omnibus_sms import jwt
from omnibus_sms.carrier import HttpCarrierSettings, account, body_of, either, receipt
from omnibus_sms.channel import Sms, SmsContent
from omnibus_sms.phones import E164
from omnibus_sms.reports import Fates, Sent, arrived, heard

USUAL = "https://api.nexmo.com"
TOKEN_SECONDS = 900  # that a token of ours lives
TOLERANCE = 300  # seconds, both ways, that a webhook's token may be off
#: callback status → event; the rest is on its way and no news
STATUSES = {
    "delivered": "message.delivered",
    "read": "message.opened",
    "rejected": "message.failed",
    "undeliverable": "message.failed",
}
#: ``error.title`` of a callback; https://developer.vonage.com/api-errors/messages
FATES = Fates(
    bounces={
        "1050": True,  # number barred
        "1180": False,  # absent for now
        "1190": True,  # absent for good
        "1200": True,  # ported wrongly
        "1220": False,  # handset busy
        "1230": False,  # network error
        "1240": True,
        "1250": True,  # unroutable
        "1260": True,  # unreachable
    },
    opt_outs=frozenset({"1240"}),  # the person asked this service to stop
    ours=frozenset({"1060", "1070", "1080", "1120", "1160", "1210"}),  # account, credit, sender, spam filter
)


class VonageMessagesSettings(HttpCarrierSettings):
    """Hold a Vonage account; DSN ``vonage-messages://API_KEY:API_SECRET@default?from=Acme``.

    Args:
        application_id, private_key: instead of key and secret; the key is RSA in PEM.
        signature_secret, previous_signature_secret: both are accepted for webhooks while you rotate.
        ttl: seconds that Vonage may keep trying; None for its default.
    """

    api_key: SecretStr = Field(default=SecretStr(""), validation_alias=either("api_key", "user"))
    api_secret: SecretStr = Field(default=SecretStr(""), validation_alias=either("api_secret", "password"))
    application_id: str = ""
    private_key: SecretStr = SecretStr("")
    from_: str = Field(alias="from", min_length=1)
    signature_secret: SecretStr = SecretStr("")
    previous_signature_secret: SecretStr = SecretStr("")
    ttl: int | None = Field(default=None, ge=20, le=604_800)
    entity_id: str = ""
    content_id: str = ""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if bool(self.api_secret.get_secret_value()) == bool(self.private_key.get_secret_value()):
            raise ValueError("give either `api_key` and `api_secret` or `application_id` and `private_key`")
        if self.private_key.get_secret_value():
            jwt.rs256({}, self.private_key.get_secret_value())
        return self


class VonageMessages(Provider):
    """Send JSON; callbacks bring our ``client_ref`` back."""

    channel: ClassVar[type[Sms]] = Sms
    scheme: ClassVar[str] = "vonage-messages"
    Settings: ClassVar[type[ProviderSettings]] = VonageMessagesSettings
    idempotency: ClassVar[Any] = "echo"
    max_in_flight: ClassVar[int] = 30

    def __str__(self) -> str:
        return f"vonage-messages://{self.account}@{self.settings.base(USUAL).partition('://')[2]}"

    @property
    def account(self) -> str:
        """Name the account by its application, or by a digest of its key."""
        key = self.settings.api_key.get_secret_value().encode()
        return self.settings.application_id or hashlib.sha256(key).hexdigest()[:12]

    @cached_property
    def _http(self) -> Client:
        key, secret = self.settings.api_key.get_secret_value(), self.settings.api_secret.get_secret_value()
        return Client(self.settings.base(USUAL), auth=(key, secret) if secret else None)

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Hand one message over."""
        said = self.settings.admit(content, address)
        sent = payload(self.settings, said, address, attempt)
        answer = await self._http.request("POST", "/v1/messages", json=sent, headers=self._token(attempt))
        if answer.status == 402:  # out of credit
            raise account("http_402")
        if not answer.ok:
            raise error_for(answer)
        return receipt(body_of(answer).get("message_uuid"), said)

    def verify(self, request: Request) -> None:
        """Check the bearer token, the hash of the body in it, and its age.

        Raises:
            Forged: no secret, another signer or body, or older or newer than five minutes.
        """
        given, told = self.settings, request.headers.get("authorization", "")
        live = [given.signature_secret.get_secret_value(), given.previous_signature_secret.get_secret_value()]
        claims = jwt.hs256(told[7:], live) if told[:7].lower() == "bearer " and told.isascii() else None
        stamp, hashed = (claims or {}).get("iat"), str((claims or {}).get("payload_hash", ""))
        if claims is None or not hmac.compare_digest(
            hashed.encode(), hashlib.sha256(request.body).hexdigest().encode()
        ):
            raise Forged("vonage: wrong or no token")
        if not isinstance(stamp, int) or not abs(self.now().timestamp() - stamp) <= TOLERANCE:
            raise Forged("vonage: stale token")

    def parse(self, request: Request) -> Sequence[Report]:
        """Read a status callback or a message from a person."""
        told = request.json()
        if not isinstance(told, dict) or told.get("channel", "sms") != "sms":
            return ()
        id_, at = _text(told, "message_uuid"), _time(_text(told, "timestamp"), self.now())
        if not id_:
            return ()
        if "status" in told:
            return reported(told, id_, at)
        person, words = f"+{_text(told, 'from').removeprefix('+')}", told.get("text")
        if not E164.fullmatch(person) or not isinstance(words, str):
            return ()
        report = Report(f"{id_}:received", "conversation.received", at, identity=("phone", person))
        return [heard(self.settings, report, words)]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _token(self, attempt: Attempt) -> dict[str, str]:
        key = self.settings.private_key.get_secret_value()
        if not key:
            return {}
        now = int(self.now().timestamp())
        claims = {"application_id": self.account, "iat": now, "exp": now + TOKEN_SECONDS, "jti": attempt.id}
        return {"authorization": f"Bearer {jwt.rs256(claims, key)}"}


def payload(settings: VonageMessagesSettings, content: SmsContent, address: str, attempt: Attempt) -> dict[str, Any]:
    """Write the JSON; numbers without plus, ``client_ref`` the attempt."""
    sms = {
        "encoding_type": "text" if content.encoding == "gsm7" else "unicode",
        "entity_id": settings.entity_id,
        "content_id": settings.content_id,
    }
    optional = {"ttl": settings.ttl, "webhook_url": attempt.report_url}
    return {
        "channel": "sms", "message_type": "text", "to": address.removeprefix("+"),
        "from": settings.sender(address).removeprefix("+"), "text": content.text, "client_ref": attempt.id,
        "sms": {name: value for name, value in sms.items() if value},
    } | {name: value for name, value in optional.items() if value} | (
        {"webhook_version": "v1"} if attempt.report_url else {}
    )  # fmt: skip


def reported(told: Mapping[str, Any], id_: str, at: datetime) -> Sequence[Report]:
    """Turn a callback into events; states on the way are no news."""
    status, error = _text(told, "status"), told.get("error")
    kind = STATUSES.get(status)
    if kind is None:
        return ()
    person = f"+{_text(told, 'to').removeprefix('+')}"
    sent = Sent(f"{id_}:{status}", at, _text(told, "client_ref") or None, id_, person if E164.fullmatch(person) else "")
    if kind != "message.failed":
        return [arrived(sent, kind)]
    code = str(error.get("title", "")) if isinstance(error, dict) else ""
    return FATES.failed(sent, code if code.isdecimal() and len(code) <= 6 else status)


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _time(value: str, now: datetime) -> datetime:
    try:
        made = datetime.fromisoformat(value)
    except ValueError:
        return now
    return made if made.tzinfo else made.replace(tzinfo=UTC)
