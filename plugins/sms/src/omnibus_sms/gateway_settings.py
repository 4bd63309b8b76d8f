"""How an operator describes an HTTP gateway."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from omnibus_sms import gateway_template as template
from omnibus_sms.carrier import CarrierSettings, Meaning, Texts, Words


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
