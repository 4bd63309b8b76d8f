"""Campaigns: the list, the chunk, the cursor, pause and stop.

Locks, in the order of everything here: the campaign's row, then lanes by customer. Whoever expands or steers holds the
row, so no delivery of a campaign is made while it is paused, and no two workers hand the same chunk out. Whoever steers
waits for the attempts that are being committed, as for a provider that rests, so that none is once it answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from omnibus.model.campaign import FOREVER, PAUSED, STEERING, STEP, STOPPED, Campaign, Chunk, Progress, Standing
from omnibus.model.customer import PUBLIC
from omnibus.model.delivery import WAITING
from omnibus.stores.postgres import shelf
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.accepting import spread
from omnibus.stores.postgres.engine import Connection
from omnibus.stores.postgres.standing import listed
from omnibus.stores.pruned import PRUNED, PRUNED_TALLIES, sums_of
from omnibus.stores.rolls import (
    ASLEEP,
    CAMPAIGN,
    ENDED,
    MOST,
    OPEN,
    SUMS,
    TAKING,
    WAKING,
    add_up,
    campaign_row,
    first_id,
    read_campaign,
    rest_row,
)
from omnibus.stores.schema import to_micros
from omnibus.stores.texts import storable

LONGEST = 600.0  # seconds for what goes over all of a campaign, or over everybody
LONG = "SET LOCAL statement_timeout = '10min'"
#: by index and in its order: until a fresh outbox is analysed, the planner would read and sort all of it for each page
ORDERLY = "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"
READ = f"SELECT {CAMPAIGN} FROM campaign WHERE name = %s"
LIST = f"SELECT {CAMPAIGN} FROM campaign WHERE %s IN ('', name) ORDER BY launched DESC, name"
SOON = (
    f"SELECT {CAMPAIGN}, (SELECT count(*) FROM (SELECT FROM delivery WHERE origin = 'campaign:' || campaign.name"
    f" AND origin <> '' AND due IS NOT NULL AND due <= %s LIMIT {MOST}) AS d), {ASLEEP} FROM campaign"
    f" WHERE {OPEN} ORDER BY launched, name"
)
INSERT = f"INSERT INTO campaign ({CAMPAIGN}) VALUES ({', '.join(['%s'] * 16)})"
ENLIST = (
    "INSERT INTO recipient (campaign, customer, step, expanded) SELECT %s, u.customer, %s, 0 FROM"
    " unnest(%s::text[]) AS u(customer) ORDER BY u.customer ON CONFLICT DO NOTHING RETURNING customer"
)
_REACHABLE = f"created <= %s AND NOT starts_with(id, '{PUBLIC}')"
EVERYBODY = f'SELECT count(*) FROM customer WHERE "into" IS NULL AND {_REACHABLE}'
LISTED = "SELECT count(*) FROM recipient WHERE campaign = %s"
BEGIN = "UPDATE campaign SET standing = 'running', recipients = %s, digest = %s, rejected = %s WHERE name = %s"

# ---- a chunk

PAGE_OF_ALL = f'SELECT id, "into" FROM customer WHERE id > %s AND {_REACHABLE} ORDER BY id LIMIT %s'
PAGE_OF_LIST = (
    'SELECT r.customer, c."into" FROM recipient r LEFT JOIN customer c ON c.id = r.customer'
    " WHERE r.campaign = %s AND r.customer > %s AND r.step = %s AND r.expanded = 0 ORDER BY r.customer LIMIT %s"
)
REACH = (  # gives whom nobody reached before: the key (campaign, customer, step) decides
    "INSERT INTO recipient AS r (campaign, customer, step, expanded) SELECT %s, u.customer, %s, 1 FROM"
    " unnest(%s::text[]) AS u(customer) ORDER BY u.customer ON CONFLICT (campaign, customer, step)"
    " DO UPDATE SET expanded = 1 WHERE r.expanded = 0 RETURNING customer"
)
MOVE = "UPDATE campaign SET cursor = %s, whole = %s, recipients = %s, expanded = %s, accepted = accepted + %s WHERE name = %s"

# ---- pause, resume, stop

STEER = "UPDATE campaign SET standing = %s, changed = %s, reason = %s WHERE name = %s"
REST = (
    "INSERT INTO pause (provider, until, reason) VALUES (%s, %s, %s) ON CONFLICT (provider)"
    " DO UPDATE SET until = excluded.until, reason = excluded.reason"
)
RESTS = "SELECT until FROM pause WHERE provider = %s"
WORK = "DELETE FROM pause WHERE provider = %s"
OURS = "origin = %(origin)s AND origin <> '' AND due IS NOT NULL"  # literally what the index `delivery_origin` asks for
_UNSENT = "NOT EXISTS (SELECT FROM attempt a WHERE a.customer = delivery.customer AND a.delivery = delivery.id AND a.outcome = '')"
#: a worker has it, and no request of it may have left: nothing that is under way is ever taken back
_TAKEN = f"lease IS NOT NULL AND state = 'sending' AND {_UNSENT}"
_SLEEPS = f"state IN ('held', 'unknown') AND reason = '{PAUSED}' AND lease IS NULL"
IN_HAND = f"SELECT id, customer FROM delivery WHERE origin = %(origin)s AND {_TAKEN}"
#: what does not follow yet, the furthest from it first
BEHIND = {
    Standing.PAUSED: f"SELECT id, customer FROM delivery WHERE {OURS} AND state IN ('queued', 'held') AND lease IS NULL"
    " AND due <= %(now)s ORDER BY due LIMIT %(limit)s",
    Standing.RUNNING: f"SELECT id, customer FROM delivery WHERE {OURS} AND {_SLEEPS} AND due > %(now)s"
    " ORDER BY due DESC LIMIT %(limit)s",
}
_THESE = "customer = ANY(%(lanes)s) AND id = ANY(%(ids)s)"
_FREE = "lease = NULL, lease_until = NULL"
HOLD = (  # its deadline holds
    f"UPDATE delivery SET {_FREE}, state = 'held', reason = '{PAUSED}', due = coalesce(expires, {to_micros(FOREVER)})"
    f" WHERE {_THESE} AND state IN ('queued', 'held', 'sending') AND {_UNSENT}"
)
STOP = f"UPDATE delivery SET {_FREE}, state = 'held', reason = '{STOPPED}', due = %(now)s WHERE {_THESE} AND {_TAKEN}"
QUEUE = f"UPDATE delivery SET {_FREE}, state = 'queued', due = %(now)s WHERE {_THESE} AND {_TAKEN}"
WAKE = f"UPDATE delivery SET due = %(now)s WHERE {_THESE} AND {_SLEEPS}"
END = (
    f"UPDATE pause SET until = %(ended)s WHERE provider = %(origin)s AND NOT EXISTS (SELECT FROM delivery WHERE {OURS}"
    f" AND state IN ({', '.join(repr(each.value) for each in sorted(WAITING))}))"
)


async def _one(db: Connection, name: str, lock: str = "") -> Campaign | None:
    row = await (await db.execute(READ + lock, (name,))).fetchone()
    return None if row is None else read_campaign(row)


async def _read(db: Connection, name: str) -> Campaign:
    found = await _one(db, name)
    if found is None:  # its row is locked by whoever asks: it cannot be gone
        raise LookupError(name)
    return found


async def enrol(db: Connection, campaign: Campaign) -> Campaign:
    """Write a campaign down, or give the one that bears this name."""
    found = await _one(db, campaign.name, " FOR UPDATE")
    if found is not None and found.standing is not Standing.LOADING:
        return found
    await _strike(db, campaign.name)
    await db.execute(INSERT, campaign_row(campaign))
    return campaign


async def _strike(db: Connection, name: str) -> None:
    async with db.pipeline():
        await db.execute(LONG)
        await db.execute("DELETE FROM recipient WHERE campaign = %s", (name,))
        await db.execute("DELETE FROM campaign WHERE name = %s", (name,))


async def _loads(db: Connection, campaign: Campaign) -> bool:
    found = await _one(db, campaign.name, " FOR UPDATE")
    return found is not None and found.id == campaign.id and found.standing is Standing.LOADING


async def strike(db: Connection, campaign: Campaign) -> None:
    """Take a campaign off that is still loading."""
    if await _loads(db, campaign):
        await _strike(db, campaign.name)


async def enlist(db: Connection, campaign: Campaign, customers: Sequence[str]) -> list[bool | None]:
    """Put customers on the list, as who they are now."""
    if not await _loads(db, campaign):
        return []
    now = dict(await (await db.execute(sql.CANONICAL, (storable(set(customers)),))).fetchall())
    people = sorted({each for each in now.values() if not each.startswith(PUBLIC)})
    cursor = await db.execute(ENLIST, (campaign.name, STEP, people))
    fresh = {row[0] for row in await cursor.fetchall()}
    answers: list[bool | None] = []
    for each in customers:
        who = now.get(each, PUBLIC)
        answers.append(None if who.startswith(PUBLIC) else who in fresh)
        fresh.discard(who)  # the second time it is on the list already
    return answers


async def begin(db: Connection, campaign: Campaign) -> Campaign | None:
    """Count the recipients and let it run."""
    if not await _loads(db, campaign):
        return None
    await db.execute(LONG)
    everybody = campaign.source == "all"
    counted = await db.execute(
        *((EVERYBODY, (to_micros(campaign.launched),)) if everybody else (LISTED, (campaign.name,)))
    )
    row = await counted.fetchone()
    await db.execute(BEGIN, (row[0] if row else 0, campaign.digest, campaign.rejected, campaign.name))
    return await _read(db, campaign.name)


async def campaigns(db: Connection, name: str, soon: datetime | None) -> list[Campaign]:
    """List campaigns."""
    cursor = await (db.execute(LIST, (name,)) if soon is None else db.execute(SOON, (to_micros(soon),)))
    return [read_campaign(row) for row in await cursor.fetchall()]


async def expand(db: Connection, chunk: Chunk) -> Campaign | None:
    """Insert the deliveries of the next customers and move the cursor; None while another worker expands.

    Raises:
        Surprise: one of them was merged meanwhile; the whole call runs again.
    """
    found = await _one(db, chunk.campaign.name, " FOR UPDATE SKIP LOCKED")
    if found is None or found.standing is not Standing.RUNNING or found.whole or found.cursor != chunk.campaign.cursor:
        return None
    page = await _page(db, found, chunk.size)
    merged = [customer for customer, into in page if into is not None]
    now = dict(await (await db.execute(sql.CANONICAL, (merged,))).fetchall()) if merged else {}
    people = sorted({now.get(customer, customer) for customer, _ in page})
    cursor = await db.execute(REACH, (found.name, STEP, people))
    fresh = sorted(row[0] for row in await cursor.fetchall())
    await _accept(db, chunk, fresh)
    whole, expanded = len(page) < chunk.size, found.expanded + len(fresh)
    recipients = expanded if whole else max(found.recipients, expanded)  # some were merged since they were counted
    last = page[-1][0] if page else found.cursor
    accepted = len(fresh) * len(chunk.templates)
    await db.execute(MOVE, (last, int(whole), recipients, expanded, accepted, found.name))
    return await _read(db, found.name)


async def _page(db: Connection, campaign: Campaign, size: int) -> list[tuple[str, str | None]]:
    """Read the next customers after the cursor, by key; those merged since lead to who they are now."""
    if campaign.source == "all":
        cursor = await db.execute(PAGE_OF_ALL, (campaign.cursor, to_micros(campaign.launched), size))
    else:
        cursor = await db.execute(PAGE_OF_LIST, (campaign.name, campaign.cursor, STEP, size))
    return await cursor.fetchall()


async def _accept(db: Connection, chunk: Chunk, customers: Sequence[str]) -> None:
    """Insert what a chunk's customers get: what they share travels once."""
    if customers:
        ids = chunk.ids[: len(customers) * len(chunk.templates)]
        await spread(db, chunk.templates, [(each, each) for each in customers], ids)


async def steer(db: Connection, name: str, standing: Standing, now: datetime, reason: str) -> Campaign | None:
    """Pause, resume or stop."""
    found = await _one(db, name, " FOR UPDATE")
    if found is None or standing not in STEERING[found.standing]:
        return found
    await shelf.still(db, found.origin)
    async with db.pipeline():
        await db.execute(STEER, (standing.value, to_micros(now), reason, name))
        await db.execute(REST, rest_row(found, standing))
    return await _read(db, name)


async def follow(db: Connection, name: str, now: datetime, limit: int) -> int:
    """Let a page follow, and what workers have in their hands: they looked, perhaps, before it was steered."""
    found = await _one(db, name, " FOR UPDATE")
    rest = None if found is None else await (await db.execute(RESTS, (found.origin,))).fetchone()
    if found is None or rest is None or rest[0] == ENDED:
        return 0
    await db.execute(ORDERLY)
    given: dict[str, Any] = {"origin": found.origin, "now": to_micros(now), "limit": limit}
    if found.standing is Standing.STOPPED:
        moved = await _move(db, [IN_HAND], STOP, given)
        if not moved:
            await db.execute(END, {**given, "ended": ENDED})
        return moved
    if found.standing is Standing.PAUSED:
        return await _move(db, [IN_HAND, BEHIND[Standing.PAUSED]], HOLD, given)
    if rest[0] == TAKING:
        await db.execute(REST, (found.origin, WAKING, PAUSED))
        return await _move(db, [IN_HAND], QUEUE, given) + 1
    moved = await _move(db, [BEHIND[Standing.RUNNING]], WAKE, given)
    if not moved:
        await db.execute(WORK, (found.origin,))
    return moved


async def _move(db: Connection, which: Sequence[str], act: str, given: dict[str, Any]) -> int:
    """Lock the lanes, move the deliveries, let the lanes follow; whoever had one in hand has lost the lease then."""
    rows = [row for each in which for row in await (await db.execute(each, given)).fetchall()]
    if not rows:
        return 0
    lanes, ids = sorted({row[1] for row in rows}), [row[0] for row in rows]
    async with db.pipeline():
        await db.execute(sql.LOCK_LANES, (lanes,))
        await db.execute(act, {**given, "lanes": lanes, "ids": ids})
        await db.execute(sql.REFRESH_LANES, (listed(lanes),))
    return len(rows)


async def progress(db: Connection, name: str) -> Progress | None:
    """Add a campaign up; called inside one snapshot, so that the sums are of one moment."""
    found = await _one(db, name)
    if found is None:
        return None
    await db.execute(LONG)
    cursor = await db.execute(SUMS.format(mark="%s"), (first_id(found), found.origin))
    tallies = await db.execute(PRUNED_TALLIES.format(mark="%s"), (len(PRUNED), PRUNED))
    return add_up(found, [*await cursor.fetchall(), *sums_of(await tallies.fetchall(), found.origin)])
