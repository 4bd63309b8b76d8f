"""TAKE OFF: withdraw what is on show and lost its reason, or passed its deadline."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from omnibus.errors import DeliveryError, TryLater, Unknown
from omnibus.model.attempt import Receipt
from omnibus.model.delivery import Delivery, State
from omnibus.outbound.hand_over import pause_after
from omnibus.outbound.resolve import provider_key
from omnibus.outbound.road import Road, fact, settle_soon


async def take_off(road: Road, delivery: Delivery) -> None:
    """Ask the provider to take it off; harmless to ask twice."""
    now = road.now()
    provider = road.provider(delivery.channel, delivery.audience, delivery.provider)
    why = "a premise no longer holds" if delivery.withdraw else "its deadline passed"
    keep = road.keep(provider_key(delivery.channel, provider)) if provider else None
    try:
        if provider is not None and keep is not None:
            async with asyncio.timeout(road.deadline):
                await provider.withdraw(Receipt(delivery.provider_id or None), keep)
    except (TryLater, Unknown) as error:
        _again(road, delivery, getattr(error, "retry_after", None))
        return
    except DeliveryError as error:
        event = fact("message.failed", delivery, now, f"{delivery.id}:not-withdrawn", {"reason": error.reason})
        settle_soon(
            road, delivery, delivery.state, f"accepted; could not be withdrawn: {error.reason}", events=[event],
            withdraw=False,
        )  # fmt: skip
        return
    except Exception:  # noqa: BLE001 - a provider's fault stops nobody else; it is asked again, ever more rarely
        _again(road, delivery, None)
        return
    event = fact("message.withdrawn", delivery, now, f"{delivery.id}:withdrawn", {"reason": why})
    settle_soon(road, delivery, State.WITHDRAWN, why, events=[event], withdraw=False)


def _again(road: Road, delivery: Delivery, wait: float | None) -> None:
    faults = delivery.faults + 1
    due = road.now() + timedelta(seconds=wait or pause_after(faults))
    settle_soon(road, delivery, delivery.state, delivery.reason, due=due, faults=faults, withdraw=delivery.withdraw)
