"""What became of a claimed delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from omnibus.model.delivery import State
from omnibus.model.swift import swift
from omnibus.store.attempt import Outcome
from omnibus.store.change import Change


@swift
@dataclass(frozen=True, slots=True)
class Settlement:
    """Write down what became of a claimed delivery, fenced by its lease.

    Args:
        due: when to look at it again; None when there is nothing left to do.
        change: events and context that go with it.
        watched: its premises are still looked at when the context moves (it waits, or can be taken off show).
        decision: JSON of the judging, for `why`; empty for none.
    """

    delivery: str
    customer: str
    lease: str
    state: State
    reason: str = ""
    due: datetime | None = None
    channel: str | None = None
    provider: str | None = None
    identity: str | None = None
    provider_id: str | None = None
    tried: tuple[str, ...] | None = None
    attempts: int | None = None
    faults: int | None = None
    flagged: bool | None = None
    withdraw: bool | None = None
    watched: bool = False
    outcome: Outcome | None = None
    change: Change | None = None
    decision: str = ""
