"""Carry SMS by any HTTP gateway that its operator describes in the configuration; no code.

Templates of URL, headers and body; success, id and code by path in the JSON answer (or a pattern in a text);
reports and replies by path in a JSON or form webhook. Pure parts: ``gateway_template.py``.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from omnibus import (
    Attempt,
    Content,
    Forged,
    Keep,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    Report,
    Request,
    Unknown,
)
from omnibus.http import Answer, Client, error_for
from omnibus_sms import gateway_template as template
from omnibus_sms.carrier import MEANINGS, body_of, receipt
from omnibus_sms.channel import Sms, SmsContent
from omnibus_sms.gateway_settings import GatewaySettings
from omnibus_sms.phones import E164
from omnibus_sms.reports import Fates, Sent, arrived, heard


class Gateway(Provider):
    """Send as described; what the description leaves open is decided by the HTTP status."""

    channel: ClassVar[type[Sms]] = Sms
    scheme: ClassVar[str] = "gateway"
    Settings: ClassVar[type[ProviderSettings]] = GatewaySettings
    idempotency: ClassVar[Any] = "none"

    def __str__(self) -> str:
        return f"gateway://{self.account}"

    @property
    def account(self) -> str:
        """Name the gateway's host."""
        return str(self.settings.url).split("/", 3)[2].rpartition("@")[2]

    @cached_property
    def _http(self) -> Client:
        return Client()

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Fill the templates and hand over."""
        given = self.settings
        said = given.admit(content, address)
        values = values_of(given, said, address, attempt)
        url = moved(template.url(given.url, values), given.base_url)
        headers = {name: _one_line(template.filled(value, values)) for name, value in given.headers.items()}
        sent = template.body(given.body, values, given.format)
        kind = {"content-type": template.TYPES[given.format]} if sent is not None else {}
        auth = (given.user, given.password.get_secret_value()) if given.basic else None
        answer = await self._http.request(given.method, url, content=sent, headers={**kind, **headers}, auth=auth)
        return read(given, answer, said)

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
