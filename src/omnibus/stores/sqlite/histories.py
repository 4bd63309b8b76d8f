"""Whole timelines of many customers in four statements, for folding them anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import apsw

from omnibus.model.event import Event
from omnibus.model.trace import History
from omnibus.store import decode_bodies
from omnibus.stores.rows import EVENT, in_order, read_events
from omnibus.stores.sqlite.listing import EACH, listed
from omnibus.stores.sqlite.loading import aliases, chain, now_called

MOST = 50_000  # events that are held at once; a single customer's timeline is read whole, however long
_IN = f"IN (SELECT value FROM {EACH}(?))"
_CONTEXT = f"SELECT customer, version, body FROM context WHERE customer {_IN}"
_EVENTS = f"SELECT {EVENT} FROM event WHERE subject {_IN} LIMIT ?"


def histories(db: apsw.Connection, ids: Sequence[str], most: int = MOST) -> dict[str, History]:
    """Read customers by the ids asked for: merged ids lead to who they are now, unknown ones are missing.

    Args:
        most: where there are more events than this, only the first of the customers are read.
    """
    who = now_called(db, ids)
    these = listed(list(dict.fromkeys(who.values())))
    merged = aliases(db, these)
    owner = {alias: id_ for id_ in dict.fromkeys(who.values()) for alias in chain(id_, merged)}
    limit = most if len(ids) > 1 else -1
    rows = db.execute(_EVENTS, (listed(list(owner)), limit)).fetchall()
    if len(rows) == limit:
        return histories(db, ids[: len(ids) // 2], most)
    told: defaultdict[str, list[Event]] = defaultdict(list)
    for event in read_events(in_order(rows)):
        told[owner[event.subject]].append(event)
    contexts = {row[0]: row for row in db.execute(_CONTEXT, (these,))}
    found: dict[str, History] = {}
    for asked, id_ in who.items():
        _, version, body = contexts.get(id_, (id_, 0, b""))
        found[asked] = History(id_, version, decode_bodies(body), told.get(id_, []))
    return found
