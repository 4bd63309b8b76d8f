"""IN TURN: who may go now by what the providers allow in a second, and when the others come back."""

from __future__ import annotations

from datetime import timedelta

from omnibus.model.message import Purpose
from omnibus.outbound.prepare import Chosen, Preparation, waiting

URGENT = Purpose.TRANSACTIONAL.value


async def in_turn(desk: Preparation, chosen: list[Chosen]) -> list[Chosen]:
    """Keep those who get a token of their provider's rate; nothing was tried of the others, they wait for their turn.

    A provider that rests since tokens were taken for it voids them.
    """
    rates = desk.road.rates
    if not rates or not chosen:
        return chosen
    rates.void(desk.pauses)
    asked = [(each.route.name, each.delivery.purpose == URGENT) for each in chosen]
    may = []
    for each, wait in zip(chosen, await rates.ask(asked), strict=True):
        if not wait:
            may.append(each)
            continue
        delivery, due = each.delivery, desk.now + timedelta(seconds=wait)
        due = due if delivery.expires is None else min(due, delivery.expires)
        desk.settle(desk.road, delivery, waiting(delivery), "waits for its turn", due=due)
    return may
