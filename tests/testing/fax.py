"""A small channel and a small provider that keep every promise; the tests break them on purpose."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Any

from pydantic import SecretStr

from omnibus import (
    Absent,
    Attempt,
    Capabilities,
    Channel,
    Content,
    Context,
    Draft,
    Forged,
    InputError,
    Keep,
    Layout,
    Loss,
    MessageError,
    Preview,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    Report,
    Request,
    TryLater,
    Unknown,
)  # fmt: skip
from omnibus.http import Answer, Client, error_for

MAX_LENGTH = 400
EVENTS = {"arrived": "message.delivered", "failed": "message.bounced", "answered": "message.replied", "ringing": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaxContent(Content):
    headline: str = field(default="", repr=False)

    def preview(self) -> Preview:
        return Preview(self.text, "text/html", f"<pre>{escape(self.text)}</pre>".encode())


class Fax(Channel):
    name = "fax"
    identity = "fax"
    capabilities = Capabilities(max_length=MAX_LENGTH, replies=True, reports=("delivered", "bounced", "replied"))

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> FaxContent:
        block = draft.blocks.get("fax")
        pieces = [(clean(block), 0)] if block else [(clean(each.text), each.rank) for each in draft.elements]
        facts = [fact.text for fact in draft.facts]
        losses = [Loss("picture", "a fax carries none") for _ in draft.media]
        while True:
            text = joined(clean(draft.brand.name)[:60], [text for text, _ in pieces], facts)
            if len(text) <= MAX_LENGTH:
                break
            if not pieces:
                raise MessageError("too much for a fax", where=draft.message.source, fix="shorten the facts")
            worst = max(range(len(pieces)), key=lambda place: (pieces[place][1], place))
            losses.append(Loss(pieces.pop(worst)[0][:20] or "nothing", f"a fax holds {MAX_LENGTH} characters"))
        return FaxContent(text=text, losses=tuple(losses), headline=clean(draft.headline))


def clean(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).split())


def joined(name: str, pieces: list[str], facts: list[str]) -> str:
    text = "\n".join(filter(None, (f"{name}:", *pieces)))
    return "\n".join((text, *(fact for fact in dict.fromkeys(facts) if fact not in text)))


class AcmeSettings(ProviderSettings):
    token: SecretStr
    base_url: str = "https://api.acme.example"
    webhook_secret: SecretStr | None = None
    previous_webhook_secret: SecretStr | None = None


class Acme(Provider):
    channel = Fax
    scheme = "acme"
    idempotency = "key"
    Settings = AcmeSettings

    def __init__(self, settings: Any, **given: Any) -> None:
        super().__init__(settings, **given)
        headers = {"authorization": f"Bearer {settings.token.get_secret_value()}"}
        self._client = Client(settings.base_url, headers=headers)

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        headers = {"idempotency-key": attempt.id}
        answer = await self._client.request("POST", "/faxes", json=payload(content, address, attempt), headers=headers)
        if not answer.ok:
            raise error_for(answer)
        return Receipt(identifier(answer))

    async def check(self) -> None:
        answer = await self._client.request("GET", "/account")
        if not answer.ok:
            raise error_for(answer)

    def verify(self, request: Request) -> None:
        stamp, signature = request.headers.get("x-time", ""), request.headers.get("x-signature", "")
        known = [
            each.get_secret_value()
            for each in (self.settings.webhook_secret, self.settings.previous_webhook_secret)
            if each
        ]
        good = [signed(request.body, stamp, each) for each in known if each]
        if not any(hmac.compare_digest(each.encode(), signature.encode()) for each in good):
            raise Forged("signature")
        if abs(self.now().timestamp() - int(stamp)) > 300:
            raise Forged("stale")

    def parse(self, request: Request) -> list[Report]:
        body = request.json()
        rows = body.get("events") if isinstance(body, dict) else None
        if not isinstance(rows, list):
            raise InputError("no events")
        return [report for row in rows if (report := read(row))]

    async def aclose(self) -> None:
        await self._client.aclose()


class Finder(Acme):
    """The same, for a provider that can be asked."""

    scheme = "finder"
    idempotency = "lookup"

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        answer = await self._client.request("GET", "/faxes", params={"reference": attempt.id})
        if not answer.ok:
            raise error_for(answer) if answer.status != 400 else Unknown("lookup")
        body = answer.json()
        if not isinstance(body, dict) or not isinstance(body.get("faxes"), list):
            raise Unknown("unreadable_answer")
        return Receipt(body["faxes"][0]["id"]) if body["faxes"] else Absent()


class Echo(Acme):
    """The same, for a provider that only repeats our reference."""

    scheme = "echo"
    idempotency = "echo"


def payload(content: Content, address: str, attempt: Attempt) -> dict[str, str]:
    if "\n" in address:
        raise Refused("address")
    return {"to": address, "text": content.text, "reference": attempt.id}


def identifier(answer: Answer) -> str:
    body = answer.json()
    if not isinstance(body, dict) or not isinstance(body.get("id"), str) or not body["id"]:
        raise Unknown("unreadable_answer")
    return str(body["id"])


def read(row: Any) -> Report | None:
    match row:
        case {"event": str(id_), "fax": str(fax), "status": str(status), "time": int(time)} if id_ and fax:
            type_ = EVENTS.get(status)
            try:
                at = datetime.fromtimestamp(time, UTC)
            except (ValueError, OverflowError, OSError):
                raise InputError("time") from None
            return Report(id_, type_, at, provider_id=fax, data={"status": status}) if type_ else None
    raise InputError("an event without event, fax, status or time")


def signed(body: bytes, stamp: str, secret: str) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


CASES = {
    "delivered": (
        {"events": [{"event": "E1", "fax": "F1", "status": "arrived", "time": 1_795_262_400}]},
        [
            {
                "id": "E1",
                "type": "message.delivered",
                "at": "2026-11-21T12:00:00+00:00",
                "provider_id": "F1",
                "data": {"status": "arrived"},
            }
        ],
    ),
    "no-news": ({"events": [{"event": "E2", "fax": "F1", "status": "ringing", "time": 1_795_262_400}]}, []),
}


def write_cases(folder: Any) -> None:
    for name, (body, wanted) in CASES.items():
        (folder / f"{name}.body").write_text(json.dumps(body))
        (folder / f"{name}.json").write_text(json.dumps(wanted))


__all__ = [
    "Acme",
    "AcmeSettings",
    "Echo",
    "Fax",
    "FaxContent",
    "Finder",
    "TryLater",
    "clean",
    "joined",
    "payload",
    "read",
    "signed",
]
