"""Twilio's side of the wire, for tests, demo and users who try their own set-up.

It speaks the real REST format (form in, JSON out), refuses what Twilio refuses, owes signed status callbacks,
keeps the STOP list, and lets a test act as the person: ``reply(phone, text)``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from omnibus import Request, Response
from omnibus.testing import Entry, World
from omnibus_sms.handsets import Handsets, Silence
from omnibus_sms.phones import E164
from omnibus_sms.segments import segment
from omnibus_sms.twilio_signature import sign

ACCOUNT = "AC" + "5a4db0c5" * 4
TOKEN = "sandbox-auth-token"  # noqa: S105 - opens nothing but this sandbox
NUMBER = Handsets.number

#: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
FIELDS = frozenset({
    "To", "From", "MessagingServiceSid", "Body", "MediaUrl", "ContentSid", "ContentVariables", "StatusCallback",
    "ValidityPeriod", "SmartEncoded", "ScheduleType", "SendAt", "SendAsMms", "ShortenUrls", "ContentRetention",
    "AddressRetention", "RiskCheck", "ProvideFeedback", "Attempt", "ForceDelivery", "FallbackFrom", "MaxPrice",
    "ApplicationSid", "PersistentAction",
})  # fmt: skip
#: code → (status, message)
REFUSALS = {
    20001: (400, "Unknown parameters"),
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    21211: (400, "Invalid 'To' Phone Number"),
    21212: (400, "Invalid From Number (caller ID)"),
    21266: (400, "'To' and 'From' number cannot be the same"),
    21602: (400, "Message body is required"),
    21603: (400, "A 'From' phone number is required"),
    21604: (400, "A 'To' phone number is required"),
    21609: (400, "The 'StatusCallback' URL is not a valid URL"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21623: (400, "Number of media files exceeds allowed limit"),
}
#: https://www.twilio.com/docs/iam/test-credentials#test-sms-messages and what each magic number answers
MAGIC_TO = {"+15005550001": 21211, "+15005550009": 21614}
MAGIC_FROM = {"+15005550001": 21212}


class TwilioSandbox(Handsets):
    """Be Twilio on loopback."""

    name: ClassVar[str] = "twilio"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.dead: dict[
            str, str
        ] = {}  # phone → ErrorCode of its reports from now on, e.g. 30005 for an unknown handset

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Point ``[channels.sms]`` here."""
        return {"sms": {
            "provider": "twilio", "account_sid": ACCOUNT, "auth_token": TOKEN, "from": NUMBER, "base_url": self.base_url,
        }}  # fmt: skip

    async def incoming(self, id: str, phone: str, text: str) -> None:
        """Post what a person wrote to the bus, signed."""
        form = {
            "ToCountry": "US", "MessageSid": id, "SmsMessageSid": id, "SmsSid": id, "AccountSid": ACCOUNT,
            "From": phone, "To": NUMBER, "Body": text, "NumMedia": "0", "NumSegments": str(len(segment(text))),
            "SmsStatus": "received", "ApiVersion": "2010-04-01",
        }  # fmt: skip
        await self._post(self.world.hook_url(self), form)

    # ---- the API

    async def answer(self, request: Request) -> Response:
        """Answer one API call."""
        if not _authentic(request):
            return _refusal(20003)
        base = f"/2010-04-01/Accounts/{ACCOUNT}"
        match request.method, request.path:
            case "GET", path if path == f"{base}.json":
                return Response.of_json({"sid": ACCOUNT, "status": "active", "friendly_name": "Sandbox"})
            case "GET", path if path == f"{base}/Messages.json":
                return self._list(request)
            case "POST", path if path == f"{base}/Messages.json":
                return await self._send(request)
        return _refusal(20404)

    async def _send(self, request: Request) -> Response:
        fault, wait = self.next_fault()
        if fault == "429":
            return _refusal(20429, {"retry-after": f"{wait:g}"})
        if fault == "500":
            return Response.of_json({"code": 20500, "message": "Internal Server Error", "status": 500}, 500)
        form = dict(request.form)
        code = self._refuses(request.form)
        if code:
            attempt = Request("GET", form.get("StatusCallback", "")).query.get("attempt", "")
            self.record(self.new_id(), "message", form.get("To", ""), form.get("Body", ""), attempt, refused=str(code))
            return _refusal(code)
        row = self._accept(request.form)
        if fault in {"lost", "timeout"}:
            raise Silence(fault)
        return Response(200, b"<html>") if fault == "garbage" else Response.of_json(row, 201)

    def _refuses(self, pairs: Sequence[tuple[str, str]]) -> int:
        form, names = dict(pairs), [name for name, _ in pairs]
        if set(names) - FIELDS:
            return 20001
        media, to, sender = names.count("MediaUrl"), form.get("To", ""), form.get("From", "")
        rules = (
            (not to, 21604),
            (to in MAGIC_TO, MAGIC_TO.get(to, 0)),
            (not E164.fullmatch(to), 21211),
            (not sender and not form.get("MessagingServiceSid"), 21603),
            (bool(sender) and (sender in MAGIC_FROM or not _sender(sender)), 21212),
            (to == sender, 21266),
            (not form.get("Body") and not media and not form.get("ContentSid"), 21602),
            (len(form.get("Body", "")) > 1600, 21617),
            (media > 10, 21623),
            ("StatusCallback" in form and "://" not in form["StatusCallback"], 21609),
            (self.blocked(to), 21610),
        )
        return next((code for wrong, code in rules if wrong), 0)

    def _accept(self, pairs: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
        form, media = dict(pairs), [value for name, value in pairs if name == "MediaUrl"]
        sid, parts = self.new_id("MM" if media else "SM"), len(segment(form.get("Body", "")))
        callback = form.get("StatusCallback", "")
        attempt = Request("GET", callback).query.get("attempt", "")
        sender = form.get("From") or form.get("MessagingServiceSid", "")
        data = {"from": sender, "parts": parts, "media": media, "callback": callback}
        entry = self.record(sid, "message", form["To"], form.get("Body", ""), attempt, data=data)
        if callback:
            error = self.dead.get(form["To"], "")
            for n, status in enumerate(("sent", "undelivered" if error else "delivered")):
                debt = {"sid": sid, "status": status, "to": form["To"], "from": sender, "url": callback}
                debt |= {"error": error} if n else {}
                self.world.owe(self, f"{sid}:{status}", timedelta(seconds=1 + 2 * n), debt)
        return _row(entry, "queued")

    def _list(self, request: Request) -> Response:
        query = request.query
        size, page = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
        rows = [
            _row(each, "delivered")
            for each in reversed(self.world.of("sms", kind="message"))
            if each.sandbox == self.name and each.to == query.get("To", each.to)
        ]
        after = (page + 1) * size
        more = f"{request.path}?{urlencode({**query, 'Page': page + 1})}" if len(rows) > after else None
        return Response.of_json({"messages": rows[page * size : after], "page": page, "next_page_uri": more})

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Send a status callback."""
        form = {
            "ApiVersion": "2010-04-01", "MessageSid": payload["sid"], "SmsSid": payload["sid"], "AccountSid": ACCOUNT,
            "MessageStatus": payload["status"], "SmsStatus": payload["status"], "To": payload["to"],
            "From": payload["from"],
        } | ({"ErrorCode": payload["error"]} if payload.get("error") else {})  # fmt: skip
        await self._post(payload["url"], form)

    async def _post(self, url: str, form: Mapping[str, str]) -> None:
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": sign(TOKEN, url, form.items()),
            "i-twilio-idempotency-token": hashlib.sha256(repr(sorted(form.items())).encode()).hexdigest()[:32],
        }
        await self.post(url, headers, urlencode(form).encode())


def _authentic(request: Request) -> bool:
    told = request.headers.get("authorization", "").removeprefix("Basic ")
    want = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    return hmac.compare_digest(told.encode(), want.encode())


def _sender(value: str) -> bool:
    named = 1 <= len(value) <= 11 and any(char.isalpha() for char in value)
    return bool(E164.fullmatch(value)) or named or (value.isdecimal() and 3 <= len(value) <= 8)


def _refusal(code: int, headers: Mapping[str, str] | None = None) -> Response:
    status, message = REFUSALS[code]
    more = f"https://www.twilio.com/docs/errors/{code}"
    told = Response.of_json({"code": code, "message": message, "more_info": more, "status": status}, status)
    return Response(status, told.body, {**told.headers, **(headers or {})})


def _row(entry: Entry, status: str) -> Mapping[str, Any]:
    made = format_datetime(datetime.fromisoformat(entry.at))
    service = str(entry.data["from"]).startswith("MG")
    return {
        "sid": entry.id, "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": entry.text, "to": entry.to,
        "from": None if service else entry.data["from"], "status": status, "direction": "outbound-api",
        "messaging_service_sid": entry.data["from"] if service else None, "date_created": made, "date_updated": made,
        "date_sent": None if status == "queued" else made, "error_code": None, "error_message": None, "price": None,
        "num_segments": "0" if service else str(entry.data["parts"]), "num_media": str(len(entry.data["media"])),
        "price_unit": "USD", "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{entry.id}.json",
    }  # fmt: skip
