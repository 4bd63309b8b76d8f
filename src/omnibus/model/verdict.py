"""A policy's answer for one route, and a channel's answer whether it may speak."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from omnibus.model.swift import swift


@swift
@dataclass(frozen=True, slots=True)
class Send:
    """Let it go; *because* names what allows it (e.g. the consent entry), for `why`."""

    because: str = ""


SEND = Send()  #: said of nearly everything that nobody minds


@swift
@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until a time (aware), then judge again."""

    until: datetime
    reason: str


@swift
@dataclass(frozen=True, slots=True)
class Drop:
    """Never by this route."""

    reason: str


Verdict = Send | Hold | Drop


@swift
@dataclass(frozen=True, slots=True)
class Reach:
    """Tell whether a channel may speak to this customer, and until when.

    Args:
        open: it may now.
        until: when an open window closes (aware), None for no end.
        reason: why it is closed, e.g. ``no message from them in 24 h``.
    """

    open: bool = True
    until: datetime | None = None
    reason: str = ""


def strictest(verdicts: list[Verdict]) -> Verdict:
    """Choose within one route: any Drop, else the latest Hold, else Send."""
    latest: Hold | None = None
    for verdict in verdicts:
        if verdict is SEND:
            continue
        if isinstance(verdict, Drop):
            return verdict
        if isinstance(verdict, Hold) and (latest is None or verdict.until > latest.until):
            latest = verdict
    return latest or SEND
