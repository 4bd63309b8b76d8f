"""Stripe Terminal for the channel ``display``: the cart on the reader's screen, the words as lines without an amount.

API https://docs.stripe.com/api/terminal/readers/set_reader_display · errors https://docs.stripe.com/error-codes
Idempotency https://docs.stripe.com/api/idempotent_requests · webhooks https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import AliasChoices, Field, SecretStr

from omnibus import (
    Attempt,
    Content,
    Forged,
    Keep,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    Report,
    Request,
    TryLater,
    Unknown,
)
from omnibus.http import Answer, Client
from omnibus_pos.answers import Means, Secrets, error, member, minor, text
from omnibus_pos.display import Display, DisplayContent

DESCRIPTION = 5000  # characters of a line
TOLERANCE = 300  # seconds that a webhook's timestamp may lie off, either way

#: ``error.code``, and below it ``error.type``; https://docs.stripe.com/error-codes
CODES = {
    "terminal_reader_offline": Means.LATER,
    "terminal_reader_busy": Means.LATER,
    "terminal_reader_timeout": Means.LATER,  # of a display; of a payment it would be unknown
    "terminal_reader_hardware_fault": Means.LATER,
    "terminal_reader_invalid_location_for_payment": Means.ACCOUNT,
    "terminal_reader_invalid_location_for_activation": Means.ACCOUNT,
    "rate_limit": Means.LATER,
    "lock_timeout": Means.LATER,
    "idempotency_key_in_use": Means.LOST,  # the first request is still running: the same key again
    "api_key_expired": Means.ACCOUNT,
    "resource_missing": Means.NO,
    "parameter_missing": Means.NO,
    "parameter_unknown": Means.NO,
    "card_error": Means.NO,
    "invalid_request_error": Means.NO,
    "idempotency_error": Means.NO,
    "api_error": Means.LOST,
}
#: webhook type → our report, for actions of type ``set_reader_display``
EVENTS = {
    "terminal.reader.action_succeeded": "message.delivered",
    "terminal.reader.action_failed": "message.failed",
}


class StripeSettings(ProviderSettings):
    """Take a TOML table, or ``stripe://:sk_live_…@api.stripe.com?reader=tmr_…``.

    Args:
        currency: of a display without a cart.
        version: ``Stripe-Version``; empty for the account's own.
        webhook_secret: ``whsec_…`` of the endpoint, used as text; several while one is rolled.
    """

    key: SecretStr = Field(validation_alias=AliasChoices("key", "password"))
    reader: str = Field(pattern=r"^tmr_\w+$")
    currency: str = Field(default="eur", pattern=r"^[a-z]{3}$")
    host: str = ""
    base_url: str = ""
    version: str = ""
    webhook_secret: Secrets = ()

    @property
    def root(self) -> str:
        """Give the address of the API."""
        return self.base_url or f"https://{self.host or 'api.stripe.com'}"


class StripeReader(Provider):
    """Show carts on one reader; Stripe keeps a key for a day and replays its first answer."""

    channel = Display
    scheme = "stripe"
    Settings = StripeSettings
    idempotency = "key"
    key_window = 86_400
    max_in_flight = 1  # one action at a time on a reader

    _client: Client | None = None

    def __str__(self) -> str:
        """Write the DSN without the key."""
        return f"stripe://{self.settings.root.partition('://')[2]}?reader={self.settings.reader}"

    __repr__ = __str__

    @property
    def account(self) -> str:
        """Name the reader."""
        return str(self.settings.reader)

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Show the cart and the words.

        Raises:
            TryLater: the reader is offline or busy, the account, the rate limit.
            Refused: Stripe does not take it.
            Unknown: lost, or a 5xx; the same key again finds out.
        """
        cart = shown(cast("DisplayContent", content), self.settings.currency)
        told = await self._post("set_reader_display", form(cart), attempt.id)
        if text(told, "id") != self.settings.reader:
            raise Unknown("unreadable_answer")
        return Receipt(f"{self.settings.reader}:{digest(cart)}")

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Clear the screen; nothing on it is fine too."""
        await self._post("cancel_action", {}, f"clear:{receipt.provider_id}"[:255])

    async def check(self) -> None:
        """Read the reader."""
        answer = await self._ready().request("GET", f"/v1/terminal/readers/{self.settings.reader}")
        if not answer.ok:
            raise _error(answer)

    def verify(self, request: Request) -> None:
        """Check ``Stripe-Signature``: any v1 by any live secret, at most five minutes off."""
        verify(request, self.settings.webhook_secret, self.now())

    def parse(self, request: Request) -> Sequence[Report]:
        """Read what became of a display."""
        return reports(request.json(), self.settings.reader)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._ready().aclose()

    def _ready(self) -> Client:
        if self._client is None:
            headers = {"authorization": f"Bearer {self.settings.key.get_secret_value()}"}
            if self.settings.version:
                headers["stripe-version"] = self.settings.version
            self._client = Client(self.settings.root, headers=headers)
        return self._client

    async def _post(self, action: str, fields: Mapping[str, str], key: str) -> Any:
        path = f"/v1/terminal/readers/{self.settings.reader}/{action}"
        answer = await self._ready().request("POST", path, data=dict(fields), headers={"idempotency-key": key})
        if not answer.ok:
            raise _error(answer)
        return answer.json()


def shown(content: DisplayContent, currency: str) -> dict[str, Any]:
    """Make the reader's cart: its lines with amounts, then the words with none."""
    unit = content.currency or currency
    lines = [(item.name, minor(item.price, unit), item.quantity) for item in content.cart]
    lines += [(words, 0, 1) for words in filter(None, content.text.split("\n"))]
    return {
        "currency": unit.lower(),
        "line_items": [{"description": d[:DESCRIPTION], "amount": a, "quantity": q} for d, a, q in lines],
        "total": minor(content.total or "0", unit),
    }


def form(cart: Mapping[str, Any]) -> dict[str, str]:
    """Write a cart as bracketed form fields."""
    fields = {"type": "cart", "cart[currency]": cart["currency"], "cart[total]": str(cart["total"])}
    for number, each in enumerate(cart["line_items"]):
        fields |= {f"cart[line_items][{number}][{name}]": str(value) for name, value in each.items()}
    return fields


def digest(cart: Any) -> str:
    """Name a cart by what it shows: Stripe gives displays no id, but tells the cart again in its webhooks."""
    lines = member(cart, "line_items")
    plain = [
        [member(each, "description"), member(each, "amount"), member(each, "quantity")]
        for each in (lines if isinstance(lines, list) else [])
    ]
    body = json.dumps([member(cart, "currency"), member(cart, "total"), plain], ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()[:24]


def verify(request: Request, secrets: Sequence[SecretStr], now: datetime) -> None:
    """Check the signature header.

    Raises:
        Forged: wrong, missing or stale, or no secret is configured.
    """
    parts = [each.partition("=") for each in request.headers.get("stripe-signature", "").split(",")]
    stamps = [value for name, _, value in parts if name.strip() == "t"]
    told = [value.encode("utf-8", "replace") for name, _, value in parts if name.strip() == "v1"]
    stamp = stamps[0] if len(stamps) == 1 else ""
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 12):
        raise Forged("timestamp")
    good = [
        hmac.compare_digest(signature(each.get_secret_value(), stamp, request.body).encode(), one)
        for each in secrets
        if each.get_secret_value()
        for one in told
    ]
    if not any(good) or abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise Forged("signature")


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Sign as Stripe does: hex HMAC-SHA256 over ``timestamp.body``, the secret as text."""
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def reports(told: Any, reader: str) -> list[Report]:
    """Read a verified event; other readers' and other actions are no news."""
    thing, created, id_ = member(told, "data", "object"), member(told, "created"), text(told, "id")
    type_, action = EVENTS.get(text(told, "type")), member(thing, "action")
    ours = text(thing, "id") == reader and text(action, "type") == "set_reader_display"
    if not ours or type_ is None or not id_ or isinstance(created, bool) or not isinstance(created, int):
        return []
    if not 0 < created < 2**33 or not id_.isascii():
        return []
    data = {} if type_ == "message.delivered" else {"reason": text(action, "failure_code") or "reader_failed"}
    cart = member(action, "set_reader_display", "cart")
    at = datetime.fromtimestamp(created, UTC)
    return [Report(id_, type_, at, provider_id=f"{reader}:{digest(cart)}", data=data)]


def _error(answer: Answer) -> Exception:
    """Choose by ``Stripe-Should-Retry``, then by code, then by type, then by status."""
    if answer.headers.get("stripe-should-retry") == "true" and answer.status != 429:
        return TryLater("should_retry", retry_after=answer.retry_after)
    try:
        told = member(answer.json(), "error")
    except Refused:
        told = None
    code = text(told, "code")
    return error(answer, code if code in CODES else text(told, "type"), CODES)
