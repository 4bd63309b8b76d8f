"""Square for the channel ``pos``: the person's cart becomes an open order at the seller's point of sale.

A card with a cart finds the Square customer, reads their loyalty points and creates an order; withdrawing it cancels
the order. Codes stay in the bus (Square has no calls for them); the order names the code in its metadata.

API https://developer.squareup.com/reference/square · errors …/docs/build-basics/general-considerations/handling-errors
Webhooks: ``square_hooks.py``.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import AliasChoices, Field, SecretStr

from omnibus import Attempt, Content, Keep, Provider, ProviderSettings, Receipt, Refused, Request, TryLater, Unknown
from omnibus.http import Answer, Client
from omnibus_pos.answers import Means, Secrets, error, member, minor, text
from omnibus_pos.channel import CardContent, Pos
from omnibus_pos.square_hooks import reports, verify

VERSION = "2025-08-20"
NAME_LIMIT = 512  # characters of a line item's name (reference: OrderLineItem)

#: https://developer.squareup.com/reference/square/enums/ErrorCode
CODES = {
    "RATE_LIMITED": Means.LATER,
    "UNAUTHORIZED": Means.ACCOUNT,
    "ACCESS_TOKEN_EXPIRED": Means.ACCOUNT,
    "ACCESS_TOKEN_REVOKED": Means.ACCOUNT,
    "FORBIDDEN": Means.ACCOUNT,
    "INSUFFICIENT_SCOPES": Means.ACCOUNT,
    "APPLICATION_DISABLED": Means.ACCOUNT,
    "MERCHANT_SUBSCRIPTION_NOT_FOUND": Means.ACCOUNT,
    "BAD_REQUEST": Means.NO,
    "MISSING_REQUIRED_PARAMETER": Means.NO,
    "INVALID_VALUE": Means.NO,
    "VALUE_TOO_LONG": Means.NO,
    "VALUE_TOO_LOW": Means.NO,
    "VALUE_TOO_HIGH": Means.NO,
    "NOT_FOUND": Means.NO,
    "CONFLICT": Means.NO,  # a version mismatch: withdraw reads again, a new order has none
    "IDEMPOTENCY_KEY_REUSED": Means.NO,  # our key, another body: never the same order
    "INVALID_PHONE_NUMBER": Means.NO,  # here; the number stays good elsewhere
    "INVALID_EMAIL_ADDRESS": Means.NO,
    "INTERNAL_SERVER_ERROR": Means.LOST,
    "BAD_GATEWAY": Means.LOST,
    "GATEWAY_TIMEOUT": Means.LOST,
    "SERVICE_UNAVAILABLE": Means.LOST,
    "TEMPORARY_ERROR": Means.LOST,
    "REQUEST_TIMEOUT": Means.LOST,
}


class SquareSettings(ProviderSettings):
    """Take a TOML table, or ``square://:token@connect.squareup.com?location=L1``.

    Args:
        webhook_secret: signature keys of the subscription; several while one is replaced.
        notification_url: as subscribed, byte for byte; without it the one that the bus gives.
    """

    token: SecretStr = Field(validation_alias=AliasChoices("token", "password"))
    location: str = Field(min_length=1)
    host: str = ""
    base_url: str = ""
    webhook_secret: Secrets = ()
    notification_url: str = ""

    @property
    def root(self) -> str:
        """Give the address of the API."""
        return self.base_url or f"https://{self.host or 'connect.squareup.com'}"


class Square(Provider):
    """Place carts as open orders; the attempt's id is the idempotency key."""

    channel = Pos
    scheme = "square"
    Settings = SquareSettings
    idempotency = "key"

    _client: Client | None = None
    _closed = False

    def __str__(self) -> str:
        """Write the DSN without the token."""
        return f"square://{self.settings.root.partition('://')[2]}?location={self.settings.location}"

    @property
    def account(self) -> str:
        """Name the location."""
        return str(self.settings.location)

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Place a card, and its cart as an order; without a cart nothing leaves.

        Raises:
            TryLater: nothing was created (a search went wrong, the rate limit, the account).
            Refused: Square does not take this order.
            Unknown: the order may exist; the same key finds out.
        """
        if self._closed:
            raise TryLater("closed")
        card = cast("CardContent", content)
        if not card.cart:
            return Receipt(attempt.delivery, {"card": card.card()})
        customer = await self._customer(card)
        points = await self._points(card)
        told = await self._call("POST", "/v2/orders", order(card, attempt, self.settings.location, customer))
        made = text(told, "order", "id")
        if not made:
            raise Unknown("unreadable_answer")
        details = {"card": card.card(), "square": {"order": made, "customer": customer, "points": points}}
        return Receipt(f"order:{made}", details)

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Cancel the order while it is open; a paid or cancelled one is left alone."""
        kind, _, made = (receipt.provider_id or "").partition(":")
        if kind != "order" or not made:
            return
        for last in (False, True):
            now = member(await self._read("GET", f"/v2/orders/{made}"), "order")
            if text(now, "state") not in ("OPEN", "DRAFT"):
                return
            version = member(now, "version")
            change = {"location_id": self.settings.location, "version": version, "state": "CANCELED"}
            body = {"order": change, "idempotency_key": f"{made}:{version}:cancel"[:192]}
            try:
                await self._call("PUT", f"/v2/orders/{made}", body)
            except Refused as refused:
                if refused.reason != "CONFLICT" or last:  # somebody changed it meanwhile: look once more
                    raise
            else:
                return

    async def check(self) -> None:
        """Read the location."""
        await self._read("GET", f"/v2/locations/{self.settings.location}")

    def verify(self, request: Request) -> None:
        """Check ``x-square-hmacsha256-signature`` over the notification URL and the raw body."""
        verify(request, self.settings.webhook_secret, self.settings.notification_url or self.hook_url)

    def parse(self, request: Request) -> Any:
        """Read payments, refunds, customers' wishes and loyalty points."""
        return reports(request)

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    async def _customer(self, card: CardContent) -> str:
        for kind, name in (("phone", "phone_number"), ("email", "email_address")):
            if kind in card.who:
                query = {"query": {"filter": {name: {"exact": card.who[kind]}}}, "limit": 1}
                found = text(await self._read("POST", "/v2/customers/search", query), "customers", 0, "id")
                if found:
                    return found
        return ""

    async def _points(self, card: CardContent) -> int | None:
        if "phone" not in card.who:
            return None
        query = {"query": {"mappings": [{"phone_number": card.who["phone"]}]}, "limit": 1}
        found = member(await self._read("POST", "/v2/loyalty/accounts/search", query), "loyalty_accounts", 0, "balance")
        return found if isinstance(found, int) else None

    async def _read(self, method: str, path: str, body: Any = None) -> Any:
        """Ask without changing anything: whatever is lost can be asked again."""
        try:
            return await self._call(method, path, body)
        except Unknown as lost:
            raise TryLater(lost.reason) from None

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        if self._client is None:
            headers = {
                "authorization": f"Bearer {self.settings.token.get_secret_value()}",
                "square-version": VERSION,
            }
            self._client = Client(self.settings.root, headers=headers)
        answer = await self._client.request(method, path, json=body)
        if not answer.ok:
            raise error(answer, _code(answer), CODES)
        return answer.json()


def order(card: CardContent, attempt: Attempt, location: str, customer: str) -> dict[str, Any]:
    """Write the body of CreateOrder."""
    made: dict[str, Any] = {
        "location_id": location,
        "reference_id": attempt.delivery[:40],
        "line_items": [
            {
                "name": item.name[:NAME_LIMIT],
                "quantity": str(item.quantity),
                "base_price_money": {"amount": minor(item.price, card.currency), "currency": card.currency},
            }
            for item in card.cart
        ],
        "metadata": {"omnibus_delivery": attempt.delivery, **({"omnibus_code": card.code} if card.code else {})},
    }
    if customer:
        made["customer_id"] = customer
    return {"idempotency_key": attempt.id, "order": made}


def _code(answer: Answer) -> object:
    try:
        return member(answer.json(), "errors", 0, "code")
    except Refused:
        return None
