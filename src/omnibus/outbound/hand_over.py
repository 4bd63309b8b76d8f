"""HAND OVER: one committed attempt to one provider, and its answer to a settlement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from omnibus.errors import DeliveryError, Refused, TryLater, Unknown, Unreachable
from omnibus.model.attempt import Attempt, Receipt
from omnibus.model.content import Content
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.model.message import Message
from omnibus.model.route import Route, tried_key
from omnibus.model.swift import swift
from omnibus.outbound.resolve import provider_key
from omnibus.outbound.road import SOURCE, Road, fact, settle_soon
from omnibus.outbound.settle import Basis
from omnibus.provider import Provider
from omnibus.store import OpenAttempt, Outcome

FIRST_PAUSE, LONGEST_PAUSE = 30.0, 3600.0  # seconds between tries when the provider names none
ACCOUNT_PAUSE = 300.0  # seconds that a provider rests when its account is to blame

OURS = frozenset({"not_connected", "no_turn", "store_away"})  # what ends a hand-over without a word of the provider's

#: how long to wait before the first look at a lost answer, by declared idempotency, in seconds
FIRST_LOOK = {"key": 1.0, "lookup": 30.0, "echo": 900.0, "none": 0.0}


@swift
@dataclass(frozen=True, slots=True)
class Parcel:
    """Hold all that one hand-over needs; its attempt row is committed."""

    delivery: Delivery
    route: Route
    provider: Provider
    message: Message
    content: Content
    address: str = field(repr=False)
    attempt: Attempt
    basis: Basis | None = None

    @property
    def taken(self) -> dict[str, Any]:
        """Name the route taken, for the delivery's row."""
        ref = self.route.identity.ref if self.route.identity else ""
        return {"channel": self.route.channel, "provider": self.provider.scheme, "identity": ref}


async def hand_over(road: Road, parcel: Parcel) -> None:
    """Hand one parcel over and have the answer settled, whatever it is."""
    provider, delivery, taken = parcel.provider, parcel.delivery, parcel.taken
    name, bulkheads = provider_key(parcel.route.channel, provider), road.bulkheads
    bulkheads.begin(name, delivery.purpose)
    try:
        receipt = await provider.send(parcel.content, parcel.address, parcel.attempt, road.keep(name))
    except Unknown as error:
        lost(road, replace(delivery, **taken), parcel.attempt, provider, error.reason)
        if error.reason not in OURS and (rest := bulkheads.silent(name)):
            await road.store.pause(name, road.now() + timedelta(seconds=rest), "does not answer")
    except TryLater as error:
        if error.reason not in OURS:
            bulkheads.answered(name)
        await later(road, replace(delivery, **taken), parcel.attempt, provider, error)
    except (Refused, Unreachable) as error:
        bulkheads.answered(name)
        failed(road, replace(delivery, **taken), parcel.attempt, error)
    else:
        bulkheads.answered(name)
        accepted(road, delivery, taken, parcel.attempt, receipt, message=parcel.message, basis=parcel.basis)
    finally:
        bulkheads.end(name, delivery.purpose)


def route_fields(delivery: Delivery) -> dict[str, Any]:
    """Name the route taken, for the delivery's row."""
    return {"channel": delivery.channel, "provider": delivery.provider, "identity": delivery.identity}


def accepted(
    road: Road, delivery: Delivery, taken: Mapping[str, Any], attempt: Attempt | OpenAttempt, receipt: Receipt, *,
    message: Message | None = None, basis: Basis | None = None,
) -> None:  # fmt: skip
    """Have an acceptance settled: `message.sent` with the receipt's details.

    Args:
        taken: channel, provider and identity of the route.
    """
    now = road.now()
    told = {**taken, **receipt.details, "attempt": attempt.id, "provider_id": receipt.provider_id or ""}
    if delivery.expires is not None:
        told["expires"] = delivery.expires.isoformat()
    event = fact("message.sent", delivery, now, f"{attempt.id}:sent", told, message=message)
    details = json.dumps(receipt.details, ensure_ascii=False, default=str) if receipt.details else ""
    outcome = Outcome(attempt.id, "accepted", "", receipt.provider_id or "", details=details)
    settle_soon(
        road, delivery, State.SENT, "accepted", events=[event], outcome=outcome, provider_id=receipt.provider_id or "",
        attempts=attempt.number, basis=basis, **taken,
    )  # fmt: skip


async def later(road: Road, delivery: Delivery, attempt: Attempt, provider: Provider, error: TryLater) -> None:
    """Put a delivery back; a limit or an account's trouble lets the provider rest for every worker."""
    now = road.now()
    wait = error.retry_after if error.retry_after is not None else pause_after(attempt.number)
    _put_back(road, delivery, attempt, error.reason, now + timedelta(seconds=wait))  # first: the store may be away now
    limited = error.retry_after is not None and not error.alone
    if error.account or limited or error.reason == "not_connected":
        rest = max(wait, ACCOUNT_PAUSE) if error.account else wait
        await road.store.pause(provider_key(delivery.channel, provider), now + timedelta(seconds=rest), error.reason)


def _put_back(road: Road, delivery: Delivery, attempt: Attempt, reason: str, due: datetime) -> None:
    if attempt.resent:  # the first answer of this key is still lost: only the same key may ask again
        settle_soon(
            road, delivery, State.UNKNOWN, reason, due=due, outcome=Outcome(attempt.id, "unknown", reason),
            attempts=attempt.number, **route_fields(delivery),
        )  # fmt: skip
        return
    settle_soon(
        road, delivery, State.QUEUED, reason, due=_within(due, delivery, road.now()),
        outcome=Outcome(attempt.id, "later", reason, counts=False), attempts=attempt.number,
    )  # fmt: skip


def pause_after(number: int) -> float:
    """Give the seconds before the next try: 30, 60, 120 … at most an hour."""
    return min(FIRST_PAUSE * 2.0 ** min(max(number - 1, 0), 10), LONGEST_PAUSE)


def _within(due: datetime, delivery: Delivery, now: datetime) -> datetime:
    return due if delivery.expires is None else max(min(due, delivery.expires), now)


def failed(road: Road, delivery: Delivery, attempt: Attempt, error: DeliveryError) -> None:
    """Leave this route for good; the next one is judged at once, before what came after it in its lane.

    What was handed over before, with its answer lost, may have arrived: no other route follows it.
    """
    now = road.now()
    events: list[Event] = []
    if isinstance(error, Unreachable):
        told = {"attempt": attempt.id, "reason": error.reason, "suppress": error.reason, "hard": True}
        events.append(fact("message.bounced", delivery, now, f"{attempt.id}:bounced", told))
        if error.opt_out:
            said = {"channel": delivery.channel, "purpose": "marketing", "topic": "*", "reason": error.reason}
            events.append(Event(f"{attempt.id}:optout", SOURCE, "consent.withdrawn", now, delivery.customer, said))
    name = "unreachable" if events else "refused"
    if attempt.resent or delivery.flagged:
        events.append(fact("message.failed", delivery, now, f"{attempt.id}:failed", {"reason": "answer_lost"}))
        outcome = Outcome(attempt.id, "unknown" if attempt.resent else name, error.reason, counts=attempt.resent)
        settle_soon(
            road,
            delivery,
            State.FAILED,
            "answer_lost",
            events=events,
            outcome=outcome,
            attempts=attempt.number,
            **route_fields(delivery),
        )
        return
    outcome = Outcome(attempt.id, name, error.reason, counts=False)
    tried = (*delivery.tried, tried_key(delivery.channel, delivery.provider, delivery.identity))
    settle_soon(
        road,
        delivery,
        State.QUEUED,
        error.reason,
        due=delivery.due,
        events=events,
        outcome=outcome,
        tried=tried,
        attempts=attempt.number,
    )


def lost(road: Road, delivery: Delivery, attempt: Attempt | OpenAttempt, provider: Provider, reason: str) -> None:
    """Admit a lost answer: `unknown`, looked at again as the provider's idempotency allows."""
    now = road.now()
    event = fact("message.unknown", delivery, now, f"{attempt.id}:unknown", {"attempt": attempt.id, "reason": reason})
    due = now + timedelta(seconds=FIRST_LOOK[provider.idempotency])
    settle_soon(
        road, delivery, State.UNKNOWN, reason, due=due, events=[event], outcome=Outcome(attempt.id, "unknown", reason),
        faults=0, attempts=attempt.number, **route_fields(delivery),
    )  # fmt: skip
