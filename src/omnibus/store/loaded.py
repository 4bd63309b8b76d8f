"""What the store answers about customers: what it knows of each, and of the facts that are about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from omnibus.model.customer import Customer
from omnibus.model.delivery import Delivery
from omnibus.model.swift import swift
from omnibus.model.trace import Trace


@swift
@dataclass(frozen=True, slots=True)
class Spent:
    """Hold one hand-over that counts against the contact budget."""

    at: datetime
    channel: str
    points: int


@swift
@dataclass(frozen=True, slots=True)
class Loaded:
    """Hold what the store knows of one customer now.

    Args:
        customer: canonical, after merges; *aliases* are the subjects whose events belong to it (itself included).
        bodies: facet name → encoded facet.
        live: waiting deliveries with premises that nobody has in hand, and those on show that can be withdrawn.
        spent: hand-overs within the budget's window.
    """

    customer: Customer
    aliases: tuple[str, ...]
    version: int
    through: tuple[datetime, str, str] | None
    bodies: dict[str, bytes] = field(repr=False)
    live: tuple[Delivery, ...] = ()
    spent: tuple[Spent, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """Hold what must be known of facts before they are folded.

    Args:
        traces: what each clue led to.
        known: (source, id) of those that are stored.
        loaded: the customers whom facts and traces are about, by the id asked for.
    """

    traces: Sequence[Trace | None]
    known: Collection[tuple[str, str]]
    loaded: dict[str, Loaded]
