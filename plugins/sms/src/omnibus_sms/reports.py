"""Turn what carriers tell us into events: fates of messages, and what people wrote; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omnibus import Report
from omnibus_sms.carrier import CarrierSettings
from omnibus_sms.keywords import meaning

SCOPE = {"channel": "sms", "purpose": "marketing", "topic": "*"}


@dataclass(frozen=True, slots=True)
class Sent:
    """Name the hand-over that a report is about, by what the carrier gave back."""

    id: str
    at: datetime
    attempt: str | None = None
    provider_id: str | None = None
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Fates:
    """Hold what a carrier's reasons for a failure mean; a reason in no table is a plain failure.

    Args:
        bounces: reason → whether the number is dead (suppressed) or only unreachable for now.
        opt_outs: the person said no.
        ours: our set-up, content or registration is to blame; ops are told.
    """

    bounces: Mapping[str, bool]
    opt_outs: frozenset[str] = frozenset()
    ours: frozenset[str] = frozenset()

    def failed(self, sent: Sent, reason: str) -> Sequence[Report]:
        """Report that a message did not arrive, and a withdrawn consent where the reason says so."""
        hard = self.bounces.get(reason)
        data: dict[str, Any] = {"reason": reason} if hard is None else {"hard": hard, "reason": reason}
        told = arrived(sent, "message.failed" if hard is None else "message.bounced")
        data |= {"account": True} if reason in self.ours else {}
        reports = [Report(told.id, told.type, told.at, attempt=told.attempt, provider_id=told.provider_id, data=data)]
        if reason in self.opt_outs and sent.phone:
            scope, person = {**SCOPE, "reason": reason}, ("phone", sent.phone)
            reports.append(Report(f"{sent.id}:opt-out", "consent.withdrawn", sent.at, identity=person, data=scope))
        return reports


def arrived(sent: Sent, kind: str) -> Report:
    """Report how far a message came."""
    return Report(sent.id, kind, sent.at, attempt=sent.attempt, provider_id=sent.provider_id)


def heard(settings: CarrierSettings, report: Report, text: str, said: str | None = None) -> Report:
    """Turn what a person wrote into consent or conversation.

    Args:
        report: id, time and identity; its type and data are filled in.
        said: what the provider already took it for (``stop``, ``start``, ``help``), None when it does not tell.
    """
    part = any(name.startswith("concat") for name in report.data)  # "… until you\nSTOP" may be cut before its last word
    told = said or (None if part else meaning(text, stop=settings.stop_words, start=settings.start_words))
    if told in {"stop", "start"}:
        kind = "consent.withdrawn" if told == "stop" else "consent.granted"
        scope = {**SCOPE, "word": text.strip()[:40]}
        return Report(report.id, kind, report.at, identity=report.identity, data=scope)
    data: dict[str, Any] = {
        "channel": "sms",
        "text": text,
        **({"keyword": "help"} if told == "help" else {}),
        **report.data,
    }
    return Report(report.id, "conversation.received", report.at, identity=report.identity, data=data)
