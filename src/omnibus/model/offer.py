"""Promotions and their tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from omnibus.model.swift import swift


@dataclass(frozen=True, slots=True)
class Offer:
    """Promise a promotion.

    A *personal* offer has one code per customer, derived from key, offer and customer: the same in every
    channel. A *shared* one has a public code, once per person and limited in total.

    Args:
        percent: what comes off, 1 to 100.
        valid: how long a personal code lives after it was issued.
        ends: the last moment for everybody, aware; None for no end.
        limit: how often a shared code may be redeemed in all; None for no limit.
        renew: how long after its issue an unused, expired personal code may be followed by a new one; None: never.
    """

    name: str
    kind: Literal["personal", "shared"] = "personal"
    percent: int = 10
    label: str = ""
    code: str = ""
    valid: timedelta | None = None
    ends: datetime | None = None
    limit: int | None = None
    renew: timedelta | None = None

    def renewable(self, issued: datetime, now: datetime) -> bool:
        """Tell whether a personal code issued at *issued*, now over, may be followed by a new one."""
        return self.renew is not None and now >= issued + self.renew and (self.ends is None or now < self.ends)

    def expires(self, issued: datetime) -> datetime | None:
        """Tell when a code issued at *issued* ends: the sooner of *ends* and *valid*."""
        ends = [each for each in (self.ends, issued + self.valid if self.valid else None) if each]
        return min(ends) if ends else None


@swift
@dataclass(frozen=True, slots=True)
class Terms:
    """Hold what one customer is told of an offer: the same in every channel.

    Args:
        code: the token, as it is printed.
        label: e.g. ``15 % off``.
        deadline: the last day in words, in the customer's language and zone; empty without end.
    """

    offer: str
    code: str = field(repr=False)
    label: str
    percent: int
    expires: datetime | None = None
    deadline: str = ""


@dataclass(frozen=True, slots=True)
class Redemption:
    """Answer a redemption: the winner's basket is *basket*; *won* tells whether that was this one."""

    won: bool
    offer: str
    basket: str
    reason: str = ""
    percent: int = 0
    customer: str = ""


@dataclass(frozen=True, slots=True)
class Handover:
    """Carry cart and offer from one place to the till: a signed token, and a short code to type."""

    token: str = field(repr=False)
    short: str = field(repr=False)
    customer: str
    expires: datetime
