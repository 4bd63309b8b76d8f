"""Shopify's side on loopback: the few GraphQL documents that we send, and signed webhooks when somebody pays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from omnibus import Request, Response
from omnibus.testing import Entry, HttpSandbox, World
from omnibus_pos.answers import member
from omnibus_pos.shopify_hooks import SHOP, SIGNATURE, TOPIC, TRIGGERED, signature

TOKEN, DOMAIN, SECRET = "shpat_sandbox", "acme.myshopify.com", "shpss_sandbox"
LINE_FIELDS = {"title", "sku", "quantity", "originalUnitPriceWithCurrency"}
DRAFT_FIELDS = {
    "lineItems", "presentmentCurrencyCode", "tags", "customAttributes", "note", "purchasingEntity",
}  # fmt: skip
CODE_FIELDS = {
    "title", "code", "startsAt", "endsAt", "usageLimit", "appliesOncePerCustomer", "context", "customerGets",
}  # fmt: skip


class ShopifySandbox(HttpSandbox):
    """Refuse what Shopify refuses: a wrong token, unknown fields, a code that is taken; throttle when told to.

    Args:
        people: customer gid → ``{"phoneNumber", "emailAddress"}``.
        throttle: answer THROTTLED so many times.
    """

    channel = "pos"
    name = "shopify"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.people: dict[str, dict[str, str]] = {}
        self.throttle = 0

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Point ``[channels.pos]`` at this sandbox."""
        return {
            "pos": {
                "provider": "shopify", "token": TOKEN, "shop": DOMAIN, "base_url": self.base_url,
                "webhook_secret": SECRET,
            }
        }  # fmt: skip

    @property
    def drafts(self) -> dict[str, Mapping[str, Any]]:
        """Give the drafts that are not deleted, by gid."""
        made = {each.id: each.data for each in self.world.of("pos", kind="draft") if each.sandbox == self.name}
        for each in self.world.of("pos", kind="delete"):
            made.pop(each.data.get("draft", ""), None)
        return made

    @property
    def codes(self) -> dict[str, str]:
        """Give the codes: code in capitals → gid."""
        mine = [each for each in self.world.of("pos", kind="code") if each.sandbox == self.name]
        return {each.data["code"].upper(): each.id for each in mine}

    async def answer(self, request: Request) -> Response:
        """Answer one GraphQL document."""
        if request.headers.get("x-shopify-access-token") != TOKEN:
            told = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
            return Response.of_json(told, 401)
        if not request.path.startswith("/admin/api/20") or request.method != "POST":
            return Response.of_json({"errors": "Not Found"}, 404)
        if self.throttle:
            self.throttle -= 1
            status = {"maximumAvailable": 2000.0, "currentlyAvailable": 10, "restoreRate": 100.0}
            cost = {"requestedQueryCost": 60, "actualQueryCost": None, "throttleStatus": status}
            wrong = [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]
            return Response.of_json({"errors": wrong, "extensions": {"cost": cost}})
        body = request.json()
        document, given = str(member(body, "query")), member(body, "variables") or {}
        calls = {
            "customerByIdentifier": self._find, "draftOrders(": self._drafts, "draftOrder(": self._draft,
            "codeDiscountNodeByCode": self._code, "draftOrderCreate": self._make_draft,
            "draftOrderDelete": self._drop, "discountCodeBasicCreate": self._make_code, "shop {": self._shop,
        }  # fmt: skip
        for name, call in calls.items():
            if name in document:
                return Response.of_json({"data": {name.strip("( {"): call(given)}})
        return Response.of_json({"errors": [{"message": "syntax error", "extensions": {"code": "undefinedField"}}]})

    def pay(self, draft: str, email: str, codes: tuple[str, ...] = (), after: timedelta = timedelta(0)) -> None:
        """Let somebody pay a draft at Shopify's till; a signed ``orders/paid`` follows."""
        lines = [
            {
                "sku": line["sku"], "title": line["title"], "quantity": line["quantity"],
                "price": line["originalUnitPriceWithCurrency"]["amount"],
            }
            for line in self.drafts[draft]["lineItems"]
        ]  # fmt: skip
        total = sum(float(line["price"]) * line["quantity"] for line in lines)
        number = int(draft.rpartition("/")[2])
        order = {
            "id": number, "created_at": self.world.now().isoformat(), "financial_status": "paid", "source_name": "pos",
            "currency": self.drafts[draft]["presentmentCurrencyCode"], "total_price": f"{total:.2f}", "email": email,
            "line_items": lines, "discount_codes": [{"code": code, "amount": "0", "type": "percentage"} for code in codes],
        }  # fmt: skip
        payload = {"topic": "orders/paid", "at": order["created_at"], "body": order}
        self.world.owe(self, f"orders/paid:{number}", after, payload)

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Send a signed webhook."""
        body = json.dumps(payload["body"], separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json", SIGNATURE: signature(SECRET, body), TOPIC: payload["topic"], SHOP: DOMAIN,
            TRIGGERED: payload["at"], "x-shopify-webhook-id": f"w-{payload['topic']}-{payload['body']['id']}",
        }  # fmt: skip
        (await self.world.post(self.world.hook_url(self), headers=headers, body=body)).raise_for_status()

    def _find(self, given: Any) -> Any:
        wanted = member(given, "by") or {}
        for id_, person in self.people.items():
            if wanted and all(person.get(key) == value for key, value in wanted.items()):
                return {"id": id_}
        return None

    def _shop(self, given: Any) -> Any:
        return {"name": "Acme"}

    def _drafts(self, given: Any) -> Any:
        wanted = str(member(given, "query")).removeprefix("tag:")
        found = [{"id": id_, "status": "OPEN"} for id_, draft in self.drafts.items() if wanted in draft["tags"]]
        return {"nodes": found[:1]}

    def _draft(self, given: Any) -> Any:
        id_ = member(given, "id")
        return {"id": id_, "status": "OPEN"} if id_ in self.drafts else None

    def _code(self, given: Any) -> Any:
        id_ = self.codes.get(str(member(given, "code")).upper())
        return {"id": id_} if id_ else None

    def _make_draft(self, given: Any) -> Any:
        made = member(given, "input") or {}
        lines = made.get("lineItems") or []
        if set(made) - DRAFT_FIELDS or not lines or any(set(line) - LINE_FIELDS for line in lines):
            return {"draftOrder": None, "userErrors": [{"field": ["input"], "message": "is invalid"}]}
        text = ", ".join(f"{line['quantity']} x {line['title']}" for line in lines)
        entry = self._record("draft", "gid://shopify/DraftOrder/", text, made)
        return {"draftOrder": {"id": entry.id}, "userErrors": []}

    def _drop(self, given: Any) -> Any:
        id_ = member(given, "input", "id")
        if id_ not in self.drafts:
            return {"deletedId": None, "userErrors": [{"field": None, "message": "Draft order does not exist"}]}
        self._record("delete", "gid://shopify/Deleted/", f"{id_} deleted", {"draft": id_})
        return {"deletedId": id_, "userErrors": []}

    def _make_code(self, given: Any) -> Any:
        made = member(given, "discount") or {}
        wrong = {"field": ["basicCodeDiscount", "code"], "message": "Code must be unique", "code": "TAKEN"}
        if str(made.get("code", "")).upper() in self.codes:
            return {"codeDiscountNode": None, "userErrors": [wrong]}
        percentage = member(made, "customerGets", "value", "percentage")
        if set(made) - CODE_FIELDS or not isinstance(percentage, float) or not 0 < percentage <= 1:
            wrong = {"field": ["basicCodeDiscount"], "message": "is invalid", "code": "INVALID"}
            return {"codeDiscountNode": None, "userErrors": [wrong]}
        entry = self._record("code", "gid://shopify/DiscountCodeNode/", made["code"], made)
        return {"codeDiscountNode": {"id": entry.id}, "userErrors": []}

    def _record(self, kind: str, prefix: str, text: str, data: Mapping[str, Any]) -> Entry:
        number = sum(each.sandbox == self.name for each in self.world.entries) + 1001
        at = self.world.now().isoformat()
        return self.world.record(Entry(f"{prefix}{number}", at, self.channel, self.name, kind, text=text, data=data))
