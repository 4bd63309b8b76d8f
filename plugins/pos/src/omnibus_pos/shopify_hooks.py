"""Shopify's webhooks: who may send them, and what they say.

https://shopify.dev/docs/apps/build/webhooks/verify-deliveries · …/docs/api/webhooks
Mandatory topics: customers/data_request, customers/redact, shop/redact.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from omnibus import Forged, Report, Request

SIGNATURE, TOPIC, SHOP = "x-shopify-hmac-sha256", "x-shopify-topic", "x-shopify-shop-domain"
TRIGGERED = "x-shopify-triggered-at"


class _Read(BaseModel):
    """Be the base of what we read; fields we do not name are ignored."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Line(_Read):
    """Hold a line of an order."""

    sku: str | None = None
    product_id: int | None = None
    title: str = ""
    quantity: int = Field(ge=0, le=10**6)
    price: str = Field(pattern=r"^\d{1,12}(\.\d{1,4})?$")

    def plain(self) -> dict[str, Any]:
        """Write it as an event's line."""
        sku = self.sku or str(self.product_id or "unknown")
        return {"sku": sku, "name": self.title or sku, "quantity": self.quantity, "price": self.price}


class RefundLine(_Read):
    """Hold a line that came back."""

    quantity: int = Field(ge=0, le=10**6)
    line_item: Line


class Refund(_Read):
    """Hold a refund of an order."""

    id: int = Field(ge=1, le=2**63)
    created_at: AwareDatetime
    refund_line_items: tuple[RefundLine, ...] = ()


class UsedCode(_Read):
    """Hold a code that was used."""

    code: str = Field(min_length=1)


class Order(_Read):
    """Hold an order; ``source_name`` is ``pos`` at the till."""

    id: int = Field(ge=1, le=2**63)
    created_at: AwareDatetime
    financial_status: str | None = None
    source_name: str | None = None
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    total_price: str = Field(pattern=r"^\d{1,12}(\.\d{1,4})?$")
    email: str | None = None
    phone: str | None = None
    line_items: tuple[Line, ...] = ()
    discount_codes: tuple[UsedCode, ...] = ()
    refunds: tuple[Refund, ...] = ()

    @property
    def who(self) -> tuple[str, str] | None:
        """Tell whose it is."""
        if self.email:
            return "email", self.email
        return ("phone", self.phone) if self.phone else None


class Consent(_Read):
    """Hold a state of marketing consent."""

    state: str
    consent_updated_at: AwareDatetime | None = None


class Wish(_Read):
    """Hold a consent webhook; only one of the two addresses is there."""

    customer_id: int = Field(validation_alias=AliasChoices("customer_id", "id"), ge=1, le=2**63)
    email_address: str | None = Field(default=None, validation_alias=AliasChoices("email_address", "email"))
    phone: str | None = None
    email_marketing_consent: Consent | None = None
    sms_marketing_consent: Consent | None = None


class Person(_Read):
    """Hold whom to forget."""

    id: int = Field(ge=1, le=2**63)
    email: str | None = None
    phone: str | None = None


class Redact(_Read):
    """Hold a request to forget a customer."""

    customer: Person


def verify(request: Request, secrets: Sequence[SecretStr], shop: str) -> None:
    """Accept any live secret, and our own shop only.

    Raises:
        Forged: wrong or missing signature, another shop, or no secret is configured.
    """
    told = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
    good = [
        hmac.compare_digest(signature(each.get_secret_value(), request.body).encode(), told)
        for each in secrets
        if each.get_secret_value()
    ]
    if not any(good) or request.headers.get(SHOP, "").lower() != shop:
        raise Forged("signature")


def signature(secret: str, body: bytes) -> str:
    """Sign as Shopify does: base64 of HMAC-SHA256 over the raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def reports(request: Request) -> list[Report]:
    """Read a verified webhook; what tells nothing new gives an empty list."""
    told, topic = request.json(), request.headers.get(TOPIC, "")
    try:
        return list(_read(topic, told, request.headers.get(TRIGGERED, "")))
    except ValidationError:
        return []


def _read(topic: str, told: Any, triggered: str) -> Iterator[Report]:
    match topic:
        case "orders/paid" | "orders/create" | "orders/updated":
            order = Order.model_validate(told)
            yield from _ordered(order)
        case "customers_email_marketing_consent/update" | "customers_marketing_consent/update" | "customers/update":
            yield from _wishes(Wish.model_validate(told))
        case "customers/redact":
            yield from _forget(Redact.model_validate(told).customer, triggered)
        case _:  # customers/data_request and shop/redact are answered by people; the rest is no news
            return


def _ordered(order: Order) -> Iterator[Report]:
    """Tell of a paid order and of each of its refunds; the same order told by several topics is one fact."""
    who = order.who
    if who is None:
        return
    place = "till" if order.source_name == "pos" else "web"
    if order.financial_status in {"paid", "partially_refunded", "refunded"}:
        data = {
            "id": f"shopify-{order.id}", "place": place, "currency": order.currency, "total": order.total_price,
            "lines": [line.plain() for line in order.line_items], "codes": [each.code for each in order.discount_codes],
        }  # fmt: skip
        yield Report(f"order:{order.id}:paid", "order.placed", order.created_at, identity=who, data=data)
    for refund in {each.id: each for each in order.refunds}.values():
        lines = [{**each.line_item.plain(), "quantity": each.quantity} for each in refund.refund_line_items]
        data = {"id": f"shopify-{order.id}", "return": str(refund.id), "place": place, "lines": lines}
        yield Report(f"refund:{refund.id}", "order.returned", refund.created_at, identity=who, data=data)


def _wishes(wish: Wish) -> Iterator[Report]:
    """Take over consent given or withdrawn at Shopify; a state without a time is no fact."""
    told = (
        ("email", wish.email_address, wish.email_marketing_consent), ("sms", wish.phone, wish.sms_marketing_consent),
    )  # fmt: skip
    for channel, address, consent in told:
        if not address or consent is None or consent.consent_updated_at is None:
            continue
        types = {"subscribed": "consent.granted", "unsubscribed": "consent.withdrawn", "redacted": "consent.withdrawn"}
        type_ = types.get(consent.state.lower())
        if type_ is not None:
            at = consent.consent_updated_at
            id_ = f"consent:{wish.customer_id}:{channel}:{consent.state.lower()}:{at.isoformat()}"
            data = {"channel": channel, "purpose": "marketing", "topic": "*"}
            yield Report(id_, type_, at, identity=("email" if channel == "email" else "phone", address), data=data)


class _Triggered(_Read):
    at: AwareDatetime


def _forget(person: Person, triggered: str) -> Iterator[Report]:
    """Stop everything towards whom Shopify asks to forget; erasing itself is `omnibus erase`."""
    at = _Triggered.model_validate({"at": triggered}).at
    data = {"channel": "*", "purpose": "*", "topic": "*", "reason": "customers/redact"}
    for kind, address in (("email", person.email), ("phone", person.phone)):
        if address:
            yield Report(f"redact:{person.id}:{kind}", "consent.withdrawn", at, identity=(kind, address), data=data)
