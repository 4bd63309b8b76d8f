"""What waits of a stopped campaign, and its end: by index and in its order, a page in one statement."""

from __future__ import annotations

from collections.abc import Sequence

from omnibus.model.campaign import STOPPED
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.campaigns import OURS
from omnibus.stores.postgres.engine import Connection, Surprise
from omnibus.stores.postgres.standing import batch, listed
from omnibus.stores.rows import DELIVERY, event_row, read_delivery

_UNDONE = f"SELECT {DELIVERY} FROM delivery WHERE {OURS} AND state IN ('queued', 'held') AND lease IS NULL ORDER BY due"
UNDONE, UNDONE_LAST = f"{_UNDONE} LIMIT %(limit)s", f"{_UNDONE} DESC LIMIT %(limit)s"
DROP = f"""
WITH ok AS MATERIALIZED (
  SELECT u.*, d.place
  FROM {sql.rows("id text, customer text, source text, event text, type text, time bigint, data text, heard int")}
  CROSS JOIN LATERAL (SELECT d.ctid AS place FROM delivery d WHERE d.customer = u.customer AND d.id = u.id
    AND d.state IN ('queued', 'held') AND d.lease IS NULL OFFSET 0) d
), told AS (
  INSERT INTO event (source, id, type, time, subject, data, heard)
  SELECT source, event, type, time, customer, data, heard FROM ok ORDER BY n ON CONFLICT DO NOTHING
), gone AS (
  UPDATE delivery d SET state = 'dropped', reason = '{STOPPED}', due = NULL, watched = 0
  FROM ok WHERE d.ctid = ok.place RETURNING 1
) SELECT (SELECT count(*) FROM ok), (SELECT count(*) FROM gone)
"""


async def undone(db: Connection, origin: str, limit: int, *, last: bool) -> list[Delivery]:
    """List what waits in nobody's hands."""
    found = await db.execute(UNDONE_LAST if last else UNDONE, {"origin": origin, "limit": limit})
    return [read_delivery(row) for row in await found.fetchall()]


async def drop(db: Connection, facts: Sequence[tuple[Delivery, Event]], stirring: frozenset[str]) -> int:
    """Drop a page of what waits: their lanes are locked, so nobody takes them in hand meanwhile.

    Raises:
        Surprise: a row was not where it was found; the whole call runs again.
    """
    told = []
    for each, event in facts:
        source, id_, type_, time, _, data, heard = event_row(event, int(event.type not in stirring))
        told.append((each.id, each.customer, source, id_, type_, time, data, heard))
    lanes = sorted({row[1] for row in told})
    await db.execute(sql.LOCK_LANES, (lanes,))
    gone = await batch(db, DROP, told)
    await db.execute(sql.REFRESH_LANES, (listed(lanes),))
    found, moved = await gone.fetchone() if gone is not None else (0, 0)
    if found != moved:
        raise Surprise
    return int(moved)
