"""What waits of a stopped campaign, and its end: a page in a few statements."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from omnibus.model.campaign import STOPPED
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.stores.rows import DELIVERY, event_row, read_delivery
from omnibus.stores.sqlite.campaigns import OURS, THESE
from omnibus.stores.sqlite.listing import EACH, listed
from omnibus.stores.sqlite.statements import DUES, EVENT_IN

_UNDONE = "state IN ('queued','held') AND lease IS NULL"
_DROP = (
    f"UPDATE delivery SET state='dropped', reason='{STOPPED}', due=NULL, watched=0 WHERE {THESE} AND {_UNDONE}"
    " RETURNING id, customer"
)
_LANES = f"UPDATE lane SET {DUES} WHERE customer IN (SELECT value FROM {EACH}(?))"


def undone(db: apsw.Connection, origin: str, limit: int, *, last: bool) -> list[Delivery]:
    """List what waits in nobody's hands."""
    way = "DESC" if last else "ASC"
    sql = f"SELECT {DELIVERY} FROM delivery WHERE {OURS} AND {_UNDONE} ORDER BY due {way} LIMIT ?"
    return [read_delivery(row) for row in db.execute(sql, (origin, limit))]


def drop(db: apsw.Connection, facts: Sequence[tuple[Delivery, Event]], stirring: frozenset[str]) -> int:
    """Drop a page of what waits."""
    told = {each.id: event_row(event, int(event.type not in stirring)) for each, event in facts}
    gone = list(db.execute(_DROP, (listed(list(told)),))) if told else []
    if gone:
        db.executemany(EVENT_IN, [told[row[0]] for row in gone])
        db.execute(_LANES, (listed(sorted({row[1] for row in gone})),))
    return len(gone)
