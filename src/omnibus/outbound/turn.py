"""IN TURN: who may go now by what the providers take, at once and in a second, and when the others come back."""

from __future__ import annotations

from datetime import timedelta

from omnibus.model.delivery import Delivery
from omnibus.model.message import URGENT
from omnibus.outbound.prepare import Chosen, Preparation, waiting

MOMENT = 2.0  # seconds until the next look at what finds no room with its provider


async def in_turn(preparation: Preparation, chosen: list[Chosen]) -> list[Chosen]:
    """Keep those whose provider has room, and a token of its rate; nothing was tried of the others, they wait for their turn."""
    return await _by_rate(preparation, _by_room(preparation, chosen))


def _by_room(preparation: Preparation, chosen: list[Chosen]) -> list[Chosen]:
    """Leave out what would wait for a provider that does not answer; what is urgent goes, and is what it is asked by."""
    bulkheads = preparation.road.bulkheads
    room = {name: bulkheads.room(name) for name in {each.route.name for each in chosen}}
    if all(left >= len(chosen) for left in room.values()):
        return chosen
    may = []
    for each in chosen:
        room[each.route.name] -= 1
        if room[each.route.name] >= 0 or each.delivery.purpose == URGENT:
            may.append(each)
        else:
            _wait(preparation, each.delivery, MOMENT)
    return may


async def _by_rate(preparation: Preparation, chosen: list[Chosen]) -> list[Chosen]:
    """Leave out those for whom there is no token; a provider that rests since tokens were taken for it voids them."""
    rates = preparation.road.rates
    if not rates or not chosen:
        return chosen
    rates.void(preparation.pauses)
    asked = [(each.route.name, each.delivery.purpose == URGENT) for each in chosen]
    may = []
    for each, wait in zip(chosen, await rates.ask(asked), strict=True):
        if wait:
            _wait(preparation, each.delivery, wait)
        else:
            may.append(each)
    return may


def _wait(preparation: Preparation, delivery: Delivery, seconds: float) -> None:
    due = preparation.now + timedelta(seconds=seconds)
    due = due if delivery.expires is None else min(due, delivery.expires)
    preparation.settle(preparation.road, delivery, waiting(delivery), "waits for its turn", due=due)
