"""Square's side on loopback: customers, loyalty, orders; signed webhooks when somebody pays at its till."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from omnibus import Request, Response
from omnibus.testing import Entry, HttpSandbox, World
from omnibus_pos.answers import member
from omnibus_pos.square_hooks import SIGNATURE, signature

TOKEN, LOCATION, KEY = "sq-sandbox-token", "LSANDBOX", "sq-sandbox-signature-key"  # test data, not credentials
ORDER_FIELDS = {
    "location_id", "reference_id", "customer_id", "line_items", "metadata", "discounts", "state", "ticket_name",
}  # fmt: skip
LINE_FIELDS = {"name", "quantity", "base_price_money", "note", "uid"}


class SquareSandbox(HttpSandbox):
    """Refuse what Square refuses: a wrong token, unknown or missing fields, over-long texts, a key with another body.

    Args:
        people: customer id → ``{"phone_number", "email_address", "points"}``; fill it before the first call.
    """

    channel = "pos"
    name = "square"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.people: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        for entry in world.of("pos", kind="order"):
            if entry.sandbox == self.name:
                self.orders[entry.id] = dict(entry.data["order"])
                self._keys[entry.data["key"]] = (entry.data["body"], entry.id)
        for entry in world.of("pos", kind="cancel"):
            if entry.data["order"] in self.orders:
                self.orders[entry.data["order"]].update(state="CANCELED", version=entry.data["version"])

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Point ``[channels.pos]`` at this sandbox."""
        return {
            "pos": {
                "provider": "square", "token": TOKEN, "location": LOCATION, "base_url": self.base_url,
                "webhook_secret": KEY,
            }
        }  # fmt: skip

    async def answer(self, request: Request) -> Response:  # noqa: PLR0911 - one return a call
        """Answer one call."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED")
        if not request.headers.get("square-version"):
            return _no(400, "INVALID_REQUEST_ERROR", "BAD_REQUEST", "Square-Version")
        body = request.json() if request.body else {}
        match request.method, request.path.strip("/").split("/"):
            case "POST", ["v2", "customers", "search"]:
                return self._search(member(body, "query", "filter") or {})
            case "POST", ["v2", "loyalty", "accounts", "search"]:
                return self._loyalty(member(body, "query", "mappings", 0, "phone_number"))
            case "POST", ["v2", "orders"]:
                return self._create(body)
            case "GET", ["v2", "orders", id_] if id_ in self.orders:
                return Response.of_json({"order": self.orders[id_]})
            case "PUT", ["v2", "orders", id_] if id_ in self.orders:
                return self._update(id_, body)
            case "GET", ["v2", "locations", id_] if id_ == LOCATION:
                return Response.of_json({"location": {"id": LOCATION}})
        return _no(404, "INVALID_REQUEST_ERROR", "NOT_FOUND")

    def pay(self, order: str, email: str = "", after: timedelta = timedelta(0)) -> None:
        """Let somebody pay an order at Square's till; a signed ``payment.updated`` follows."""
        sold = self.orders[order]
        sold["state"] = "COMPLETED"
        total = sum(each["base_price_money"]["amount"] * int(each["quantity"]) for each in sold["line_items"])
        currency = sold["line_items"][0]["base_price_money"]["currency"]
        payment = {
            "id": f"P{order}", "status": "COMPLETED", "order_id": order, "amount_money": {"amount": total, "currency": currency},
            "updated_at": self.world.now().isoformat(),
        }  # fmt: skip
        if email:
            payment["buyer_email_address"] = email
        self._owe("payment.updated", "payment", payment, after)

    def refund(self, order: str, after: timedelta = timedelta(0)) -> None:
        """Let somebody bring a paid order back."""
        refund = {
            "id": f"R{order}", "status": "COMPLETED", "payment_id": f"P{order}", "order_id": order,
            "updated_at": self.world.now().isoformat(),
        }  # fmt: skip
        self._owe("refund.updated", "refund", refund, after)

    def earn(self, customer: str, points: int, after: timedelta = timedelta(0)) -> None:
        """Set a customer's loyalty balance."""
        self.people[customer]["points"] = points
        account = {
            "id": f"A{customer}", "balance": points, "mapping": {"phone_number": self.people[customer]["phone_number"]},
            "updated_at": self.world.now().isoformat(),
        }  # fmt: skip
        self._owe("loyalty.account.updated", "loyalty_account", account, after)

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Send a signed webhook."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        url = self.world.hook_url(self)
        headers = {
            "content-type": "application/json",
            SIGNATURE: signature(KEY, url, body),
            "square-environment": "Sandbox",
        }
        (await self.world.post(url, headers=headers, body=body)).raise_for_status()

    def _owe(self, kind: str, noun: str, thing: Mapping[str, Any], after: timedelta) -> None:
        event = f"E-{kind}-{thing['id']}-{thing['updated_at']}"
        data = {"type": noun, "id": thing["id"], "object": {noun: dict(thing)}}
        told = {"merchant_id": "M1", "type": kind, "event_id": event, "created_at": thing["updated_at"], "data": data}
        self.world.owe(self, event, after, told)

    def _search(self, asked: Mapping[str, Any]) -> Response:
        for name in asked:
            if name not in ("phone_number", "email_address", "reference_id"):
                return _no(400, "INVALID_REQUEST_ERROR", "BAD_REQUEST", name)
        wanted = {name: member(rule, "exact") for name, rule in asked.items()}
        found = [
            {"id": id_} for id_, person in self.people.items() if all(person.get(k) == v for k, v in wanted.items())
        ]
        return Response.of_json({"customers": found} if found else {})

    def _loyalty(self, phone: Any) -> Response:
        found = [
            {"id": f"A{id_}", "balance": person["points"], "customer_id": id_}
            for id_, person in self.people.items()
            if person.get("phone_number") == phone and "points" in person
        ]
        return Response.of_json({"loyalty_accounts": found} if found else {})

    def _create(self, body: Any) -> Response:
        wrong = _wrong(body)
        if wrong:
            return _no(400, "INVALID_REQUEST_ERROR", *wrong)
        plain = json.dumps(body["order"], sort_keys=True)
        key = body.get("idempotency_key") or ""
        if key in self._keys:
            before, id_ = self._keys[key]
            if before != plain:
                return _no(400, "INVALID_REQUEST_ERROR", "IDEMPOTENCY_KEY_REUSED", "idempotency_key")
            return Response.of_json({"order": self.orders[id_]})
        id_ = f"SQ{sum(each.sandbox == self.name for each in self.world.entries) + 1}"
        order = {"id": id_, "version": 1, "state": "OPEN", **body["order"]}
        text = ", ".join(f"{each['quantity']} x {each['name']}" for each in order["line_items"])
        data = {"order": order, "key": key, "body": plain}
        at = self.world.now().isoformat()
        self.world.record(Entry(id_, at, self.channel, self.name, "order", attempt=key, text=text, data=data))
        self.orders[id_], self._keys[key] = dict(order), (plain, id_)
        return Response.of_json({"order": order})

    def _update(self, id_: str, body: Any) -> Response:
        order, change = self.orders[id_], member(body, "order") or {}
        if set(change) - {"location_id", "version", "state"} or change.get("state") != "CANCELED":
            return _no(400, "INVALID_REQUEST_ERROR", "BAD_REQUEST", "order")
        if change.get("version") != order["version"]:
            return _no(409, "INVALID_REQUEST_ERROR", "CONFLICT", "order.version")
        version = order["version"] + 1
        data = {"order": id_, "version": version}
        number = sum(each.sandbox == self.name for each in self.world.entries) + 1
        at = self.world.now().isoformat()
        self.world.record(
            Entry(f"SQ{number}", at, self.channel, self.name, "cancel", text=f"{id_} cancelled", data=data)
        )
        order.update(state="CANCELED", version=version)
        return Response.of_json({"order": order})


def _wrong(body: Any) -> tuple[str, str] | None:  # noqa: PLR0911 - one return a refusal
    """Find what Square would refuse of an order: its code and field."""
    order, key = member(body, "order"), member(body, "idempotency_key") or ""
    lines = member(order, "line_items")
    if not isinstance(order, dict) or set(body) - {"order", "idempotency_key"} or set(order) - ORDER_FIELDS:
        return "BAD_REQUEST", "order"
    if order.get("location_id") != LOCATION:
        return "NOT_FOUND", "order.location_id"
    if len(key) > 192 or len(order.get("reference_id", "")) > 40:
        return "VALUE_TOO_LONG", "idempotency_key or reference_id"
    for each in lines if isinstance(lines, list) else ():
        money = member(each, "base_price_money")
        if set(each) - LINE_FIELDS or not isinstance(each.get("quantity"), str):
            return "BAD_REQUEST", "order.line_items"
        if len(each.get("name", "")) > 512:
            return "VALUE_TOO_LONG", "order.line_items.name"
        if not isinstance(member(money, "amount"), int) or not isinstance(member(money, "currency"), str):
            return "INVALID_VALUE", "order.line_items.base_price_money"
    return None


def _no(status: int, category: str, code: str, field: str = "") -> Response:
    told = {"category": category, "code": code, "detail": f"{code} at {field}" if field else code}
    return Response.of_json({"errors": [{**told, "field": field} if field else told]}, status)
