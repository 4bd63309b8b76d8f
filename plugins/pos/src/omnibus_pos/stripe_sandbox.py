"""Stripe's side on loopback: one card reader with a screen, its idempotency keys, and signed webhooks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from omnibus import Request, Response
from omnibus.testing import Entry, HttpSandbox, World
from omnibus_pos.stripe_hooks import signature

KEY, READER, SECRET = "sk_test_sandbox", "tmr_sandbox", "whsec_sandbox"
FIELD = re.compile(r"cart\[line_items\]\[(\d+)\]\[(description|amount|quantity)\]")


class StripeSandbox(HttpSandbox):
    """Refuse what Stripe refuses: a wrong key, unknown or missing parameters, a key with another body.

    Args:
        trouble: an error code that the reader answers with, e.g. ``terminal_reader_offline``; empty for none.
        cart: what stands on the screen, None when it is clear.
    """

    channel = "display"
    name = "stripe"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.trouble = ""
        self.cart: dict[str, Any] | None = None
        self._stored = {each.attempt: each.data["form"] for each in world.of("display") if each.sandbox == self.name}

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Point ``[channels.display]`` at this sandbox."""
        return {
            "display": {
                "provider": "stripe", "key": KEY, "reader": READER, "base_url": self.base_url, "webhook_secret": SECRET,
            }
        }  # fmt: skip

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _no(401, "invalid_request_error", "", "Invalid API Key provided")
        root, action = f"/v1/terminal/readers/{READER}", request.path.rpartition("/")[2]
        if not request.path.startswith(root):
            return _no(404, "invalid_request_error", "resource_missing", "No such reader")
        if self.trouble:
            return _no(400, "invalid_request_error", self.trouble, "The reader says no")
        if action == "cancel_action":
            self.cart = None
        elif action == "set_reader_display":
            return self._show(request)
        return Response.of_json(self._reader())

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Send a signed webhook."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        stamp = str(int(self.world.now().timestamp()))
        headers = {
            "content-type": "application/json",
            "stripe-signature": f"t={stamp},v1={signature(SECRET, stamp, body)}",
        }
        (await self.world.post(self.world.hook_url(self), headers=headers, body=body)).raise_for_status()

    def _show(self, request: Request) -> Response:
        told, key = dict(request.form), request.headers.get("idempotency-key", "")
        if key in self._stored:
            if self._stored[key] != told:
                text = "Keys for idempotent requests can only be used with the same parameters"
                return _no(400, "idempotency_error", "", text)
            return Response(200, Response.of_json(self._reader()).body, {"idempotent-replayed": "true"})
        cart, wrong = _cart(told)
        if wrong:
            return _no(400, "invalid_request_error", *wrong)
        self.cart, self._stored[key] = cart, told
        number = sum(each.sandbox == self.name for each in self.world.entries) + 1
        id_, at = f"evt_{number}", self.world.now()
        text = "\n".join(f"{each['description']}  {each['amount']}" for each in cart["line_items"])
        entry = Entry(id_, at.isoformat(), self.channel, self.name, "cart", attempt=key, text=text, data={"form": told})
        self.world.record(entry)
        reader = {"object": self._reader()}
        event = {
            "id": id_, "type": "terminal.reader.action_succeeded", "created": int(at.timestamp()), "data": reader,
        }  # fmt: skip
        self.world.owe(self, id_, timedelta(seconds=1), event)
        return Response.of_json(self._reader())

    def _reader(self) -> dict[str, Any]:
        show = {"type": "cart", "cart": self.cart}
        action = {"type": "set_reader_display", "status": "succeeded", "failure_code": None, "set_reader_display": show}
        return {"id": READER, "object": "terminal.reader", "status": "online", "action": action if self.cart else None}


def _cart(told: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, str] | None]:
    lines: dict[int, dict[str, Any]] = {}
    for name, value in told.items():
        found = FIELD.fullmatch(name)
        if found:
            lines.setdefault(int(found[1]), {})[found[2]] = value if found[2] == "description" else int(value)
        elif name not in ("type", "cart[currency]", "cart[total]", "cart[tax]"):
            return {}, ("parameter_unknown", f"Received unknown parameter: {name}")
    missing = {"type", "cart[currency]", "cart[total]"} - set(told)
    if missing or not lines or any(len(each) < 3 for each in lines.values()):
        return {}, ("parameter_missing", "Missing required param")
    if any(len(each["description"]) > 5000 for each in lines.values()):
        return {}, ("", "Invalid string: must be at most 5000 characters")
    ordered = [lines[at] for at in sorted(lines)]
    return {
        "currency": told["cart[currency]"],
        "total": int(told["cart[total]"]),
        "tax": None,
        "line_items": ordered,
    }, None


def _no(status: int, type_: str, code: str, message: str) -> Response:
    told = {"type": type_, "message": message, **({"code": code} if code else {})}
    return Response.of_json({"error": told}, status)
