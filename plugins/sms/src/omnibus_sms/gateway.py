"""Carry SMS by any HTTP gateway that its operator describes in the configuration; no code.

Templates of URL, headers and body; success, id and code by path in the JSON answer (or a pattern in a text);
reports and replies by path in a JSON or form webhook. Pure parts: ``gateway_template.py``.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from omnibus import Attempt, Forged, Keep, Provider, ProviderSettings, Receipt, Refused, Report, Request, Unknown
from omnibus.http import Answer, Client, error_for
from omnibus_sms import gateway_template as template
from omnibus_sms.carrier import MEANINGS, CarrierSettings, Meaning, Texts, Words, body_of, receipt
from omnibus_sms.channel import Sms, SmsContent
from omnibus_sms.phones import E164
from omnibus_sms.reports import Fates, Sent, arrived, heard


class Incoming(BaseModel):
    """Say where a webhook keeps what; each is a path.

    Args:
        id, status, attempt, reason: of a report. *from*, *text*: of a reply; a body with *text* is one.
        delivered, failed, hard, soft, opt_out: words of *status* (for the last three: of *reason*, else *status*).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    id: str = "id"
    status: str = "status"
    attempt: str = ""
    reason: str = ""
    from_: str = Field(default="from", alias="from")
    text: str = "text"
    delivered: Words = ()
    failed: Words = ()
    hard: Words = ()
    soft: Words = ()
    opt_out: Words = ()


class GatewaySettings(CarrierSettings):
    """Describe a gateway.

    Args:
        url, headers, body: templates; names are to, digits (to without plus), from, text, attempt, report_url,
            encoding, unicode (true or false), parts, token, user, password.
        format: of the body: json, form, xml, text or none.
        basic: send user and password as Basic credentials.
        success: path → word that a good answer has there; empty: any 2xx. *id*: path of the message id, or
            *id_pattern*, a pattern whose first group is it, in a text answer.
        code: path of the error code; *codes*: code → later, refused, unreachable, opt_out, account or unknown.
        webhook_secret, previous_webhook_secret: the key of *signature_header* (HMAC over the raw body, *algorithm*,
            *encoding*, after *signature_prefix*), or, without that header's name, the value of *secret_header* or of the
            URL's *secret_query*.
        base_url: instead of scheme and host of *url*.
    """

    url: str = Field(pattern=r"^https?://[^/{}\s]+", repr=False)
    base_url: str = ""
    method: Literal["POST", "GET", "PUT"] = "POST"
    headers: Texts = Field(default_factory=dict, repr=False)
    body: Any = Field(default=None, repr=False)
    format: template.Form = "json"
    user: str = Field(default="", repr=False)
    password: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    basic: bool = False
    success: Texts = Field(default_factory=dict)
    id: str = ""
    id_pattern: str = ""
    code: str = ""
    codes: Mapping[str, Meaning] = Field(default_factory=dict)
    incoming: Incoming = Incoming()
    webhook_secret: SecretStr = SecretStr("")
    previous_webhook_secret: SecretStr = SecretStr("")
    signature_header: str = ""
    signature_prefix: str = ""
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    secret_header: str = ""
    secret_query: str = ""

    @field_validator("id_pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            groups = re.compile(value).groups
        except re.error:
            raise ValueError("no regular expression") from None
        if value and not groups:
            raise ValueError("the pattern needs a group around the id")
        return value

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        unknown = sorted(template.named([self.url, self.headers, self.body]) - template.NAMES)
        if unknown:
            raise ValueError(f"unknown name in a template; known are {', '.join(sorted(template.NAMES))}")
        if self.format == "form" and not isinstance(self.body, dict):
            raise ValueError("a form needs `body` as a table of fields")
        return self


class Gateway(Provider):
    """Send as described; what the description leaves open is decided by the HTTP status."""

    channel: ClassVar[type[Sms]] = Sms
    scheme: ClassVar[str] = "gateway"
    Settings: ClassVar[type[ProviderSettings]] = GatewaySettings
    idempotency: ClassVar[Any] = "none"

    def __str__(self) -> str:
        return f"gateway://{self.account}"

    __repr__ = __str__

    @property
    def account(self) -> str:
        """Name the gateway's host."""
        return str(self.settings.url).split("/", 3)[2].rpartition("@")[2]

    @cached_property
    def _http(self) -> Client:
        return Client()

    async def deliver(self, content: SmsContent, address: str, attempt: Attempt, keep: Keep) -> Receipt:  # type: ignore[override]
        """Fill the templates and hand over."""
        given = self.settings
        given.admit(content, address)
        values = values_of(given, content, address, attempt)
        url = moved(template.url(given.url, values), given.base_url)
        headers = {name: _one_line(template.filled(value, values)) for name, value in given.headers.items()}
        sent = template.body(given.body, values, given.format)
        kind = {"content-type": template.TYPES[given.format]} if sent is not None else {}
        auth = (given.user, given.password.get_secret_value()) if given.basic else None
        answer = await self._http.request(given.method, url, content=sent, headers={**kind, **headers}, auth=auth)
        return read(given, answer, content)

    def verify(self, request: Request) -> None:
        """Check the signature or the shared secret, as described.

        Raises:
            Forged: wrong, or none is described or configured.
        """
        given = self.settings
        live = [each.get_secret_value() for each in (given.webhook_secret, given.previous_webhook_secret)]
        secrets = [each for each in live if each]
        if given.signature_header:
            told = request.headers.get(given.signature_header.lower(), "").removeprefix(given.signature_prefix)
            wanted = [_signature(given, secret, request.body) for secret in secrets]
        else:
            header = request.headers.get(given.secret_header.lower(), "") if given.secret_header else ""
            told, wanted = header or (request.query.get(given.secret_query, "") if given.secret_query else ""), secrets
        if not any(hmac.compare_digest(told.encode(), want.encode()) for want in wanted):
            raise Forged("gateway: wrong or no secret")

    def parse(self, request: Request) -> Sequence[Report]:
        """Read a report or a reply by the described paths; JSON, form or query."""
        told, where = _read(request), self.settings.incoming
        id_, now = template.word(template.found(told, where.id)), self.now()
        words, person = template.found(told, where.text), _phone(template.found(told, where.from_))
        if isinstance(words, str) and person and id_:
            report = Report(f"{id_}:received", "conversation.received", now, identity=("phone", person))
            return [heard(self.settings, report, words)]
        status = template.word(template.found(told, where.status))
        attempt = (
            template.word(template.found(told, where.attempt)) if where.attempt else request.query.get("attempt", "")
        )
        if not status or not (id_ or attempt):
            return ()
        sent = Sent(f"{id_ or attempt}:{status}", now, attempt or None, id_ or None, person)
        if status in where.delivered:
            return [arrived(sent, "message.delivered")]
        fates = Fates(dict.fromkeys(where.soft, False) | dict.fromkeys(where.hard, True), frozenset(where.opt_out))
        reason = template.word(template.found(told, where.reason)) if where.reason else ""
        meant = {*fates.bounces, *fates.opt_outs}
        if status not in where.failed and status not in meant:
            return ()
        return fates.failed(sent, reason if reason in meant else status)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def moved(url: str, base_url: str) -> str:
    """Put a URL below another base, for proxies and sandboxes."""
    _, _, path = url.partition("://")[2].partition("/")
    return f"{base_url.rstrip('/')}/{path}" if base_url else url


def values_of(given: GatewaySettings, content: SmsContent, address: str, attempt: Attempt) -> dict[str, Any]:
    """List what templates may name."""
    return {
        "to": address, "digits": address.removeprefix("+"), "from": given.sender(address), "text": content.text,
        "attempt": attempt.id, "report_url": attempt.report_url, "encoding": content.encoding,
        "unicode": content.encoding == "ucs2", "parts": content.segments, "token": given.token.get_secret_value(),
        "user": given.user, "password": given.password.get_secret_value(),
    }  # fmt: skip


def read(given: GatewaySettings, answer: Answer, content: SmsContent) -> Receipt:
    """Read an answer as described.

    Raises:
        Unknown: a 2xx that has nothing where success or id should stand.
    """
    told: Any = body_of(answer) if answer.ok and (given.success or given.id) else _lenient(answer.body)
    code = template.word(template.found(told, given.code)) if given.code else ""
    if code in given.codes:
        raise MEANINGS[given.codes[code]](f"code_{code}", answer.retry_after)
    if not answer.ok:
        raise error_for(answer)
    for path, want in given.success.items():
        got = template.found(told, path)
        if got is None:
            raise Unknown("unreadable_answer")
        if template.word(got) != want:
            raise Refused(f"code_{code}" if code else "refused")
    if not given.id and not given.id_pattern:
        return Receipt(None, receipt("-", content).details)
    if given.id:
        return receipt(template.word(template.found(told, given.id)), content)
    match = re.search(given.id_pattern, answer.body.decode("utf-8", "replace"))
    return receipt(match[1] if match else "", content)


def _lenient(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _read(request: Request) -> Any:
    told = _lenient(request.body)
    return told if isinstance(told, (dict, list)) else {**request.query, **dict(request.form)}


def _phone(value: Any) -> str:
    number = f"+{value.removeprefix('+')}" if isinstance(value, str) else f"+{value}" if isinstance(value, int) else ""
    return number if E164.fullmatch(number) else ""


def _one_line(value: Any) -> str:
    text = template.word(value) or str(value)
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise Refused("bad_header")
    return text


def _signature(given: GatewaySettings, secret: str, body: bytes) -> str:
    made = hmac.new(secret.encode(), body, given.algorithm)
    return made.hexdigest() if given.encoding == "hex" else base64.b64encode(made.digest()).decode()
