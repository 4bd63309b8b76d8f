"""What is asked of the outbox: deliveries under one key."""

from __future__ import annotations

from dataclasses import dataclass

from omnibus.model.delivery import Delivery
from omnibus.model.swift import swift
from omnibus.store.attempt import Try


@dataclass(frozen=True, slots=True)
class Take:
    """Ask to have what is accepted in hand with the same commit, as a claim would give it.

    Args:
        term: of the lease, in seconds of machine time.
        limit: so many deliveries at most.
        back: deliveries in the caller's hands by this lease with which nothing was done: they wait again first, in their place.
        tries: attempts to write down in that commit, too, of what is given; guarded as `attempt` does.
    """

    lease: str
    term: float
    limit: int
    tries: tuple[Try, ...] = ()
    back: tuple[str, ...] = ()


@swift
@dataclass(frozen=True, slots=True)
class Wish:
    """Ask to accept deliveries under one key.

    Args:
        key: unique per operation; empty for none. *digest* is the hash of what was asked under it.
    """

    key: str
    digest: str
    deliveries: tuple[Delivery, ...]
