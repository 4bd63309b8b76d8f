"""Keep the hot tables small: finished deliveries go page by page, and stay in the accounts."""

from __future__ import annotations

from datetime import datetime

from omnibus.model.delivery import FINAL
from omnibus.model.rate import AHEAD, Rate
from omnibus.stores.postgres.engine import Connection, Engine
from omnibus.stores.postgres.standing import batch, packed
from omnibus.stores.postgres.statements import CLOCK, COUNT, rows
from omnibus.stores.pruned import Removed, next_page
from omnibus.stores.rolls import OVER
from omnibus.stores.schema import to_micros
from omnibus.upkeep import Block, Pruned, Upkeep

_FINAL = sorted(each.value for each in FINAL)
_PRUNING = "SELECT pg_try_advisory_xact_lock(7307, 1)"
_PAGE = "SELECT id, accepted, data::json->>'key', customer FROM delivery WHERE id > %s ORDER BY id LIMIT %s"
_LOCK_IDLE = (
    "SELECT customer FROM lane WHERE customer = ANY(%s) AND lease IS NULL ORDER BY customer FOR UPDATE SKIP LOCKED"
)
_CUT = (
    f"DELETE FROM delivery d USING {rows('customer text, id text')} WHERE d.customer = u.customer AND d.id = u.id"
    " AND d.state = ANY(%s) AND d.due IS NULL AND d.lease IS NULL AND d.watched = 0 AND d.accepted < %s"
    " AND coalesce(d.expires, 0) < %s AND NOT EXISTS (SELECT FROM attempt a WHERE a.customer = d.customer"
    " AND a.delivery = d.id AND (a.started >= %s OR a.outcome = ''))"
    " AND NOT EXISTS (SELECT FROM decision s WHERE s.delivery = d.id AND s.at >= %s)"
    " RETURNING d.customer, d.id, d.state, d.origin, d.reason, d.flagged, d.data::json->>'key'"
)
_CUT_ATTEMPTS = (
    f"DELETE FROM attempt a USING {rows('customer text, id text')} WHERE a.customer = u.customer AND a.delivery = u.id"
)
_CUT_DECISIONS = "DELETE FROM decision WHERE delivery = ANY(%s)"
_CUT_KEYS = "DELETE FROM sendkey WHERE key = ANY(%s)"
_CUT_HANDOVERS = "DELETE FROM handover WHERE expires < %s"
_CUT_LIST = (
    "DELETE FROM recipient r USING (SELECT campaign, customer, step FROM recipient WHERE campaign = %s ORDER BY customer"
    " LIMIT %s FOR UPDATE SKIP LOCKED) u WHERE r.campaign = u.campaign AND r.customer = u.customer AND r.step = u.step"
)
_NEW_RATE = "INSERT INTO rate (name, arrival) VALUES (%s, 0) ON CONFLICT DO NOTHING"
#: `Rate.take` as a statement
_TAKE = f"""
WITH r AS MATERIALIZED (SELECT arrival, coalesce(%(now)s::bigint, {CLOCK}) AS now FROM rate WHERE name = %(name)s FOR UPDATE),
b AS (SELECT greatest(arrival, now) AS arrival, now FROM r),
g AS (SELECT arrival, now, greatest(least(%(want)s, (now + %(burst)s * %(interval)s::bigint - arrival) / %(interval)s::bigint), 0) AS got
  FROM b)
UPDATE rate SET arrival = g.arrival + g.got * %(interval)s::bigint FROM g WHERE rate.name = %(name)s
RETURNING g.got, rate.arrival, g.now
"""
_VOID = f"UPDATE rate SET arrival = greatest(arrival, {CLOCK} + %s) WHERE name = %s"


class Keeping(Upkeep):
    """Keep a PostgreSQL store small; of several workers one prunes at a time."""

    engine: Engine

    async def prune(self, before: datetime, *, after: str = "", limit: int = 100) -> Pruned:
        """Remove the finished deliveries of the next page."""
        return await self.engine.write(lambda db: prune(db, to_micros(before), after, limit))

    async def tokens(self, name: str, rate: Rate, want: int, *, now: datetime | None = None) -> Block:
        """Take tokens of a rate, by the database's clock."""
        stamp = None if now is None else to_micros(now)
        return await self.engine.write(lambda db: tokens(db, name, rate, want, stamp))

    async def forget_keys(self, before: datetime, *, after: str = "", limit: int = 100) -> Pruned:
        """Remove the send keys of the next page."""
        return await self.engine.write(lambda db: forget_keys(db, to_micros(before), after, limit))


async def prune(db: Connection, before: int, after: str, limit: int) -> Pruned:
    """Remove the finished deliveries of the next page whose lanes are in nobody's hands; they go on being counted."""
    if not await _alone(db):
        return Pruned()
    found = await (await db.execute(_PAGE, (after, limit))).fetchall()
    old = {row[3] for row in found if row[1] < before}
    idle = {row[0] for row in await (await db.execute(_LOCK_IDLE, (sorted(old),))).fetchall()}
    wanted = [(row[3], row[0]) for row in found if row[3] in idle]
    cut = await db.execute(_CUT, (packed(wanted), _FINAL, before, before, before, before))
    page, gone = Removed(), list[tuple[str, str]]()
    for customer, id_, *told in await cut.fetchall():
        gone.append((customer, id_))
        page.add(*told)
    async with db.pipeline():
        await batch(db, _CUT_ATTEMPTS, gone)
        await db.execute(_CUT_DECISIONS, ([id_ for _, id_ in gone],))
        keys = await db.execute(_CUT_KEYS, (sorted(page.keys),))
        for name, count in sorted(page.tallies.items()):
            await db.execute(COUNT, (name, count))
    return Pruned(len(gone), keys.rowcount, next_page(found, before, limit))


async def forget_keys(db: Connection, before: int, after: str, limit: int) -> Pruned:
    """Remove the send keys of the next page of old deliveries."""
    if not await _alone(db):
        return Pruned()
    found = await (await db.execute(_PAGE, (after, limit))).fetchall()
    keys = sorted({row[2] for row in found if row[2] and row[1] < before})
    async with db.pipeline():
        gone = await db.execute(_CUT_KEYS, (keys,))
        await db.execute(_CUT_HANDOVERS, (before,))
    return Pruned(0, gone.rowcount, next_page(found, before, limit))


async def forget_lists(db: Connection, before: int, limit: int) -> int:
    """Remove a page of a list that nobody is expanded from again."""
    row = await (await db.execute(OVER.format(mark="%s"), (before, before))).fetchone()
    if row is None:
        return 0
    async with db.pipeline():
        gone = await db.execute(_CUT_LIST, (row[0], limit))
    return int(gone.rowcount)


async def _alone(db: Connection) -> bool:
    row = await (await db.execute(_PRUNING)).fetchone()
    return bool(row and row[0])


async def tokens(db: Connection, name: str, rate: Rate, want: int, now: int | None) -> Block:
    """Take what a rate has now, in one statement: its row is locked for no round trip but the commit's."""
    given = {"name": name, "now": now, "interval": rate.interval, "burst": rate.burst, "want": want}
    row = await (await db.execute(_TAKE, given)).fetchone()
    if row is None:  # asked for the first time
        await db.execute(_NEW_RATE, (name,))
        row = await (await db.execute(_TAKE, given)).fetchone()
    got, arrival, stamp = row or (0, 0, 0)
    return Block(got, rate.wait(arrival, stamp))


async def void(db: Connection, provider: str, seconds: float) -> None:
    """Let no token of a provider come before its pause ends."""
    await db.execute(_VOID, (int((seconds + AHEAD) * 1_000_000), provider))
