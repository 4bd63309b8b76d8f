"""WHY: the whole decision of a delivery, as it was written down."""

from __future__ import annotations

import json
from typing import Any

from omnibus.errors import NotFound
from omnibus.model.delivery import Delivery
from omnibus.store import Store


async def find(store: Store, id_: str) -> Delivery:
    """Read a delivery.

    Raises:
        NotFound: there is none of this id.
    """
    found = await store.delivery(id_)
    if found is None:
        raise NotFound(f"no delivery {id_}", fix="`omnibus timeline CUSTOMER` lists them")
    return found


async def why(store: Store, id_: str) -> dict[str, Any]:
    """Tell every policy's verdict, the consent that allowed it, route and attempts; raises as ``find``."""
    found = await find(store, id_)
    return {
        "delivery": found.id, "message": found.message, "customer": found.customer, "purpose": found.purpose,
        "state": found.state.value, "reason": found.reason, "accepted": found.accepted, "expires": found.expires,
        "via": found.via, "channel": found.channel, "provider": found.provider, "flagged": found.flagged,
        "decisions": [{"at": at, **json.loads(body)} for at, body in await store.decisions(found.id)],
        "attempts": [
            {"id": each.id, "number": each.number, "route": f"{each.channel}/{each.provider}", "started": each.started,
             "outcome": each.outcome or "open", "reason": each.reason, "points": each.points, "ended": each.ended}
            for each in await store.attempts(found.id)
        ],
    }  # fmt: skip
