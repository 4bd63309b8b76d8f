"""An attempt from before its request leaves until it is closed: asked for, granted, answered, as stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from omnibus.model.swift import swift
from omnibus.store.change import Change


@dataclass(frozen=True, slots=True)
class Limit:
    """Bound the points that may be spent on a customer since *since*; *channel* empty for all channels."""

    channel: str
    since: datetime
    points: int


@dataclass(frozen=True, slots=True)
class CodeRow:
    """Hold the keyed hash of a code that becomes a customer's (or the public's, for a shared one)."""

    hash: str
    offer: str
    customer: str


@swift
@dataclass(frozen=True, slots=True)
class Try:
    """Ask to write an attempt down before its request leaves, guarded by version, budget, pause and lease.

    Args:
        origin: of the delivery; a campaign that is paused or stopped lets none of its attempts be written down.
    """

    attempt: str
    delivery: str
    lease: str
    number: int
    channel: str
    provider: str
    identity: str
    points: int
    started: datetime
    change: Change
    limits: tuple[Limit, ...] = ()
    codes: tuple[CodeRow, ...] = ()
    decision: str = ""
    digest: str = ""
    origin: str = ""

    @property
    def rests(self) -> tuple[str, str]:
        """Name the rests that keep it from leaving: of its provider, and of its campaign."""
        return f"{self.channel}/{self.provider}", self.origin


class Grant(StrEnum):
    """Answer a Try."""

    GRANTED = "granted"  #: the row is committed; the request may leave
    STALE = "stale"  #: the context moved; judge again
    OVER = "over"  #: the budget is spent; judge again
    PAUSED = "paused"  #: its provider rests, or its campaign; judge again
    LOST = "lost"  #: the lease is somebody else's now


@swift
@dataclass(frozen=True, slots=True)
class Outcome:
    """Close an attempt: *counts* tells whether its points stay spent (a lost answer counts)."""

    attempt: str
    outcome: str
    reason: str = ""
    provider_id: str = ""
    counts: bool = True
    details: str = field(default="", repr=False)


@swift
@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """Hold an attempt row as stored."""

    id: str
    delivery: str
    customer: str
    number: int
    channel: str
    provider: str
    identity: str
    started: datetime
    outcome: str
    reason: str
    provider_id: str
    points: int
    ended: datetime | None = None
    details: str = field(default="", repr=False)
