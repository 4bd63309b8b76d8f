"""What one commit does to one customer, guarded by the version it was computed from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from omnibus.model.customer import Identity
from omnibus.model.delivery import State
from omnibus.model.event import Event
from omnibus.model.swift import swift


@swift
@dataclass(frozen=True, slots=True)
class Move:
    """Move one delivery by a report; the fields left None stay. A report that came before the receipt waits for it."""

    delivery: str
    state: State
    reason: str | None = None
    due: datetime | None = None
    provider_id: str | None = None
    tried: tuple[str, ...] | None = None
    attempt: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Change:
    """State all that one commit does to one customer; an empty one only guards the version.

    Args:
        version: of the context it was computed from; another one in the store makes it stale.
        events: new facts, in timeline order; *quiet* ones are not told to journeys (imports).
        bodies: the context after them, *through* their last; None when there are no events.
        wake: waiting deliveries that become due at once, because a premise broke.
        withdraw: deliveries on show that are to be taken off.
    """

    customer: str
    version: int
    events: tuple[Event, ...] = ()
    bodies: dict[str, bytes] | None = field(default=None, repr=False)
    through: tuple[datetime, str, str] | None = None
    wake: tuple[str, ...] = ()
    withdraw: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    identities: tuple[Identity, ...] = ()
    quiet: bool = False
    now: datetime | None = None
