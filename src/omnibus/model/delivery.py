"""One message to one customer: the outbox row, its states, and the only ways from one to another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from omnibus.model.swift import swift


class State(StrEnum):
    """Say where a delivery stands; there are no other states (drawn in docs/concepts/deliveries.md)."""

    QUEUED = "queued"  #: waits for its turn
    HELD = "held"  #: waits until a time, then is judged again
    SENDING = "sending"  #: a worker has it
    UNKNOWN = "unknown"  #: handed over, the answer is lost
    SENT = "sent"  #: a provider accepted it
    DELIVERED = "delivered"  #: it arrived, or was shown
    OPENED = "opened"  #: it was opened
    CLICKED = "clicked"  #: its link was followed
    REPLIED = "replied"  #: it was answered
    BOUNCED = "bounced"  #: it came back
    WITHDRAWN = "withdrawn"  #: taken off show after it was sent
    FAILED = "failed"  #: no route worked, or the answer stayed lost
    DROPPED = "dropped"  #: the policies said no
    EXPIRED = "expired"  #: its deadline passed before it could go


WAITING = frozenset({State.QUEUED, State.HELD, State.SENDING, State.UNKNOWN})
FINAL = frozenset(State) - WAITING
SHOWN = frozenset({State.SENT, State.DELIVERED, State.OPENED, State.CLICKED, State.REPLIED})

_RISE = (State.SENT, State.DELIVERED, State.OPENED, State.CLICKED, State.REPLIED)

#: the table of §3: from → to
MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.SENDING, State.EXPIRED, State.DROPPED}),
    State.HELD: frozenset({State.SENDING, State.EXPIRED, State.DROPPED}),
    State.SENDING: frozenset(
        {
            State.SENT,
            State.QUEUED,
            State.HELD,
            State.FAILED,
            State.UNKNOWN,
            State.DROPPED,
            State.EXPIRED,
        }
    ),
    State.UNKNOWN: frozenset({State.SENDING, State.SENT, State.QUEUED, State.FAILED, *_RISE}),
    State.SENT: frozenset({*_RISE[1:], State.BOUNCED, State.WITHDRAWN, State.QUEUED}),
    State.DELIVERED: frozenset({*_RISE[2:], State.BOUNCED, State.WITHDRAWN}),
    State.OPENED: frozenset({*_RISE[3:], State.WITHDRAWN}),
    State.CLICKED: frozenset({State.REPLIED, State.WITHDRAWN}),
    State.REPLIED: frozenset({State.WITHDRAWN}),
    State.BOUNCED: frozenset({State.QUEUED}),  # the next route, within the message's deadline
    State.WITHDRAWN: frozenset(),
    State.FAILED: frozenset(_RISE),  # only a late receipt that names our attempt (answer_lost)
    State.DROPPED: frozenset(),
    State.EXPIRED: frozenset(),
}


def may_move(old: State, new: State) -> bool:
    """Tell whether the drawing has an arrow from *old* to *new*."""
    return new in MOVES[old]


@swift
@dataclass(frozen=True, slots=True)
class Delivery:
    """Hold one message to one customer, with its one state.

    Args:
        subject: the customer's id when it was accepted (it stays; *customer* may move by a merge).
        message: name of the message file, or of one handed in whole (then *inline* holds it as JSON).
        via: channels this delivery may go by; ambient companions have exactly one.
        due: when to look at it next (aware).
        expires: its deadline (aware) or None.
        values: what the sender gave for the templates.
        channel, provider, identity: the route taken, once one was; *identity* is a ref, never an address.
        tried: routes that failed for good, as ``channel/provider/ref``.
    """

    id: str
    customer: str
    subject: str
    message: str
    purpose: str
    brand: str
    via: tuple[str, ...]
    state: State
    due: datetime
    accepted: datetime
    expires: datetime | None = None
    topic: str = "general"
    audience: str = "person"
    reason: str = ""
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    inline: str = field(default="", repr=False)
    key: str = ""
    origin: str = ""
    premises: tuple[str, ...] = ()
    offer: str = ""
    channel: str = ""
    provider: str = ""
    identity: str = ""
    provider_id: str = ""
    tried: tuple[str, ...] = ()
    attempts: int = 0
    faults: int = 0
    lease: str = ""
    flagged: bool = False
    withdraw: bool = False
