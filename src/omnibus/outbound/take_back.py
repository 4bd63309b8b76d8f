"""TAKE BACK: the app no longer wants what it asked for; what is on show is marked, and ``take_off`` withdraws it."""

from __future__ import annotations

from omnibus.errors import Conflict
from omnibus.model.delivery import SHOWN, Delivery, State
from omnibus.outbound.road import Road, fact
from omnibus.outbound.why import find
from omnibus.store import Change, Move
from omnibus.timeline import TRIES


async def take_back(road: Road, id_: str, reason: str) -> Delivery:
    """Drop a delivery that waits, mark one that can be taken off show; any other stays as it is.

    Returns:
        The delivery as it is then.

    Raises:
        NotFound: no such delivery.
        Conflict: the context kept moving.
    """
    for _ in range(TRIES):
        found = await find(road.store, id_)
        if found.state in SHOWN and not found.withdraw and road.withdrawable(found, found.channel):
            change = await _off(road, found)
        elif found.state in {State.QUEUED, State.HELD}:
            change = await _drop(road, found, reason)
        else:
            return found
        if (await road.store.put([change]))[0]:
            road.timeline.ring([found.customer])
            return await find(road.store, id_)
    raise Conflict("the context kept moving; try again")


async def _drop(road: Road, found: Delivery, reason: str) -> Change:
    loaded = (await road.store.load([found.customer]))[found.customer]
    event = fact("message.dropped", found, road.now(), f"{found.id}:dropped", {"reason": reason})
    return await road.timeline.fold(loaded, [event], moves=(Move(found.id, State.DROPPED, reason),))


async def _off(road: Road, found: Delivery) -> Change:
    loaded = (await road.store.load([found.customer]))[found.customer]
    return Change(loaded.customer.id, loaded.version, withdraw=(found.id,), now=road.now())
