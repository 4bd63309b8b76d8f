"""Carry mail by Postmark.

Source: https://postmarkapp.com/developer/api/email-api, errors https://postmarkapp.com/developer/api/overview#error-codes,
webhooks https://postmarkapp.com/developer/webhooks/webhooks-overview. Postmark signs nothing: set a custom header
``X-Hook-Secret`` on the webhook.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import SecretStr

from omnibus import (
    Attempt,
    Content,
    Event,
    Forged,
    Keep,
    Receipt,
    Refused,
    Report,
    Request,
    TryLater,
    Unknown,
    Unreachable,
)  # fmt: skip
from omnibus.http import Answer, error_for
from omnibus_email import api
from omnibus_email.letter import ATTEMPT, Letter, given, named
from omnibus_email.reply import unquoted

#: ``ErrorCode`` of a refusal → what to raise
ERRORS: dict[int, Callable[[str], Exception]] = {
    10: lambda code: TryLater(code, account=True),  # bad token
    300: Refused,  # invalid request; a bad recipient is told apart by the text
    400: lambda code: TryLater(code, account=True),  # sender signature not found
    401: lambda code: TryLater(code, account=True),  # sender signature not confirmed
    402: Refused,  # invalid JSON
    403: Refused,  # incompatible JSON
    405: lambda code: TryLater(code, account=True),  # no credits
    406: Unreachable,  # inactive recipient: it bounced hard or complained before
    409: Refused,  # JSON required
    410: Refused,  # too many in a batch
    411: Refused,  # forbidden attachment type
    412: lambda code: TryLater(code, account=True),  # account pending
    413: lambda code: TryLater(code, account=True),  # account may not send
}
#: ``RecordType`` → our event and the field that tells the time; a bounce is in BOUNCES, any other brings no news
RECORDS = {
    "Delivery": ("message.delivered", "DeliveredAt"),
    "Open": ("message.opened", "ReceivedAt"),
    "Click": ("message.clicked", "ReceivedAt"),
    "SpamComplaint": ("message.complained", "BouncedAt"),
}
#: ``Type`` of a bounce → our event and whether the address is dead; Transient, DnsError, AutoResponder … are no news
BOUNCES: dict[str, tuple[str, bool]] = {
    "HardBounce": ("message.bounced", True),
    "BadEmailAddress": ("message.bounced", True),
    "SoftBounce": ("message.bounced", False),  # a HardBounce may follow
    "Blocked": ("message.failed", False),
    "DMARCPolicy": ("message.failed", False),
    "SpamNotification": ("message.complained", False),
    "SpamComplaint": ("message.complained", False),
    "Unsubscribe": ("message.unsubscribed", False),
}


class PostmarkSettings(api.ApiSettings):
    """Take ``postmark://`` and the keys of the table; ``stream`` is the message stream's id."""

    server_token: SecretStr
    stream: str = ""


class Postmark(api.Api):
    """Hand over one mail a call; ``Metadata`` names the attempt and comes back in webhooks."""

    scheme: ClassVar[str] = "postmark"
    url = "https://api.postmarkapp.com"
    harmless = "/server"
    Settings = PostmarkSettings
    idempotency = "echo"

    def credentials(self) -> Mapping[str, Any]:
        """Log in by the server's token."""
        token = self.settings.server_token.get_secret_value()
        return {"headers": {"x-postmark-server-token": token, "accept": "application/json"}}

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Post one mail for one person."""
        body = payload(self.letter(content, address, attempt))
        if self.settings.stream:
            body["MessageStream"] = self.settings.stream
        answer = await self.client.request("POST", "/email", json=body)
        told = api.fields_of(answer)
        code = api.text(told, "ErrorCode")
        if answer.ok and code == "0":
            if "inactive address" in api.text(told, "Message"):
                raise Unreachable("406")
            if not api.text(told, "MessageID"):
                raise Unknown("no_id")
            return Receipt(api.text(told, "MessageID"))
        raise fault(answer, code, api.text(told, "Message"))

    def prove(self, request: Request) -> None:
        """Compare ``X-Hook-Secret``; there is no signature."""
        if not api.shown(request, self.secrets()):
            raise Forged("wrong or no hook secret")

    def events(self, request: Request) -> Sequence[Report | Event]:
        """Read one record, or an inbound mail (which has no ``RecordType``)."""
        told = request.json()
        record = api.text(told, "RecordType")
        if not record:
            return inbound(told, self.now())
        mail, attempt = api.text(told, "MessageID"), api.text(told, "Metadata", ATTEMPT)
        data: dict[str, Any] = {"url": api.text(told, "OriginalLink")} if record == "Click" else {}
        type_, field = RECORDS.get(record, ("", ""))
        if record == "Bounce":
            kind = api.text(told, "Type")
            (type_, hard), field = BOUNCES.get(kind, ("", False)), "BouncedAt"
            data = {"hard": hard, "reason": kind} if type_ == "message.bounced" else {"reason": kind}
        elif record == "SubscriptionChange" and api.walk(told, "SuppressSending") is True:
            reason, field = api.text(told, "SuppressionReason"), "ChangedAt"
            type_ = "message.unsubscribed" if reason == "ManualSuppression" else ""  # the others were told before
        if not type_ or not mail:
            return ()
        stamp = api.text(told, field)
        name = api.name_of(record, mail, api.text(told, "ID"), "" if record in {"Delivery", "Bounce"} else stamp)
        at = api.when(stamp, self.now())
        return [Report(id=name, type=type_, at=at, attempt=attempt or None, provider_id=mail, data=data)]


def fault(answer: Answer, code: str, words: str) -> Exception:
    """Say what a refusal means; statuses without a readable code go by the general table."""
    if answer.ok and code not in map(str, ERRORS):
        return Unknown("unreadable_answer")
    if answer.ok or answer.status in {401, 422}:
        if code == "300" and re.search(r"invalid '(to|cc|bcc)'", words, re.IGNORECASE):
            return Unreachable("300")
        make = ERRORS.get(int(code)) if code.isdigit() and len(code) < 5 else None
        if make is not None and answer.status != 401:
            return make(code)
    return error_for(answer)


def payload(mail: Letter) -> dict[str, Any]:
    """Write the body of ``POST /email``."""
    content, attempt = mail.content, mail.attempt
    return {
        "From": named(mail.sender_named), "To": mail.to, "Subject": content.subject, "TextBody": content.text,
        "HtmlBody": content.html, "Headers": [{"Name": name, "Value": value} for name, value in mail.headers.items()],
        "Metadata": {ATTEMPT: attempt.id}, "Tag": attempt.message[:1000],
    } | given({
        "ReplyTo": named(mail.reply_to),
        "Attachments": mail.files("Name", "Content", "ContentType", "ContentID", "cid:{}"),
    })  # fmt: skip


def inbound(told: Any, now: Any) -> list[Report]:
    """Read a mail that somebody wrote; an answer names our attempt in its references."""
    sender, mail = api.text(told, "FromFull", "Email").lower(), api.text(told, "MessageID")
    if not mail or "@" not in sender:
        return []
    headers = {api.text(each, "Name").lower(): api.text(each, "Value") for each in api.maps(api.walk(told, "Headers"))}
    if headers.get("auto-submitted", "no").lower() != "no":
        return []
    words = api.text(told, "StrippedTextReply") or unquoted(api.text(told, "TextBody"))
    data = {"channel": "email", "text": words[:20_000], "subject": api.text(told, "Subject")[:250]}
    attempt = re.search(r"<oma\.([A-Za-z0-9-]{8,64})@", headers.get("references", ""))
    at = api.when(api.text(told, "Date"), now)
    type_ = "message.replied" if attempt else "conversation.received"
    named = attempt[1] if attempt else None
    return [Report(id=f"in:{mail}", type=type_, at=at, attempt=named, identity=("email", sender), data=data)]
