"""Carry mail by SendGrid v3.

Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send, events
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event, signature
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from omnibus import Attempt, Content, Event, Forged, Keep, Receipt, Refused, Report, Request, TryLater
from omnibus.http import Answer, error_for
from omnibus_email import api
from omnibus_email.letter import ATTEMPT, Letter, given

#: ``event`` → our event; ``processed``, ``deferred`` and ``group_resubscribe`` bring no news here
EVENTS = {
    "delivered": "message.delivered",
    "open": "message.opened",
    "click": "message.clicked",
    "bounce": "message.bounced",
    "dropped": "message.failed",
    "spamreport": "message.complained",
    "unsubscribe": "message.unsubscribed",
    "group_unsubscribe": "message.unsubscribed",
}
#: ``reason`` of a dropped mail that tells that the address is dead
DEAD = frozenset({"invalid", "bounced address"})
#: other reasons that we repeat; any text beyond them may quote an address
DROPPED = frozenset({"spam reporting address", "unsubscribed address", "spam content (if spam checker app enabled)"})
#: ``type`` of a bounce that is the receiver's policy, not the address
BLOCKED = "blocked"


class SendgridSettings(api.KeySettings):
    """Take ``sendgrid://`` and the keys of the table; ``webhook_secret`` is the verification (public) key in base64."""


class Sendgrid(api.Api):
    """Hand over one mail a call; ``custom_args`` name the attempt and come back in events."""

    scheme: ClassVar[str] = "sendgrid"
    url = "https://api.sendgrid.com"
    harmless = "/v3/scopes"
    Settings = SendgridSettings
    idempotency = "echo"

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Post one mail for one person; a success has no body, the id is a header."""
        body = payload(self.letter(content, address, attempt))
        answer = await self.client.request("POST", "/v3/mail/send", json=body)
        if answer.ok:
            return Receipt(answer.headers.get("x-message-id") or None)
        if answer.status == 429:
            raise TryLater("rate_limited", retry_after=self._reset(answer))
        if answer.status == 413:  # answers HTML
            raise Refused("http_413")
        raise error_for(answer)

    def _reset(self, answer: Answer) -> float | None:
        """Read when the rate limit ends: seconds from now, at most a day."""
        told = answer.headers.get("x-ratelimit-reset", "")
        if answer.retry_after is not None or not told.isdigit() or len(told) > 12:
            return answer.retry_after
        return min(max(int(told) - self.now().timestamp(), 0.0), 86_400.0)

    def prove(self, request: Request) -> None:
        """Check the ECDSA signature over time and raw body, with either live key."""
        stamp = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
        shown = request.headers.get("x-twilio-email-event-webhook-signature", "")
        keys = self.secrets()
        self.fresh(stamp)
        data = stamp.encode() + request.body
        if not any(signed(data, shown, each) for each in keys):
            raise Forged("wrong signature")

    def events(self, request: Request) -> Sequence[Report | Event]:
        """Read a list of events; our own arguments stand flat among SendGrid's."""
        return [report for each in api.maps(request.json()) for report in self._report(each)]

    def _report(self, told: Mapping[str, Any]) -> list[Report]:
        what, name = api.text(told, "event"), api.text(told, "sg_event_id")
        mail = api.text(told, "sg_message_id").partition(".")[0]
        attempt = api.text(told, ATTEMPT)
        type_ = EVENTS.get(what)
        if type_ is None or not name or not (mail or attempt):
            return []
        type_, data = told_by(what, type_, told)
        at = api.when(api.walk(told, "timestamp"), self.now())
        return [Report(api.name_of(name), type_, at, attempt=attempt or None, provider_id=mail or None, data=data)]


def told_by(what: str, type_: str, told: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Look closer at a bounce, a drop, an open and a click."""
    data: dict[str, Any] = {}
    if what == "bounce":
        data = {"hard": True, "reason": api.text(told, "status") or "bounced"}
        if api.text(told, "type") == BLOCKED:
            type_, data = "message.failed", {"reason": BLOCKED}
    elif what == "dropped":
        reason = api.text(told, "reason").lower()
        data = {"reason": reason if reason in DROPPED else "dropped"}
        if reason in DEAD:
            type_, data = "message.bounced", {"hard": True, "reason": reason}
    elif what == "click":
        data = {"url": api.text(told, "url")}
    elif what == "open" and api.walk(told, "sg_machine_open") is True:
        data = {"machine": True}
    return type_, data


def payload(mail: Letter) -> dict[str, Any]:
    """Write the body of ``POST /v3/mail/send``; plain text must stand before HTML."""
    content, attempt = mail.content, mail.attempt
    files = mail.files("filename", "content", "type", "content_id")
    return {
        "personalizations": [{"to": [{"email": mail.to}], "custom_args": {ATTEMPT: attempt.id}}],
        "from": mailbox(mail.sender_named), "subject": content.subject,
        "content": [
            {"type": "text/plain", "value": content.text}, {"type": "text/html", "value": content.html},
        ],
        "headers": mail.headers,
    } | given({
        "categories": [attempt.message[:255]] if attempt.message else [],
        "reply_to": mailbox(mail.reply_to) if mail.reply_to else {},
        "attachments": [{**each, "disposition": "inline" if "content_id" in each else "attachment"} for each in files],
    })  # fmt: skip


def mailbox(pair: tuple[str, str]) -> dict[str, str]:
    """Write a mailbox as an object."""
    return given({"email": pair[1], "name": pair[0]})


def signed(data: bytes, shown: str, key: bytes) -> bool:
    """Tell whether *shown* (base64 DER) signs *data* under a base64 P-256 public key."""
    try:
        public = load_der_public_key(base64.b64decode(key))
        mark = base64.b64decode(shown, validate=True)
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return False
        public.verify(mark, data, ec.ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError, TypeError):
        return False
    return True
