"""Carry mail by Amazon SES v2, as ready MIME; events come through SNS.

Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html, errors on the same page, events
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from omnibus import Attempt, Content, Event, Forged, Keep, Receipt, Refused, Report, Request, TryLater, Unknown
from omnibus.http import Answer, error_for
from omnibus_email import api, incoming, mime, sns
from omnibus_email.letter import ATTEMPT, own_id, reference
from omnibus_email.sigv4 import Credentials, signed

#: error name → what to raise
ERRORS: dict[str, Callable[[str], Exception]] = {
    "TooManyRequestsException": TryLater,
    "LimitExceededException": lambda name: TryLater(name, account=True),  # read as the daily quota
    "SendingPausedException": lambda name: TryLater(name, account=True),
    "AccountSuspendedException": lambda name: TryLater(name, account=True),
    "MailFromDomainNotVerifiedException": lambda name: TryLater(name, account=True),
    "MessageRejected": Refused,
    "BadRequestException": Refused,
    "NotFoundException": Refused,
}
#: ``eventType`` → our event and the object with its time; Send and DeliveryDelay bring no news
EVENTS = {
    "Delivery": ("message.delivered", "delivery"),
    "Open": ("message.opened", "open"),
    "Click": ("message.clicked", "click"),
    "Bounce": ("message.bounced", "bounce"),
    "Complaint": ("message.complained", "complaint"),
    "Reject": ("message.failed", "reject"),
    "Rendering Failure": ("message.failed", "failure"),
    "Subscription": ("message.unsubscribed", "subscription"),
}


class SesSettings(api.ApiSettings):
    """Take ``ses://KEY:SECRET@REGION`` (as user, password and host) and the keys of the table.

    Args:
        topics: ARNs of our SNS topics; without any, no webhook gets in.
        sns_certificate: PEM to check them with instead of fetching Amazon's.
    """

    user: SecretStr
    password: SecretStr
    host: str = "us-east-1"
    session_token: SecretStr = SecretStr("")
    configuration_set: str = ""
    topics: tuple[str, ...] = Field((), repr=False)
    sns_certificate: str = Field("", repr=False)


class Ses(api.Api):
    """Hand over one mail a call; a tag names the attempt and comes back in events."""

    scheme: ClassVar[str] = "ses"
    Settings = SesSettings
    idempotency = "echo"
    url = ""

    def __init__(self, settings: SesSettings, **rest: Any) -> None:
        super().__init__(settings, **rest)
        self._url = settings.base_url or f"https://email.{settings.host}.amazonaws.com"

    def __str__(self) -> str:
        """Write scheme and region."""
        return f"ses://{self.settings.host}"

    def credentials(self) -> Mapping[str, Any]:
        """Log in by a signature on each request."""
        return {}

    async def _call(self, method: str, path: str, body: bytes = b"") -> Answer:
        mine = self.settings
        key = Credentials(
            mine.user.get_secret_value(), mine.password.get_secret_value(), mine.host, "ses",
            mine.session_token.get_secret_value(),
        )  # fmt: skip
        url = self._url.rstrip("/") + path
        headers = signed(method, url, {"content-type": "application/json"}, body, key, self.now())
        return await self.client.request(method, url, content=body, headers=headers)

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Post one mail for one person; SES replaces the Message-ID by its own."""
        mail = self.letter(content, address, attempt)
        if not mail.to.isascii():
            raise Refused("5.6.7")  # SES knows no SMTPUTF8
        name, mark = own_id(attempt, self.domain), reference(attempt, self.domain)
        raw = mime.write(mail.content, mime.Envelope(self.sender, mail.to, name, attempt.started, self.reply_to, mark))
        answer = await self._call(
            "POST",
            "/v2/email/outbound-emails",
            json.dumps(payload(raw, mail.to, attempt, self.sender, self.settings)).encode(),
        )
        told = api.fields_of(answer)
        if answer.ok:
            if not api.text(told, "MessageId"):
                raise Unknown("no_id")
            return Receipt(api.text(told, "MessageId"))
        error = re.split("[:#]", answer.headers.get("x-amzn-errortype", "") or api.text(told, "__type"))
        make = next((ERRORS[each] for each in error if each in ERRORS), None)
        if make is None or answer.status >= 500 or answer.status == 429:
            raise error_for(answer)
        raise make(next(each for each in error if each in ERRORS))

    async def probe(self) -> Answer:
        """Read the account's sending state."""
        return await self._call("GET", "/v2/email/account")

    def prove(self, request: Request) -> None:
        """Check topic and signature; the headers must tell the same as the body."""
        told = api.signed_json(request)
        sns.check(told, frozenset(self.settings.topics), self.settings.sns_certificate)
        for header, field in (("x-amz-sns-message-type", "Type"), ("x-amz-sns-message-id", "MessageId")):
            if request.headers.get(header, "") != api.text(told, field):
                raise Forged("header and body differ")

    def events(self, request: Request) -> Sequence[Report | Event]:
        """Read one notification; a subscription of our topic is confirmed."""
        told = request.json()
        if api.text(told, "Type") == "SubscriptionConfirmation":
            sns.confirm(api.text(told, "SubscribeURL"))
        if api.text(told, "Type") != "Notification":
            return ()
        try:
            event = json.loads(api.text(told, "Message"))
        except (ValueError, RecursionError):  # one that says hello after a confirmation
            return ()
        if content := api.text(event, "content"):
            mine = incoming.Mine(self.domain, frozenset({self.sender[1].lower()}))
            return incoming.read(content.encode(), mine, self.now())
        return self._event(event, api.text(told, "MessageId"))

    def _event(self, event: Any, name: str) -> list[Report]:
        what = api.text(event, "eventType") or api.text(event, "notificationType")
        mail = api.text(event, "mail", "messageId")
        type_, place = EVENTS.get(what, ("", ""))
        detail = api.walk(event, place) if place else None
        if not type_ or not mail or not name or (what == "Subscription" and not opted_out(detail)):
            return []
        data: dict[str, Any] = {}
        if what == "Bounce":
            hard = api.text(detail, "bounceType") == "Permanent"
            status = api.text(detail, "bouncedRecipients", 0, "status")
            data = {"hard": hard, "reason": status or api.text(detail, "bounceSubType") or "bounced"}
        elif what == "Complaint":
            data = {"reason": api.text(detail, "complaintFeedbackType") or "complaint"}
        elif what == "Click":
            data = {"url": api.text(detail, "link")}
        elif type_ == "message.failed":
            data = {"reason": api.text(detail, "reason") or "template"}
        at = api.when(api.walk(detail, "timestamp") or api.walk(event, "mail", "timestamp"), self.now())
        attempt = api.text(event, "mail", "tags", ATTEMPT, 0) or None
        return [Report(api.name_of("sns", name), type_, at, attempt=attempt, provider_id=mail, data=data)]


def opted_out(detail: Any) -> bool:
    """Tell whether a subscription event takes consent back."""
    return api.walk(detail, "newTopicPreferences", "unsubscribeAll") is True


def payload(raw: bytes, to: str, attempt: Attempt, sender: tuple[str, str], mine: SesSettings) -> dict[str, Any]:
    """Write the body of ``SendEmail``."""
    body: dict[str, Any] = {
        "FromEmailAddress": sender[1], "Destination": {"ToAddresses": [to]},
        "Content": {"Raw": {"Data": base64.b64encode(raw).decode()}},
        "EmailTags": [{"Name": ATTEMPT, "Value": re.sub(r"[^A-Za-z0-9_-]", "_", attempt.id)}],
    }  # fmt: skip
    return body | ({"ConfigurationSetName": mine.configuration_set} if mine.configuration_set else {})
