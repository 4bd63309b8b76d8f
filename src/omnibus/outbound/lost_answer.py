"""LOST ANSWER: what becomes of an `unknown`. Never guessed, never another provider.

Source: reference of lost answers (docs/concepts/lost-answers.md): by declared idempotency first, then by purpose.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from omnibus.errors import DeliveryError
from omnibus.model.attempt import Absent, Attempt
from omnibus.model.delivery import Delivery, State
from omnibus.model.message import Purpose
from omnibus.outbound.hand_over import accepted, lost, route_fields
from omnibus.outbound.resolve import provider_key
from omnibus.outbound.road import Road, fact, settle_soon
from omnibus.provider import Provider
from omnibus.store import OpenAttempt, Outcome

#: seconds until the next look, after each look that told nothing
LOOKS = (120.0, 600.0)
NOT_MADE = "not_made"  # outcome of an attempt that was committed, and that nobody acted on
KEY_SAFETY = 0.8  # share of a key's window within which it is used again


async def look(road: Road, delivery: Delivery) -> Delivery | None:
    """Look at an unknown delivery whose time has come; gives it back when the same key shall be handed over again."""
    attempts = await road.store.attempts(delivery.id)
    last = attempts[-1] if attempts else None
    provider = road.provider(last.channel, delivery.audience, last.provider) if last else None
    if last is None or provider is None:
        give_up(road, delivery, last)
        return None
    if last.outcome == NOT_MADE:  # whoever committed it lost the store before handing over, and said so too late
        settle_soon(road, delivery, State.QUEUED, NOT_MADE, due=road.now())
        return None
    if last.outcome == "":  # a worker died between the commit and the answer
        lost(road, _taken(delivery, last), last, provider, "worker died")
        return None
    match provider.idempotency:
        case "key":
            old = (road.now() - last.started).total_seconds()
            if provider.key_window == 0 or old <= KEY_SAFETY * provider.key_window:
                return _taken(delivery, last)
            resolve_by_purpose(road, delivery, last)
        case "lookup":
            await _ask(road, delivery, last, provider)
        case _:
            resolve_by_purpose(road, delivery, last)
    return None


def _taken(delivery: Delivery, last: OpenAttempt) -> Delivery:
    return replace(delivery, channel=last.channel, provider=last.provider, identity=last.identity)


async def _ask(road: Road, delivery: Delivery, last: OpenAttempt, provider: Provider) -> None:
    context = road.timeline.context((await road.store.load([delivery.customer]))[delivery.customer])
    identity = next((each for each in context.customer.identities if each.ref == last.identity), None)
    attempt = Attempt(
        last.id, delivery.id, delivery.customer, last.number, Purpose(delivery.purpose), last.started, road.deadline,
        message=delivery.message,
    )  # fmt: skip
    keep = road.keep(provider_key(last.channel, provider))
    try:
        async with asyncio.timeout(road.deadline):
            found = await provider.lookup(attempt, identity.value if identity else "", keep)
    except DeliveryError as error:
        _later(road, delivery, last, error.reason)
        return
    except Exception as error:  # noqa: BLE001 - a fault or a deadline tells nothing, and stops nobody else
        _later(road, delivery, last, f"fault:{type(error).__name__}")
        return
    if isinstance(found, Absent):
        outcome = Outcome(last.id, "absent", "the provider never got it", counts=False)
        settle_soon(road, delivery, State.QUEUED, "absent at the provider", due=road.now(), outcome=outcome)
    else:
        accepted(road, delivery, route_fields(_taken(delivery, last)), last, found)


def _later(road: Road, delivery: Delivery, last: OpenAttempt, reason: str) -> None:
    if delivery.faults >= len(LOOKS):
        resolve_by_purpose(road, delivery, last)
        return
    due = road.now() + timedelta(seconds=LOOKS[delivery.faults])
    settle_soon(road, delivery, State.UNKNOWN, f"lookup: {reason}", due=due, faults=delivery.faults + 1)


def resolve_by_purpose(road: Road, delivery: Delivery, last: OpenAttempt) -> None:
    """Resend a transactional message once, flagged; let anything else rest: silence rather than twice."""
    if delivery.purpose == Purpose.TRANSACTIONAL and not delivery.flagged and not expired(road, delivery):
        outcome = Outcome(last.id, "unknown", "resent once, flagged")
        settle_soon(
            road, delivery, State.QUEUED, "possible duplicate", due=road.now(), outcome=outcome, flagged=True, faults=0
        )
        return
    give_up(road, delivery, last)


def expired(road: Road, delivery: Delivery) -> bool:
    """Tell whether its deadline passed."""
    return delivery.expires is not None and road.now() >= delivery.expires


def give_up(road: Road, delivery: Delivery, last: OpenAttempt | None) -> None:
    """End as failed(answer_lost); its points stay spent, for the person may have got it."""
    id_ = f"{last.id if last else delivery.id}:failed"
    event = fact("message.failed", delivery, road.now(), id_, {"reason": "answer_lost"})
    closed = Outcome(last.id, "unknown", "answer_lost") if last and last.outcome == "" else None
    settle_soon(road, delivery, State.FAILED, "answer_lost", events=[event], outcome=closed)
