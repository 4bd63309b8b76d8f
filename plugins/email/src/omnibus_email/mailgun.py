"""Carry mail by Mailgun, as ready MIME: what we write is what arrives.

Source: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages, webhooks and their signature
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import getaddresses
from typing import Any, ClassVar

from pydantic import SecretStr

from omnibus import Attempt, Content, Event, Forged, Keep, Receipt, Refused, Report, Request, Unknown
from omnibus.http import Answer, error_for
from omnibus_email import api, incoming, mime
from omnibus_email.letter import ATTEMPT, own_id
from omnibus_email.reply import unquoted

#: ``event`` → our event; ``accepted``, ``stored`` and unknown ones bring no news; ``failed`` is looked at closer
EVENTS = {
    "delivered": "message.delivered",
    "opened": "message.opened",
    "clicked": "message.clicked",
    "complained": "message.complained",
    "unsubscribed": "message.unsubscribed",
    "rejected": "message.failed",
    "failed": "message.failed",
}
#: ``reason`` of a permanent failure that tells that the address is dead
DEAD = frozenset({"bounce", "suppress-bounce"})


#: seconds for which Mailgun repeats what was not taken: after an outage of ours its old reports must get in
#: (https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http), a token only once
REPEATS = 8 * 3_600.0 + api.MAX_AGE


class MailgunSettings(api.ApiSettings):
    """Take ``mailgun://`` and the keys of the table.

    Args:
        domain: the sending domain; default: that of ``from``.
        webhook_secret: the HTTP webhook signing key.
    """

    api_key: SecretStr
    domain: str = ""


class Mailgun(api.Api):
    """Hand over one mail a call; a ``v:`` variable names the attempt and comes back in events."""

    scheme: ClassVar[str] = "mailgun"
    url = "https://api.mailgun.net"
    Settings = MailgunSettings
    idempotency = "echo"

    def credentials(self) -> Mapping[str, Any]:
        """Log in by Basic credentials."""
        return {"auth": ("api", self.settings.api_key.get_secret_value())}

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Post one mail for one person; Mailgun keeps our Message-ID."""
        mail = self.letter(content, address, attempt)
        name = own_id(attempt, self.domain)
        raw = mime.write(mail.content, mime.Envelope(self.sender, mail.to, name, attempt.started, self.reply_to))
        answer = await self.client.request(
            "POST", f"/v3/{self.settings.domain or self.domain}/messages.mime", data=fields(mail.to, attempt),
            files={"message": ("message.eml", raw, "message/rfc822")},
        )  # fmt: skip
        told = api.fields_of(answer)
        if answer.ok:
            if not api.text(told, "id"):
                raise Unknown("no_id")
            return Receipt(api.text(told, "id").strip("<>"))
        raise Refused("http_413") if answer.status == 413 else error_for(answer)

    async def probe(self) -> Answer:
        """Read the domain."""
        return await self.client.request("GET", f"/v4/domains/{self.settings.domain or self.domain}")

    def prove(self, request: Request) -> None:
        """Check the signature over time and token; it does not cover the event, so the token makes the event's id.

        A route (an incoming mail) brings it as form fields, an event inside its JSON.
        """
        told = dict(request.form) if is_form(request) else api.walk(api.signed_json(request), "signature")
        stamp, token = (api.text(told, each) for each in ("timestamp", "token"))
        shown = api.text(told, "signature").encode()
        keys = self.secrets()
        self.fresh(stamp, REPEATS)
        same = [hmac.compare_digest(shown, signature(stamp, token, each).encode()) for each in keys]
        if not token or not any(same):
            raise Forged("wrong signature")

    def events(self, request: Request) -> Sequence[Report | Event]:
        """Read one event, or one mail of a route."""
        if is_form(request):
            return inbound(dict(request.form), self.domain, self.now())
        told = request.json()
        event = api.walk(told, "event-data")
        what, mail = api.text(event, "event"), api.text(event, "message", "headers", "message-id").strip("<>")
        attempt = api.text(event, "user-variables", ATTEMPT)
        type_ = EVENTS.get(what)
        if type_ is None or not (mail or attempt):
            return ()
        data: dict[str, Any] = {"url": api.text(event, "url")} if what == "clicked" else {}
        if what == "opened" and api.text(event, "client-info", "bot"):
            data = {"machine": True}
        if what == "failed":
            if api.text(event, "severity") != "permanent":
                return ()  # they go on trying
            reason = api.text(event, "reason")
            type_ = "message.bounced" if reason in DEAD else type_
            data = {"hard": True, "reason": reason} if reason in DEAD else {"reason": reason or "failed"}
        at = api.when(api.walk(event, "timestamp"), self.now())
        name = api.name_of("mailgun", api.text(told, "signature", "token"))
        return [Report(name, type_, at, attempt=attempt or None, provider_id=mail or None, data=data)]


def is_form(request: Request) -> bool:
    """Tell whether a route posted it; one with attachments is multipart and not read (store and fetch those)."""
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def inbound(told: Mapping[str, str], domain: str, now: datetime) -> list[Report]:
    """Read a mail that somebody wrote, as Mailgun has parsed it; an answer names our mail in its references."""
    written = [address for _, address in getaddresses([told.get("from", "")]) if "@" in address]
    # `sender` is the envelope's: mangled where the mail was forwarded, a machine's where a mailer sends for a person
    sender, name = [*written, told.get("sender", "")][0].lower(), told.get("Message-Id", "").strip("<> ")
    if "@" not in sender or not name or told.get("Auto-Submitted", "no").lower() != "no":
        return []
    about = incoming.ours(f"{told.get('In-Reply-To', '')} {told.get('References', '')}", domain)
    words = told.get("stripped-text") or unquoted(told.get("body-plain", ""))
    data = {"channel": "email", "text": words.strip()[:20_000], "subject": told.get("subject", "")[:250]}
    type_ = "message.replied" if about else "conversation.received"
    at = api.when(told.get("Date", ""), now)
    return [Report(id=api.name_of("in", name), type=type_, at=at, identity=("email", sender), data=data, **about)]


def fields(to: str, attempt: Attempt) -> dict[str, str]:
    """Write the form beside the mail itself."""
    told = {"to": to, f"v:{ATTEMPT}": attempt.id}
    return told | ({"o:tag": attempt.message[:128]} if attempt.message else {})


def signature(stamp: str, token: str, key: bytes) -> str:
    """Sign as Mailgun does: hex HMAC-SHA256 over time and token."""
    return hmac.new(key, f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
