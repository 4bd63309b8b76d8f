"""Statements on campaigns: the list, the chunk, the cursor, pause and stop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from omnibus.model.campaign import FOREVER, PAUSED, STEERING, STEP, STOPPED, Campaign, Chunk, Progress, Standing
from omnibus.model.customer import PUBLIC
from omnibus.model.delivery import Delivery
from omnibus.stores.pruned import PRUNED, PRUNED_TALLIES, sums_of
from omnibus.stores.rolls import CAMPAIGN, MOST, SUMS, add_up, campaign_row, first_id, read_campaign
from omnibus.stores.rows import DELIVERY, read_delivery
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.accepting import TALLY, raise_lanes, spread
from omnibus.stores.sqlite.customers import canonical, refresh_lane
from omnibus.stores.sqlite.listing import EACH, listed

_REACHABLE = "created<=? AND substr(id, 1, 7)<>'public:'"
_REACHED = "SELECT 1 FROM recipient WHERE campaign=? AND customer=? AND step=? AND expanded=1"
_REACH = (
    f"INSERT INTO recipient (campaign, customer, step, expanded) SELECT ?1, value, ?2, 1 FROM {EACH}(?3) WHERE true"
    " ON CONFLICT (campaign, customer, step) DO UPDATE SET expanded=1"
)
_OURS = "origin=? AND origin<>'' AND due IS NOT NULL"  # literally what the index `delivery_origin` asks for
#: waits, and no request of it may have left: nothing that is under way is ever taken back
_IN_HAND = (
    "(state='queued' OR (state='held' AND due<=?) OR (state='sending' AND NOT EXISTS"
    " (SELECT 1 FROM attempt a WHERE a.delivery=delivery.id AND a.outcome='')))"
)


def _one(db: apsw.Connection, name: str) -> Campaign | None:
    row = db.execute(f"SELECT {CAMPAIGN} FROM campaign WHERE name=?", (name,)).fetchone()
    return None if row is None else read_campaign(row)


def enrol(db: apsw.Connection, campaign: Campaign) -> Campaign:
    """Write a campaign down, or give the one that bears this name."""
    found = _one(db, campaign.name)
    if found is not None and found.standing is not Standing.LOADING:
        return found
    db.execute("DELETE FROM recipient WHERE campaign=?", (campaign.name,))
    db.execute("DELETE FROM campaign WHERE name=?", (campaign.name,))
    db.execute(f"INSERT INTO campaign ({CAMPAIGN}) VALUES ({', '.join('?' * 16)})", campaign_row(campaign))
    return campaign


def _loads(db: apsw.Connection, campaign: Campaign) -> bool:
    sql = "SELECT 1 FROM campaign WHERE name=? AND id=? AND standing='loading'"
    return db.execute(sql, (campaign.name, campaign.id)).fetchone() is not None


def enlist(db: apsw.Connection, campaign: Campaign, customers: Sequence[str]) -> list[bool | None]:
    """Put customers on the list, as who they are now."""
    if not _loads(db, campaign):
        return []
    answers: list[bool | None] = []
    for each in customers:
        who = canonical(db, each)
        if who is None or who.startswith(PUBLIC):
            answers.append(None)
            continue
        sql = "INSERT INTO recipient (campaign, customer, step, expanded) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING"
        db.execute(sql, (campaign.name, who, STEP))
        answers.append(bool(db.changes()))
    return answers


def begin(db: apsw.Connection, campaign: Campaign) -> Campaign | None:
    """Count the recipients and let it run."""
    if not _loads(db, campaign):
        return None
    if campaign.source == "all":
        sql = f'SELECT count(*) FROM customer WHERE "into" IS NULL AND {_REACHABLE}'
        row = db.execute(sql, (to_micros(campaign.launched),)).fetchone()
    else:
        row = db.execute("SELECT count(*) FROM recipient WHERE campaign=?", (campaign.name,)).fetchone()
    db.execute(
        "UPDATE campaign SET standing='running', recipients=?, digest=?, rejected=? WHERE name=?",
        (row[0] if row else 0, campaign.digest, campaign.rejected, campaign.name),
    )
    return _one(db, campaign.name)


def campaigns(db: apsw.Connection, name: str, soon: datetime | None) -> list[Campaign]:
    """List campaigns."""
    if soon is None:
        where, given = ("WHERE name=?", (name,)) if name else ("", ())
        sql = f"SELECT {CAMPAIGN} FROM campaign {where} ORDER BY launched DESC, name"
        return [read_campaign(row) for row in db.execute(sql, given)]
    sql = (
        f"SELECT {CAMPAIGN}, (SELECT count(*) FROM (SELECT 1 FROM delivery WHERE origin='campaign:' || campaign.name"
        f" AND origin<>'' AND due IS NOT NULL AND due<=? LIMIT {MOST})) FROM campaign WHERE standing='running' AND whole=0"
        " ORDER BY launched, name"
    )
    return [read_campaign(row) for row in db.execute(sql, (to_micros(soon),))]


def expand(db: apsw.Connection, chunk: Chunk) -> Campaign | None:
    """Insert the deliveries of the next customers and move the cursor."""
    found = _one(db, chunk.campaign.name)
    if found is None or found.standing is not Standing.RUNNING or found.whole or found.cursor != chunk.campaign.cursor:
        return None
    page = _page(db, found, chunk.size)
    fresh = _call(db, found, page)
    accepted = _accept(db, chunk, fresh) if fresh else 0
    whole = len(page) < chunk.size
    expanded = found.expanded + len(fresh)
    recipients = expanded if whole else max(found.recipients, expanded)  # some were merged since they were counted
    db.execute(
        "UPDATE campaign SET cursor=?, whole=?, recipients=?, expanded=?, accepted=accepted+? WHERE name=?",
        (
            page[-1][0] if page else found.cursor, int(whole), recipients, expanded, accepted, found.name,
        ),
    )  # fmt: skip
    return _one(db, found.name)


def _page(db: apsw.Connection, campaign: Campaign, size: int) -> list[tuple[str, str | None, int | None]]:
    """Read the next customers after the cursor, by key: who they were merged into since, and whether they were reached."""
    if campaign.source == "all":
        sql = (
            'SELECT c.id, c."into", r.expanded FROM customer c LEFT JOIN recipient r ON r.campaign=?1 AND r.customer=c.id'
            " AND r.step=?2 WHERE c.id>?3 AND c.created<=?4 AND substr(c.id, 1, 7)<>'public:' ORDER BY c.id LIMIT ?5"
        )
        given = (campaign.name, STEP, campaign.cursor, to_micros(campaign.launched), size)
        return list(db.execute(sql, given))
    sql = (
        'SELECT r.customer, c."into", 0 FROM recipient r LEFT JOIN customer c ON c.id=r.customer'
        " WHERE r.campaign=? AND r.customer>? AND r.step=? AND r.expanded=0 ORDER BY r.customer LIMIT ?"
    )
    return list(db.execute(sql, (campaign.name, campaign.cursor, STEP, size)))


def _call(db: apsw.Connection, campaign: Campaign, page: Sequence[tuple[str, str | None, int | None]]) -> list[str]:
    """Note who of a page is reached now, as who they are now; nobody is reached twice."""
    fresh: dict[str, None] = {}
    for customer, into, reached in page:
        who = customer if into is None else canonical(db, customer)
        if who is None or (into is None and reached):
            continue
        if into is not None and db.execute(_REACHED, (campaign.name, who, STEP)).fetchone():
            continue
        fresh[who] = None
    if fresh:
        db.execute(_REACH, (campaign.name, STEP, listed(list(fresh))))
    return list(fresh)


def _accept(db: apsw.Connection, chunk: Chunk, customers: Sequence[str]) -> int:
    """Insert what a chunk's customers get, in one statement for each delivery of a customer; gives how many rows."""
    written = spread(db, chunk.templates, customers, chunk.ids[: len(customers) * len(chunk.templates)])
    raise_lanes(db, chunk.templates, customers)
    db.execute(TALLY, (written,))
    return written


def steer(db: apsw.Connection, name: str, standing: Standing, now: datetime, reason: str) -> Campaign | None:
    """Pause, resume or stop, and let what waits follow in the same commit."""
    found = _one(db, name)
    if found is None or standing not in STEERING[found.standing]:
        return found
    sql = "UPDATE campaign SET standing=?, changed=?, reason=? WHERE name=?"
    db.execute(sql, (standing.value, to_micros(now), reason, name))
    db.execute("DELETE FROM pause WHERE provider=?", (found.origin,))
    if standing is Standing.RUNNING:
        _wake(db, found.origin, now)
    else:
        why = STOPPED if standing is Standing.STOPPED else PAUSED
        sql = "INSERT INTO pause (provider, until, reason) VALUES (?, ?, ?)"
        db.execute(sql, (found.origin, to_micros(FOREVER), why))
        _hold(db, found.origin, now, why)
    return _one(db, name)


def _hold(db: apsw.Connection, origin: str, now: datetime, why: str) -> None:
    """Take everything back that was not handed over: a worker that has it in its hands has lost its lease now."""
    where, given = f"{_OURS} AND {_IN_HAND}", (origin, to_micros(now))
    customers = [row[0] for row in db.execute(f"SELECT DISTINCT customer FROM delivery WHERE {where}", given)]
    due = "?" if why == STOPPED else "coalesce(expires, ?)"
    stamp = to_micros(now if why == STOPPED else FOREVER)
    sql = f"UPDATE delivery SET state='held', reason=?, due={due}, lease=NULL, lease_until=NULL WHERE {where}"
    db.execute(sql, (why, stamp, *given))
    for each in customers:
        refresh_lane(db, each)


def _wake(db: apsw.Connection, origin: str, now: datetime) -> None:
    """Let what the pause held be judged again, now."""
    where, given = f"{_OURS} AND state IN ('held','unknown') AND reason=? AND lease IS NULL", (origin, PAUSED)
    customers = [row[0] for row in db.execute(f"SELECT DISTINCT customer FROM delivery WHERE {where}", given)]
    db.execute(f"UPDATE delivery SET due=? WHERE {where}", (to_micros(now), *given))
    for each in customers:
        refresh_lane(db, each)


def undone(db: apsw.Connection, origin: str, limit: int) -> list[Delivery]:
    """List what waits in nobody's hands."""
    sql = f"SELECT {DELIVERY} FROM delivery WHERE {_OURS} AND state IN ('queued','held') AND lease IS NULL ORDER BY due LIMIT ?"
    return [read_delivery(row) for row in db.execute(sql, (origin, limit))]


def progress(db: apsw.Connection, name: str) -> Progress | None:
    """Add a campaign up; called inside one transaction, so that the sums are of one moment."""
    found = _one(db, name)
    if found is None:
        return None
    rows = db.execute(SUMS.format(mark="?"), (first_id(found), found.origin))
    tallies = db.execute(PRUNED_TALLIES.format(mark="?"), (len(PRUNED), PRUNED))
    return add_up(found, [*rows, *sums_of(tallies, found.origin)])
