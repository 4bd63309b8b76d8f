"""What every carrier of SMS takes and checks before anything leaves: sender by country, countries by list.

Next: ``twilio.py``, ``vonage.py``, ``smpp.py`` and ``gateway.py``, each the same order, section by section.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, SecretStr

from omnibus import Content, ProviderSettings, Receipt, Refused, TryLater, Unknown, Unreachable
from omnibus.http import Answer
from omnibus_sms.channel import SmsContent
from omnibus_sms.phones import E164, by_country

Failure = TryLater | Refused | Unreachable | Unknown
Says = Callable[[str, float | None], Failure]


def later(code: str, wait: float | None = None) -> Failure:
    """Say: nothing was processed, the same again later."""
    return TryLater(code, retry_after=wait)


def account(code: str, wait: float | None = None) -> Failure:
    """Say: credentials, credit or sender set-up; pause this provider, the message is innocent."""
    return TryLater(code, retry_after=wait, account=True)


def refused(code: str, wait: float | None = None) -> Failure:
    """Say: this message is bad here, the number stays good."""
    return Refused(code)


def unreachable(code: str, wait: float | None = None) -> Failure:
    """Say: this number takes no SMS."""
    return Unreachable(code)


def opted_out(code: str, wait: float | None = None) -> Failure:
    """Say: this person said no."""
    return Unreachable(code, opt_out=True)


def unknown(code: str, wait: float | None = None) -> Failure:
    """Say: it may have arrived."""
    return Unknown(code)


Meaning = Literal["later", "refused", "unreachable", "opt_out", "account", "unknown"]
#: what an operator may write for a carrier's own code
MEANINGS: dict[Meaning, Says] = {
    "later": later,
    "refused": refused,
    "unreachable": unreachable,
    "opt_out": opted_out,
    "account": account,
    "unknown": unknown,
}


def _listed(value: Any) -> Any:
    return tuple(each.strip() for each in value.split(",") if each.strip()) if isinstance(value, str) else value


def _texts(value: Any) -> Any:
    """Refuse a wrong table as a whole: pydantic would name its keys, which here may be values."""
    if isinstance(value, Mapping) and not all(isinstance(each, (str, SecretStr)) for each in value.values()):
        raise ValueError("give a table of texts")
    return value


Texts = Annotated[Mapping[str, str], BeforeValidator(_texts)]
Secrets = Annotated[Mapping[str, SecretStr], BeforeValidator(_texts)]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class CarrierSettings(ProviderSettings):
    """Hold what all carriers share.

    Args:
        from: number in E.164, short code, or a name of up to 11 letters where the country allows one.
        senders: another sender by ``+`` prefix, country (``GB``) or ``*``; the longest prefix wins.
        countries: where messages may go, as country or ``+`` prefix; empty for everywhere. A list is the best
            guard against SMS pumping.
        stop_words, start_words: further whole messages that withdraw or grant consent.
    """

    model_config = ConfigDict(populate_by_name=True)

    from_: str = Field(default="", alias="from")
    senders: Texts = Field(default_factory=dict)
    countries: Words = ()
    stop_words: Words = ()
    start_words: Words = ()

    def sender(self, address: str) -> str:
        """Choose the sender for a number."""
        return (by_country(self.senders, address) if self.senders else None) or self.from_

    def admit(self, content: Content, address: str, *, mms: bool = False) -> SmsContent:
        """Stop what must not or cannot leave; gives what may.

        Raises:
            Unreachable: the address is no E.164 number.
            Refused: no text message, its country is not on the list, or pictures with a carrier that has no MMS.
        """
        if not isinstance(content, SmsContent):
            raise Refused("no_sms")
        if not E164.fullmatch(address):
            raise Unreachable("not_e164")
        if self.countries and by_country(dict.fromkeys(self.countries, "yes"), address) is None:
            raise Refused("country_not_allowed")
        if content.media and not mms:
            raise Refused("no_mms")
        return content


class HttpCarrierSettings(CarrierSettings):
    """Hold what carriers over HTTP share.

    Args:
        base_url: of a regional endpoint, proxy or sandbox; in a DSN the host stands for ``https://host:port``.
    """

    base_url: str = ""
    host: str = Field(default="", repr=False)
    port: int | None = Field(default=None, repr=False)

    def base(self, usual: str) -> str:
        """Give the base URL without a slash at its end: as configured, from the DSN's host, or the usual one."""
        if self.base_url or self.host in {"", "default"}:
            return (self.base_url or usual).rstrip("/")
        return f"https://{self.host}:{self.port}" if self.port else f"https://{self.host}"


def either(*names: str) -> AliasChoices:
    """Read a field by its own name or by a part of the DSN."""
    return AliasChoices(*names)


def body_of(answer: Answer) -> dict[str, Any]:
    """Read an answer's JSON object; empty when a refusal has none.

    Raises:
        Unknown: a 2xx that cannot be read: it was probably done.
    """
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        return told
    if answer.ok:
        raise Unknown("unreadable_answer")
    return {}


def receipt(provider_id: Any, content: SmsContent, **details: Any) -> Receipt:
    """Make the receipt: what was billed belongs on the event.

    Raises:
        Unknown: the answer names no id: the message went, but nobody can say which.
    """
    if not isinstance(provider_id, str) or not provider_id:
        raise Unknown("unreadable_answer")
    cost = {"cost": str(content.cost)} if content.cost else {}
    return Receipt(provider_id, {"parts": content.segments, "encoding": content.encoding, **cost, **details})
