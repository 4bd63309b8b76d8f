"""Statements by which two customers become one, and two again."""

from __future__ import annotations

from collections.abc import Sequence

from omnibus.store import Change
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection, Stale
from omnibus.stores.postgres.loading import canonical
from omnibus.stores.postgres.sheet import Sheet, open_sheet
from omnibus.stores.postgres.standing import batch, listed

INTO = 'UPDATE customer SET "into" = %s WHERE id = %s AND "into" IS NULL'
APART = 'UPDATE customer SET "into" = NULL WHERE id = %s'
BELOW = (
    "WITH RECURSIVE down AS (SELECT id FROM customer WHERE id = %s UNION ALL SELECT c.id FROM down JOIN customer c"
    ' ON c."into" = down.id) SELECT id FROM down'
)
MOVE = tuple(f"UPDATE {each} SET customer = %s WHERE customer = %s" for each in ("identity", "delivery", "attempt"))
_NO_TWIN = "NOT EXISTS (SELECT FROM run o WHERE o.customer = %(to)s AND o.journey = r.journey AND o.entry = r.entry)"
MOVE_RUNS = f"UPDATE run r SET customer = %(to)s WHERE r.customer = %(of)s AND {_NO_TWIN}"
END_RUNS = (  # both went through the same journey for the same reason: one of them is enough
    "UPDATE run SET node = '', due = NULL, waiting = '[]', reason = 'merged', revision = revision + 1"
    " WHERE customer = %s AND node <> ''"
)
DROP_CONTEXT = "DELETE FROM context WHERE customer = %s"
GIVE_IDENTITIES = "UPDATE identity SET customer = %s WHERE customer = %s AND origin = ANY(%s)"
GIVE_DELIVERIES = "UPDATE delivery SET customer = %s WHERE customer = %s AND subject = ANY(%s)"
GIVE_ATTEMPTS = (
    "UPDATE attempt a SET customer = %s FROM delivery d WHERE a.customer = %s AND d.customer = %s AND d.id = a.delivery"
)
GIVE_RUNS = (
    f"UPDATE run r SET customer = %(to)s WHERE r.customer = %(of)s AND {_NO_TWIN} AND r.id IN"
    " (SELECT data::json->>'run' FROM event WHERE subject = ANY(%(own)s) AND type = 'journey.entered')"
)


async def merge(
    db: Connection, loser: str, winner: str, changes: Sequence[Change], stirring: frozenset[str]
) -> None:  # fmt: skip
    """Make *loser* an alias of *winner*; identities, waiting rows, attempts and runs move along.

    Raises:
        Stale: somebody was faster; the caller rolls back.
    """
    both = sorted((loser, winner))
    sheet = await _open(db, both, changes, stirring)
    _apply(sheet, changes)
    await sheet.write(db)
    joined = await db.execute(INTO, (winner, loser))
    async with db.pipeline():
        for each in MOVE:
            await db.execute(each, (winner, loser))
        await db.execute(MOVE_RUNS, {"to": winner, "of": loser})
        await db.execute(END_RUNS, (loser,))
        await db.execute(DROP_CONTEXT, (loser,))
        await db.execute(sql.REFRESH_LANES, (listed(both),))
    if joined.rowcount != 1:
        raise Stale


async def unmerge(db: Connection, loser: str, changes: Sequence[Change], stirring: frozenset[str]) -> None:
    """Remove the alias; what was the loser's goes back.

    Raises:
        Stale: it was no alias any more, or somebody was faster; the caller rolls back.
    """
    winner = (await canonical(db, [loser])).get(loser)
    if winner is None or winner == loser:
        raise Stale
    both = sorted((loser, winner))
    sheet = await _open(db, both, changes, stirring)
    if (await canonical(db, [loser])).get(loser) != winner:
        raise Stale
    await db.execute(APART, (loser,))
    sheet.present.add(loser)
    _apply(sheet, changes)
    await sheet.write(db)
    own = [row[0] for row in await (await db.execute(BELOW, (loser,))).fetchall()]
    async with db.pipeline():
        await db.execute(GIVE_IDENTITIES, (loser, winner, own))
        await db.execute(GIVE_DELIVERIES, (loser, winner, own))
        await db.execute(GIVE_ATTEMPTS, (loser, winner, loser))
        await db.execute(GIVE_RUNS, {"to": loser, "of": winner, "own": own})
        await db.execute(sql.REFRESH_LANES, (listed(both),))


async def _open(db: Connection, both: Sequence[str], changes: Sequence[Change], stirring: frozenset[str]) -> Sheet:
    await batch(db, sql.NEW_LANES, [(each,) for each in both])
    return await open_sheet(db, changes, stirring, lanes=both)


def _apply(sheet: Sheet, changes: Sequence[Change]) -> None:
    for change in changes:
        if not sheet.apply(change):
            raise Stale
