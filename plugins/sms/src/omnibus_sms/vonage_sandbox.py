"""Vonage's side of the wire: the SMS API with its 200 for everything, signed receipts and replies."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

from omnibus import Request, Response
from omnibus_sms.handsets import Handsets, Silence
from omnibus_sms.segments import encoding_of, segment
from omnibus_sms.vonage_signature import Method, sign

KEY, SECRET, SIGNATURE_SECRET = "abcd1234", "sandbox-secret", "sandbox-signature-secret"
#: https://developer.vonage.com/api/sms#send-an-sms
FIELDS = frozenset({
    "api_key", "api_secret", "from", "to", "text", "sig", "ttl", "status-report-req", "callback", "message-class",
    "type", "body", "udh", "protocol-id", "client-ref", "account-ref", "entity-id", "content-id", "trusted-number",
})  # fmt: skip
TEXTS = {
    "1": "Throughput Rate Exceeded", "2": "Missing to param", "3": "Invalid parameter", "4": "Bad Credentials",
    "7": "Number barred", "12": "Message too long", "15": "Illegal Sender Address - rejected", "23": "Invalid callback",
}  # fmt: skip
BARRED = "15005550001"  # the number that Vonage would not write to


class VonageSandbox(Handsets):
    """Be Vonage on loopback; *webhooks* says how the account was configured."""

    name: ClassVar[str] = "vonage"
    number: ClassVar[str] = "+447520615146"
    webhooks: Literal["form", "json", "get"] = "form"
    method: Method = "md5hash"

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Point ``[channels.sms]`` here."""
        return {"sms": {
            "provider": "vonage", "api_key": KEY, "api_secret": SECRET, "from": self.number,
            "signature_secret": SIGNATURE_SECRET, "signature_method": self.method, "base_url": self.base_url,
        }}  # fmt: skip

    async def answer(self, request: Request) -> Response:
        """Answer one API call."""
        want = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        authentic = request.headers.get("authorization", "") == f"Basic {want}"
        if (request.method, request.path) == ("GET", "/account/get-balance"):
            return Response.of_json({"value": 10.28} if authentic else {"error-code": "401"}, 200 if authentic else 401)
        if (request.method, request.path) != ("POST", "/sms/json"):
            return Response(404)
        return self._send(dict(request.form), authentic=authentic)

    def _send(self, form: Mapping[str, str], *, authentic: bool) -> Response:
        fault, _ = self.next_fault()
        if fault == "500":
            return Response.of_text("busy", 503)
        status = "1" if fault == "429" else _refuses(form, authentic=authentic)
        if status:
            if fault != "429":
                to, text, ref = (form.get(name, "") for name in ("to", "text", "client-ref"))
                self.record(self.new_id("0C"), "message", f"+{to}", text, ref, refused=status)
            return _rows([{"status": status, "error-text": TEXTS[status]}])
        rows = self._accept(form, partial=fault == "partial")
        if fault in {"lost", "timeout"}:
            raise Silence(fault)
        return Response(200, b"<html>") if fault == "garbage" else _rows(rows)

    def _accept(self, form: Mapping[str, str], *, partial: bool) -> list[Mapping[str, str]]:
        parts, base = len(segment(form["text"])), self.new_id("0C")[:14]
        ids = [f"{base}{n:02X}" for n in range(parts)]
        data = {
            "from": form["from"],
            "parts": parts,
            "callback": form.get("callback", ""),
            "type": form.get("type", "text"),
        }
        self.record(ids[0], "message", f"+{form['to']}", form["text"], form.get("client-ref", ""), data=data)
        for id_ in ids:
            for n, status in enumerate(("accepted", "delivered")):
                debt = {"id": id_, "status": status, "to": form["to"], "ref": form.get("client-ref", ""),
                        "url": form.get("callback", ""), "from": form["from"]}  # fmt: skip
                self.world.owe(self, f"{id_}:{status}", timedelta(seconds=1 + 2 * n), debt)
        good = {
            "to": form["to"],
            "status": "0",
            "remaining-balance": "10.24",
            "message-price": "0.0333",
            "network": "23410",
        }
        rows: list[Mapping[str, str]] = [{**good, "message-id": id_} for id_ in ids]
        return [*rows[:-1], {"status": "1", "error-text": TEXTS["1"]}] if partial else rows

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Send a receipt."""
        at = self.world.now()
        params = {
            "msisdn": payload["to"], "to": payload["from"], "network-code": "23410", "messageId": payload["id"],
            "price": "0.0333", "status": payload["status"], "scts": at.strftime("%y%m%d%H%M"),
            "err-code": payload.get("error", "0"), "api-key": KEY, "client-ref": payload["ref"],
        }  # fmt: skip
        await self._push(payload["url"] or self.world.hook_url(self), params)

    async def incoming(self, id: str, phone: str, text: str) -> None:
        """Post what a person wrote to the bus, signed."""
        kind = "text" if encoding_of(text) == "gsm7" else "unicode"
        params = {"msisdn": phone.removeprefix("+"), "to": self.number.removeprefix("+"), "messageId": id, "text": text,
                  "type": kind, "keyword": text.split(" ", maxsplit=1)[0].upper(), "api-key": KEY}  # fmt: skip
        await self._push(self.world.hook_url(self), params)

    async def _push(self, url: str, params: Mapping[str, str]) -> None:
        at = self.world.now()
        told = {**params, "message-timestamp": at.strftime("%Y-%m-%d %H:%M:%S"), "timestamp": str(int(at.timestamp())),
                "nonce": self.new_id("")}  # fmt: skip
        told["sig"] = sign(SIGNATURE_SECRET, told, self.method)
        if self.webhooks == "json":
            return await self.post(url, {"content-type": "application/json"}, json.dumps(told).encode())
        if self.webhooks == "get":
            return await self.post(f"{url}?{urlencode(told)}", {}, b"", "GET")
        return await self.post(url, {"content-type": "application/x-www-form-urlencoded"}, urlencode(told).encode())


def _refuses(form: Mapping[str, str], *, authentic: bool) -> str:
    text, unicode = form.get("text", ""), form.get("type") == "unicode"
    rules = (
        (not authentic, "4"),
        (any(not form.get(name) for name in ("from", "to", "text")), "2"),
        (bool(set(form) - FIELDS), "3"),
        (not form.get("to", "").isdecimal() or not 7 <= len(form.get("to", "")) <= 15, "3"),
        (form.get("type", "text") not in {"text", "unicode", "binary"}, "3"),
        (len(form.get("client-ref", "")) > 100 or len(form.get("callback", "")) > 100, "3"),
        (encoding_of(text) == "ucs2" and not unicode, "3"),  # the real one sends question marks: worse
        (form.get("to") == BARRED, "7"),
        (len(text) > 3200, "12"),
        (len(form.get("from", "")) > 15, "15"),
        ("callback" in form and "://" not in form["callback"], "23"),
    )
    return next((status for wrong, status in rules if wrong), "")


def _rows(rows: list[Mapping[str, str]]) -> Response:
    return Response.of_json({"message-count": str(len(rows)), "messages": rows})
