"""Carry SMS by Vonage's SMS API, which answers 200 to everything: each message has a status of its own.

API https://developer.vonage.com/api/sms · errors https://developer.vonage.com/api-errors/sms · receipts
https://developer.vonage.com/messaging/sms/guides/delivery-receipts · replies
https://developer.vonage.com/messaging/sms/guides/inbound-sms · signature ``vonage_signature.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from omnibus import Attempt, Content, Keep, Provider, ProviderSettings, Receipt, Report, Request, Unknown
from omnibus.http import Answer, Client, error_for
from omnibus_sms import vonage_signature
from omnibus_sms.carrier import HttpCarrierSettings, body_of, either, receipt, refused
from omnibus_sms.channel import Sms, SmsContent
from omnibus_sms.phones import E164
from omnibus_sms.reports import Sent, arrived, heard
from omnibus_sms.vonage_codes import ANSWERS, FATES, STATUSES

USUAL = "https://rest.nexmo.com"
CALLBACK = 100  # characters that ``callback`` may have


class VonageSettings(HttpCarrierSettings):
    """Hold a Vonage account; DSN ``vonage://API_KEY:API_SECRET@default?from=Acme``.

    Args:
        signature_secret, previous_signature_secret: both are accepted for webhooks while you rotate.
        signature_method: as the dashboard says; ``md5hash`` is its default.
        ttl: milliseconds that Vonage may keep trying; None for its default.
        entity_id, content_id: registered ids, for India.
    """

    api_key: SecretStr = Field(validation_alias=either("api_key", "user"))
    api_secret: SecretStr = Field(validation_alias=either("api_secret", "password"))
    from_: str = Field(alias="from", min_length=1)
    signature_secret: SecretStr = SecretStr("")
    previous_signature_secret: SecretStr = SecretStr("")
    signature_method: vonage_signature.Method = "md5hash"
    ttl: int | None = Field(default=None, ge=20_000, le=604_800_000)
    entity_id: str = ""
    content_id: str = ""


class Vonage(Provider):
    """Send by form, read every status of the answer; receipts bring our ``client-ref`` back."""

    channel: ClassVar[type[Sms]] = Sms
    scheme: ClassVar[str] = "vonage"
    Settings: ClassVar[type[ProviderSettings]] = VonageSettings
    idempotency: ClassVar[Any] = "echo"
    max_in_flight: ClassVar[int] = 30  # requests a second that an account may make

    def __str__(self) -> str:
        return f"vonage://{self.account}@{self.settings.base(USUAL).partition('://')[2]}"

    @property
    def account(self) -> str:
        """Name the account by a digest of its key."""
        return hashlib.sha256(self.settings.api_key.get_secret_value().encode()).hexdigest()[:12]

    @cached_property
    def _http(self) -> Client:
        return Client(
            self.settings.base(USUAL),
            auth=(self.settings.api_key.get_secret_value(), self.settings.api_secret.get_secret_value()),
        )

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Hand one message over; part of it out is Unknown, for it must not be said twice."""
        said = self.settings.admit(content, address)
        form = payload(self.settings, said, address, attempt, self.hook_url)
        return read(await self._http.request("POST", "/sms/json", data=form), said)

    async def check(self) -> None:
        """Read the balance: proves key, secret and reachability."""
        answer = await self._http.request("GET", "/account/get-balance")
        if not answer.ok:
            raise error_for(answer)
        body_of(answer)

    def verify(self, request: Request) -> None:
        """Check ``sig`` with every live secret."""
        told = self.settings
        secrets = [told.signature_secret.get_secret_value(), told.previous_signature_secret.get_secret_value()]
        vonage_signature.verify(params_of(request), secrets, told.signature_method, self.now())

    def parse(self, request: Request) -> Sequence[Report]:
        """Read a receipt or a message from a person."""
        told = params_of(request)
        person = f"+{told.get('msisdn', '').removeprefix('+')}"
        id_ = told.get("messageId") or told.get("message-id", "")
        if not id_ or not E164.fullmatch(person):
            return ()
        at = pushed(told, self.now())
        if "status" in told:
            return reported(told, Sent(f"{id_}:{told['status']}", at, told.get("client-ref") or None, id_, person))
        part: dict[str, Any] = {
            name: told[name] for name in ("concat-ref", "concat-part", "concat-total") if name in told
        }
        report = Report(f"{id_}:received", "conversation.received", at, identity=("phone", person), data=part)
        return [heard(self.settings, report, told.get("text", ""))]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def payload(settings: VonageSettings, content: SmsContent, address: str, attempt: Attempt, hook: str) -> dict[str, str]:
    """Write the form; numbers without plus, Unicode said, ``client-ref`` the attempt.

    The callback is the hook without the attempt: Vonage signs parameters, and ours would be mixed into its own.
    """
    optional = {
        "ttl": str(settings.ttl or ""),
        "callback": hook if len(hook) <= CALLBACK else "",
        "entity-id": settings.entity_id,
        "content-id": settings.content_id,
    }
    return {
        "from": settings.sender(address).removeprefix("+"),
        "to": address.removeprefix("+"),
        "text": content.text,
        "type": "text" if content.encoding == "gsm7" else "unicode",
        "client-ref": attempt.id,
        "status-report-req": "1",
    } | {name: value for name, value in optional.items() if value}


def read(answer: Answer, content: SmsContent) -> Receipt:
    """Read the status of every part.

    Raises:
        Unknown: some parts are out and some are not, or nothing can be read.
    """
    if not answer.ok:
        raise error_for(answer)
    told = body_of(answer).get("messages")
    rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    statuses = [str(row.get("status", "")) for row in rows]
    bad = [status for status in statuses if status != "0"]
    if not rows or "" in statuses or len(bad) not in {0, len(rows)}:
        raise Unknown("partly_sent" if rows else "unreadable_answer")
    if bad:
        raise ANSWERS.get(bad[0], refused)(f"status_{bad[0]}", answer.retry_after)
    prices = [str(row["message-price"]) for row in rows if "message-price" in row]
    return receipt(rows[0].get("message-id"), content, **({"prices": prices} if prices else {}))


def params_of(request: Request) -> dict[str, str]:
    """Read what Vonage sent: query, form or a flat JSON object, as the account is configured."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json":
        try:
            told = json.loads(request.body)
        except (ValueError, RecursionError):
            told = None
        return {str(name): _text(value) for name, value in told.items()} if isinstance(told, dict) else {}
    return dict(request.form) if request.body else request.query


def _text(value: Any) -> str:
    told = value if isinstance(value, str) else json.dumps(value)
    return told.encode("utf-8", "replace").decode()  # half an emoji is no text


def pushed(told: Mapping[str, str], now: datetime) -> datetime:
    """Read when Vonage told us (UTC); now when it does not say."""
    try:
        return datetime.strptime(told.get("message-timestamp", ""), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return now


def reported(told: Mapping[str, str], sent: Sent) -> Sequence[Report]:
    """Turn a receipt into events; states on the way are no news."""
    kind = STATUSES.get(told["status"])
    if kind is None:
        return ()
    code = told.get("err-code", "")
    return [arrived(sent, kind)] if kind != "message.failed" else FATES.failed(sent, code or told["status"])
