"""Square's webhooks: who may send them, and what they say.

https://developer.squareup.com/docs/webhooks/step3validate · …/reference/square/webhooks
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from omnibus import Forged, Report, Request
from omnibus_pos.answers import major, member

SIGNATURE = "x-square-hmacsha256-signature"


class _Read(BaseModel):
    """Be the base of what we read; fields we do not name are ignored."""

    model_config = ConfigDict(frozen=True, strict=False, hide_input_in_errors=True)


class Amount(_Read):
    """Hold smallest units of a currency."""

    amount: int = Field(ge=0, le=10**15, strict=True)
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class Payment(_Read):
    """Hold a payment; COMPLETED means the till took it."""

    id: str = Field(min_length=1)
    status: str
    order_id: str = ""
    amount_money: Amount
    updated_at: AwareDatetime
    buyer_email_address: str = ""


class Refund(_Read):
    """Hold a refund of a payment."""

    id: str = Field(min_length=1)
    status: str
    payment_id: str = Field(min_length=1)
    order_id: str = Field(min_length=1)
    updated_at: AwareDatetime


class Preferences(_Read):
    """Hold a customer's marketing wish."""

    email_unsubscribed: bool = Field(default=False, strict=True)


class Person(_Read):
    """Hold a customer of Square."""

    id: str = Field(min_length=1)
    email_address: str = ""
    preferences: Preferences = Preferences()
    updated_at: AwareDatetime


class Mapping(_Read):
    """Say whose loyalty account it is."""

    phone_number: str = Field(min_length=1)


class Account(_Read):
    """Hold a loyalty account."""

    id: str = Field(min_length=1)
    balance: int = Field(ge=0, le=10**12, strict=True)
    mapping: Mapping
    updated_at: AwareDatetime


def verify(request: Request, keys: Sequence[SecretStr], url: str) -> None:
    """Accept any live key; the URL is signed too, byte for byte as subscribed.

    Raises:
        Forged: wrong or missing signature, or no key is configured.
    """
    told = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
    good = [
        hmac.compare_digest(signature(each.get_secret_value(), url, request.body).encode(), told)
        for each in keys
        if each.get_secret_value()
    ]
    if not any(good):
        raise Forged("signature")


def signature(key: str, url: str, body: bytes) -> str:
    """Sign as Square does: base64 of HMAC-SHA256 over URL and raw body, the key as UTF-8 text."""
    return base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()).decode()


def reports(request: Request) -> list[Report]:
    """Read a verified webhook; what tells nothing new gives an empty list."""
    told = request.json()
    kind, thing = member(told, "type"), member(told, "data", "object")
    try:
        return list(_read(kind, thing))
    except ValidationError:
        return []


def _read(kind: Any, thing: Any) -> Iterator[Report]:
    match kind:
        case "payment.created" | "payment.updated":
            yield from _paid(Payment.model_validate(member(thing, "payment")))
        case "refund.created" | "refund.updated":
            yield from _refunded(Refund.model_validate(member(thing, "refund")))
        case "customer.created" | "customer.updated":
            yield from _wishes(Person.model_validate(member(thing, "customer")))
        case "loyalty.account.created" | "loyalty.account.updated":
            account = Account.model_validate(member(thing, "loyalty_account"))
            who, stamp = ("phone", account.mapping.phone_number), _stamp(account.updated_at)
            data = {"points": account.balance, "program": "square"}
            yield Report(f"loyalty:{account.id}:{stamp}", "points.updated", account.updated_at, identity=who, data=data)
        case _:
            return


def _paid(payment: Payment) -> Iterator[Report]:
    """Tell of a completed payment once; its id is the order's, so that a refund finds it."""
    email = payment.buyer_email_address
    if payment.status != "COMPLETED" or not (payment.order_id or email):
        return
    total = major(payment.amount_money.amount, payment.amount_money.currency)
    data = {
        "id": payment.id, "place": "till", "currency": payment.amount_money.currency, "total": total, "lines": [],
    }  # fmt: skip
    yield Report(
        f"payment:{payment.id}:completed", "order.placed", payment.updated_at,
        provider_id=f"order:{payment.order_id}" if payment.order_id else None,
        identity=("email", email) if email else None, data=data,
    )  # fmt: skip


def _refunded(refund: Refund) -> Iterator[Report]:
    if refund.status == "COMPLETED":
        data = {"id": refund.payment_id, "return": refund.id, "place": "till"}
        id_, order = f"refund:{refund.id}", f"order:{refund.order_id}"
        yield Report(id_, "order.returned", refund.updated_at, provider_id=order, data=data)


def _wishes(person: Person) -> Iterator[Report]:
    """Take over an unsubscription; Square tells of no consent, so none is granted."""
    if person.preferences.email_unsubscribed and person.email_address:
        data = {"channel": "email", "purpose": "marketing", "topic": "*"}
        id_ = f"customer:{person.id}:unsubscribed:{_stamp(person.updated_at)}"
        who = ("email", person.email_address)
        yield Report(id_, "consent.withdrawn", person.updated_at, identity=who, data=data)


def _stamp(at: datetime) -> str:
    return at.isoformat()
