"""One hand-over to one provider, and what comes back of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omnibus.model.message import Purpose
from omnibus.model.swift import swift


@swift
@dataclass(frozen=True, slots=True)
class Attempt:
    """Name one hand-over; its row is committed before the request leaves.

    Args:
        id: the idempotency key towards the provider.
        number: 1 for the first hand-over of this delivery.
        deadline: seconds that the whole hand-over may take.
        started: business time of the commit (aware).
        report_url: where the provider shall report to, empty without a public URL; it names the attempt.
        resent: the same key was handed over before and the answer was lost.
    """

    id: str
    delivery: str
    customer: str
    number: int
    purpose: Purpose
    started: datetime
    deadline: float = 20.0
    report_url: str = ""
    message: str = ""
    resent: bool = False


@swift
@dataclass(frozen=True, slots=True)
class Receipt:
    """Hold the provider's acceptance of an attempt.

    Args:
        provider_id: the provider's id of the message, to match reports by; None when it gives none.
        details: JSON values that belong on the `message.sent` event, e.g. parts, cost, a placed card.
    """

    provider_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Absent:
    """Answer a lookup: the provider surely never got this attempt."""


@swift
@dataclass(frozen=True, slots=True)
class Report:
    """Hold what a webhook says, about an attempt, a provider id or an identity.

    The inbox turns it into an event; at least one of *attempt*, *provider_id*, *identity* is given.

    Args:
        id: stable and unique per provider: the same fact told twice has the same id.
        type: an event type: ``message.delivered``, ``message.bounced``, ``conversation.received``, ``consent.withdrawn`` …
        at: when it happened by the provider's clock (aware).
        identity: (kind, value) of the person, for facts about somebody rather than a hand-over.
        data: JSON values for the event: ``text`` of a reply, ``reason`` of a bounce, ``hard``: bool, ``machine``: bool.
    """

    id: str
    type: str
    at: datetime
    attempt: str | None = None
    provider_id: str | None = None
    identity: tuple[str, str] | None = field(default=None, repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
