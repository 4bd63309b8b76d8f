"""Carry SMS and MMS by Twilio's Programmable Messaging.

API https://www.twilio.com/docs/messaging/api/message-resource · errors https://www.twilio.com/docs/api/errors ·
webhooks https://www.twilio.com/docs/messaging/guides/webhook-request · signature ``twilio_signature.py``.
Codes stand in ``twilio_codes.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field, SecretStr, model_validator

from omnibus import Absent, Attempt, Content, Keep, Provider, ProviderSettings, Receipt, Report, Request, Unknown
from omnibus.http import Client
from omnibus_sms import twilio_signature
from omnibus_sms.carrier import HttpCarrierSettings, Secrets, either, receipt
from omnibus_sms.channel import Sms, SmsContent
from omnibus_sms.twilio_lookup import SKEW, digest, matches, read, sent
from omnibus_sms.twilio_reports import replied, reported

USUAL = "https://api.twilio.com"
SETTLED = timedelta(seconds=60)  # before that a list that lacks the message proves nothing


class TwilioSettings(HttpCarrierSettings):
    """Hold a Twilio account; DSN ``twilio://ACCOUNT_SID:AUTH_TOKEN@default?from=%2B15005550006``.

    Args:
        auth_token, previous_auth_token: sign webhooks; both are accepted while you rotate.
        api_key, api_secret: used for requests instead of the token (``SK…``).
        messaging_service_sid: sends instead of *from*, with the service's own sender choice.
        shared_keys: webhook signing keys by name, where the account has any.
        validity: seconds that Twilio may keep trying, 1 to 36,000; None for Twilio's default.
    """

    account_sid: str = Field(validation_alias=either("account_sid", "user"))
    auth_token: SecretStr = Field(validation_alias=either("auth_token", "password"))
    previous_auth_token: SecretStr = SecretStr("")
    api_key: SecretStr = SecretStr("")
    api_secret: SecretStr = SecretStr("")
    messaging_service_sid: str = ""
    shared_keys: Secrets = Field(default_factory=dict)
    validity: int | None = Field(default=None, ge=1, le=36_000)

    @model_validator(mode="after")
    def _has_sender(self) -> TwilioSettings:
        if not (self.from_ or self.messaging_service_sid or self.senders):
            raise ValueError("give one of `from`, `messaging_service_sid` and `senders`")
        return self


class Twilio(Provider):
    """Send by form, look lost messages up in the list, read signed callbacks and replies.

    A lookup knows the message by number, time and a digest of the words that is kept before the request leaves;
    two equal texts to one number within a minute cannot be told apart and stay unknown.
    """

    channel: ClassVar[type[Sms]] = Sms
    scheme: ClassVar[str] = "twilio"
    Settings: ClassVar[type[ProviderSettings]] = TwilioSettings
    idempotency: ClassVar[Any] = "lookup"

    def __str__(self) -> str:
        return f"twilio://{self.account}@{self.settings.base(USUAL).partition('://')[2]}"

    @property
    def account(self) -> str:
        """Name the account by its public SID."""
        return str(self.settings.account_sid)

    @cached_property
    def _http(self) -> Client:
        told = self.settings
        key, secret = told.api_key.get_secret_value(), told.api_secret.get_secret_value()
        return Client(
            told.base(USUAL), auth=(key, secret) if key else (told.account_sid, told.auth_token.get_secret_value())
        )

    @property
    def _messages(self) -> str:
        return f"/2010-04-01/Accounts/{self.account}/Messages.json"

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Hand one message over; a digest of its words is kept first, so that a lost answer can be looked up."""
        said = self.settings.admit(content, address, mms=True)
        await keep.set(f"digest:{attempt.id}", digest(said.text))
        form = payload(self.settings, said, address, attempt)
        answer = await self._http.request("POST", self._messages, data=form)
        told = read(answer)
        return receipt(told.get("sid"), said, status=str(told.get("status", "")))

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Find a lost message among those to this number since the attempt started.

        Raises:
            Unknown: too early to be sure, or several fit.
        """
        kept = await keep.get(f"digest:{attempt.id}")
        if kept is None:  # nothing is sent before the digest is kept
            return Absent()
        since, until = attempt.started - SKEW, attempt.started + timedelta(seconds=attempt.deadline)
        rows = await sent(self._http, self._messages, address)
        found = [row for row in rows if matches(row, kept, since, until + SKEW)]
        if len(found) == 1:
            return Receipt(found[0]["sid"], {"found": "lookup"})
        if found or self.now() < until + SETTLED:
            raise Unknown("several_fit" if found else "too_early")
        return Absent()

    async def check(self) -> None:
        """Read the account: proves SID, token and reachability."""
        read(await self._http.request("GET", f"/2010-04-01/Accounts/{self.account}.json"))

    def verify(self, request: Request) -> None:
        """Check ``X-Twilio-Signature`` with every live token."""
        told = self.settings
        tokens = [told.auth_token.get_secret_value(), told.previous_auth_token.get_secret_value()]
        twilio_signature.verify(request, tokens, {k: v.get_secret_value() for k, v in told.shared_keys.items()})

    def parse(self, request: Request) -> Sequence[Report]:
        """Read a status callback or a message from a person."""
        form = dict(request.form)
        if form.get("SmsStatus", form.get("MessageStatus")) == "received" or "Body" in form:
            return replied(self.settings, form, self.now())
        return reported(form, request.query.get("attempt"), self.now())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def payload(settings: TwilioSettings, content: SmsContent, address: str, attempt: Attempt) -> dict[str, Any]:
    """Write the form: To, one sender, Body, and what is set of MediaUrl, StatusCallback and ValidityPeriod."""
    sender = settings.sender(address)
    form: dict[str, Any] = {"To": address, "Body": content.text}
    form |= {"From": sender} if sender else {"MessagingServiceSid": settings.messaging_service_sid}
    form |= {"MediaUrl": list(content.media)} if content.media else {}
    form |= {"StatusCallback": attempt.report_url} if attempt.report_url else {}
    form |= {"ValidityPeriod": str(settings.validity)} if settings.validity else {}
    return form
