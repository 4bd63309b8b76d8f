"""Stripe Terminal for the channel ``display``: the cart on the reader's screen, the words as lines without an amount.

API https://docs.stripe.com/api/terminal/readers/set_reader_display · errors https://docs.stripe.com/error-codes
Idempotency https://docs.stripe.com/api/idempotent_requests · webhooks: ``stripe_hooks.py``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import AliasChoices, Field, SecretStr

from omnibus import (
    Attempt,
    Content,
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
from omnibus_pos.stripe_hooks import digest, reports, verify

DESCRIPTION = 5000  # characters of a line

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
