"""What we say to Shopify: GraphQL documents and their inputs. Pure.

https://shopify.dev/docs/api/admin-graphql/2026-07/mutations/draftOrderCreate · …/discountCodeBasicCreate
"""

from __future__ import annotations

from typing import Any

from omnibus import Attempt
from omnibus_pos.answers import member
from omnibus_pos.channel import CardContent

FIND = "query Find($by: CustomerIdentifierInput!) { customerByIdentifier(identifier: $by) { id } }"
DRAFTS = "query Drafts($query: String!) { draftOrders(first: 1, query: $query) { nodes { id status } } }"
DRAFT = "query Draft($id: ID!) { draftOrder(id: $id) { id status } }"
CODE = "query Code($code: String!) { codeDiscountNodeByCode(code: $code) { id } }"
MAKE_DRAFT = """mutation Draft($input: DraftOrderInput!) {
  draftOrderCreate(input: $input) { draftOrder { id } userErrors { field message } } }"""
DROP_DRAFT = """mutation Drop($input: DraftOrderDeleteInput!) {
  draftOrderDelete(input: $input) { deletedId userErrors { field message } } }"""
MAKE_CODE = """mutation Code($discount: DiscountCodeBasicInput!) {
  discountCodeBasicCreate(basicCodeDiscount: $discount) { codeDiscountNode { id } userErrors { field message code } } }"""


def draft(card: CardContent, attempt: Attempt, customer: str) -> dict[str, Any]:
    """Write the input of draftOrderCreate; the code is noted, not applied: the till takes it."""
    made: dict[str, Any] = {
        "lineItems": [
            {
                "title": item.name,
                "sku": item.sku,
                "quantity": item.quantity,
                "originalUnitPriceWithCurrency": {"amount": item.price, "currencyCode": card.currency},
            }
            for item in card.cart
        ],
        "presentmentCurrencyCode": card.currency,
        "tags": ["omnibus", tag(attempt)],
        "customAttributes": [{"key": "omnibus_delivery", "value": attempt.delivery}],
    }
    if card.code:
        made["note"] = f"{card.label} {card.code}".strip()
        made["customAttributes"].append({"key": "omnibus_code", "value": card.code})
    if customer:
        made["purchasingEntity"] = {"customerId": customer}
    return made


def discount(card: CardContent, customer: str, starts: str) -> dict[str, Any]:
    """Write the input of discountCodeBasicCreate: for this customer where Shopify knows them, once."""
    made: dict[str, Any] = {
        "title": f"{card.label} {card.code}".strip(),
        "code": card.code,
        "startsAt": starts,
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"customers": {"add": [customer]}} if customer else {"all": "ALL"},
        "customerGets": {"value": {"percentage": card.percent / 100}, "items": {"all": True}},
    }
    if card.expires:
        made["endsAt"] = card.expires
    return made


def tag(attempt: Attempt) -> str:
    """Name the draft of a delivery; a tag holds 40 characters at most."""
    return f"omnibus-{attempt.delivery.replace('-', '')}"[:40]


def throttled(told: Any) -> float | None:
    """Reckon the wait in seconds: (requested cost - available) / restore rate."""
    cost = member(told, "extensions", "cost")
    asked, status = member(cost, "requestedQueryCost"), member(cost, "throttleStatus")
    left, rate = member(status, "currentlyAvailable"), member(status, "restoreRate")
    numbers = [each for each in (asked, left, rate) if isinstance(each, (int, float))]
    if len(numbers) < 3 or numbers[2] <= 0:
        return None
    return min(max((numbers[0] - numbers[1]) / numbers[2], 0.0), 3600.0)
