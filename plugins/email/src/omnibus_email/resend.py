"""Carry mail by Resend.

Source: https://resend.com/docs/api-reference/emails/send-email, errors https://resend.com/docs/api-reference/errors,
keys https://resend.com/docs/dashboard/emails/idempotency-keys, webhooks https://resend.com/docs/dashboard/webhooks,
signature https://docs.svix.com/receiving/verifying-payloads/how-manual (Standard Webhooks).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from omnibus import Attempt, Content, Event, Forged, Keep, Receipt, Refused, Report, Request, TryLater, Unknown
from omnibus.http import Answer, error_for
from omnibus_email import api
from omnibus_email.letter import ATTEMPT, Letter, given, named

QUOTA_AGAIN = 3600.0  # seconds until a used-up quota is worth another look
#: ``type`` of a webhook → our event and what it says; every other type brings no news
EVENTS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "email.delivered": ("message.delivered", {}),
    "email.opened": ("message.opened", {}),
    "email.clicked": ("message.clicked", {}),
    "email.complained": ("message.complained", {}),
    "email.failed": ("message.failed", {}),
    "email.suppressed": ("message.bounced", {"hard": True, "reason": "suppressed"}),
    "email.bounced": ("message.bounced", {}),
}
#: ``name`` of an error → what to raise; the key stays the same at the next try
ERRORS: dict[str, Callable[[str, Answer], Exception]] = {
    "rate_limit_exceeded": lambda name, answer: TryLater(name, retry_after=answer.retry_after),
    "daily_quota_exceeded": lambda name, answer: TryLater(name, retry_after=QUOTA_AGAIN, account=True),
    "monthly_quota_exceeded": lambda name, answer: TryLater(name, retry_after=QUOTA_AGAIN, account=True),
    "missing_api_key": lambda name, answer: TryLater(name, account=True),
    "invalid_api_key": lambda name, answer: TryLater(name, account=True),
    "restricted_api_key": lambda name, answer: TryLater(name, account=True),
    "validation_error": lambda name, answer: Refused(name),
    "missing_required_field": lambda name, answer: Refused(name),
    "invalid_idempotent_request": lambda name, answer: Refused(name),  # the same key with another body: our defect
    "concurrent_idempotent_requests": lambda name, answer: TryLater(name),
    "application_error": lambda name, answer: Unknown(name),
}


class ResendSettings(api.KeySettings):
    """Take ``resend://`` and the keys of the table; ``webhook_secret`` is the ``whsec_…`` of the webhook's page."""


class Resend(api.Api):
    """Hand over with a key that Resend remembers for a day."""

    scheme: ClassVar[str] = "resend"
    url = "https://api.resend.com"
    harmless = "/domains"
    Settings = ResendSettings
    idempotency = "key"
    key_window: ClassVar[float] = 86_400

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Post one mail for one person."""
        body = payload(self.letter(content, address, attempt))
        headers = {"idempotency-key": attempt.id}
        answer = await self.client.request("POST", "/emails", json=body, headers=headers)
        told = api.fields_of(answer)
        if answer.ok:
            if not api.text(told, "id"):
                raise Unknown("no_id")
            return Receipt(api.text(told, "id"))
        name = api.text(told, "name")
        plain = error_for(answer)
        if name in ERRORS and not (isinstance(plain, Unknown) and answer.status >= 500):
            raise ERRORS[name](name, answer)
        raise plain

    def prove(self, request: Request) -> None:
        """Check the Svix signature, ``v1,`` base64 HMAC-SHA256 over id, time and raw body."""
        name, stamp = request.headers.get("svix-id", ""), request.headers.get("svix-timestamp", "")
        keys = self.secrets()
        self.fresh(stamp)
        shown = request.headers.get("svix-signature", "").split(" ")
        good = [signature(request.body, name, stamp, each.decode()) for each in keys]
        same = [hmac.compare_digest(one.encode("utf-8", "replace"), other.encode()) for one in shown for other in good]
        if not name or not any(same):
            raise Forged("wrong signature")

    def events(self, request: Request) -> Sequence[Report | Event]:
        """Read one event; the mail went to one person, so `to` says nothing more."""
        told = request.json()
        known = EVENTS.get(api.text(told, "type"))
        mail = api.text(told, "data", "email_id")
        if known is None or not mail:
            return ()
        type_, data = known
        if api.text(told, "type") == "email.bounced":
            kind = api.text(told, "data", "bounce", "type") or "bounced"
            data = {"hard": kind.lower() != "transient", "reason": api.text(told, "data", "bounce", "subType") or kind}
        if api.text(told, "type") == "email.clicked":
            data = {"url": api.text(told, "data", "click", "link")}
        at = api.when(api.walk(told, "created_at"), self.now())
        tags = {api.text(each, "name"): api.text(each, "value") for each in api.maps(api.walk(told, "data", "tags"))}
        attempt = tags.get(ATTEMPT) or api.text(told, "data", "tags", ATTEMPT) or None
        name = api.name_of("svix", request.headers.get("svix-id", ""))
        return [Report(id=name, type=type_, at=at, attempt=attempt, provider_id=mail, data=data)]


def payload(mail: Letter) -> dict[str, Any]:
    """Write the body of ``POST /emails``."""
    content = mail.content
    return {
        "from": named(mail.sender_named), "to": [mail.to], "subject": content.subject, "text": content.text,
        "html": content.html, "headers": mail.headers,
        "tags": [{"name": ATTEMPT, "value": re.sub(r"[^A-Za-z0-9_-]", "_", mail.attempt.id)}],
    } | given({
        "reply_to": named(mail.reply_to),
        "attachments": mail.files("filename", "content", "content_type", "content_id"),
    })  # fmt: skip


def signature(body: bytes, name: str, stamp: str, secret: str) -> str:
    """Sign as Svix does; the secret is base64 behind ``whsec_``.

    Raises:
        Forged: the secret is not of that form.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise Forged("the webhook secret is no whsec_") from None
    signed = f"{name}.{stamp}.".encode("utf-8", "replace") + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
