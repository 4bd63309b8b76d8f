"""Statements on campaigns: the list, the chunk, the cursor, pause and stop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import apsw

from omnibus.model.campaign import FOREVER, PAUSED, STEERING, STEP, STOPPED, Campaign, Chunk, Progress, Standing
from omnibus.model.customer import PUBLIC
from omnibus.model.delivery import WAITING
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
from omnibus.stores.sqlite.accepting import TALLY, raise_lanes, spread
from omnibus.stores.sqlite.customers import canonical, refresh_lane
from omnibus.stores.sqlite.listing import EACH, listed

_REACHABLE = "created<=? AND substr(id, 1, 7)<>'public:'"
_REACHED = "SELECT 1 FROM recipient WHERE campaign=? AND customer=? AND step=? AND expanded=1"
_REACH = (
    f"INSERT INTO recipient (campaign, customer, step, expanded) SELECT ?1, value, ?2, 1 FROM {EACH}(?3) WHERE true"
    " ON CONFLICT (campaign, customer, step) DO UPDATE SET expanded=1"
)
OURS = "origin=? AND origin<>'' AND due IS NOT NULL"  # literally what the index `delivery_origin` asks for
_UNSENT = "NOT EXISTS (SELECT 1 FROM attempt a WHERE a.delivery=delivery.id AND a.outcome='')"
#: a worker has it, and no request of it may have left: nothing that is under way is ever taken back
_IN_HAND = f"lease IS NOT NULL AND state='sending' AND {_UNSENT}"
_ASLEEP = f"state IN ('held','unknown') AND reason='{PAUSED}' AND lease IS NULL"
#: what does not follow yet, the furthest from it first
_BEHIND = {
    Standing.PAUSED: "state IN ('queued','held') AND lease IS NULL AND due<=? ORDER BY due",
    Standing.RUNNING: f"{_ASLEEP} AND due>? ORDER BY due DESC",
}
THESE = f"id IN (SELECT value FROM {EACH}(?1))"
_FREE = "lease=NULL, lease_until=NULL"
_HELD = f"UPDATE delivery SET {_FREE}, state='held', reason='{{}}', due={{}} WHERE {THESE} AND {{}} RETURNING customer"
_HOLD = _HELD.format(PAUSED, "coalesce(expires, ?2)", f"state IN ('queued','held','sending') AND {_UNSENT}")
_STOP = _HELD.format(STOPPED, "?2", _IN_HAND)
_QUEUE = f"UPDATE delivery SET {_FREE}, state='queued', due=?2 WHERE {THESE} AND {_IN_HAND} RETURNING customer"
_WAKE = f"UPDATE delivery SET due=?2 WHERE {THESE} AND {_ASLEEP} RETURNING customer"
_END = (
    f"UPDATE pause SET until={ENDED} WHERE provider=?1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE origin=?1"
    f" AND origin<>'' AND due IS NOT NULL AND state IN ({', '.join(repr(each.value) for each in sorted(WAITING))}))"
)


class Behind(NamedTuple):
    """Hold what does not follow yet: the campaign as it was read, until when it rests, and a page of deliveries."""

    campaign: Campaign
    rest: int
    page: list[str]


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


def strike(db: apsw.Connection, campaign: Campaign) -> None:
    """Take a campaign off that is still loading."""
    if _loads(db, campaign):
        db.execute("DELETE FROM recipient WHERE campaign=?", (campaign.name,))
        db.execute("DELETE FROM campaign WHERE name=?", (campaign.name,))


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
        f" AND origin<>'' AND due IS NOT NULL AND due<=? LIMIT {MOST})), {ASLEEP} FROM campaign"
        f" WHERE {OPEN} ORDER BY launched, name"
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
    """Pause, resume or stop."""
    found = _one(db, name)
    if found is None or standing not in STEERING[found.standing]:
        return found
    sql = "UPDATE campaign SET standing=?, changed=?, reason=? WHERE name=?"
    db.execute(sql, (standing.value, to_micros(now), reason, name))
    db.execute("DELETE FROM pause WHERE provider=?", (found.origin,))
    db.execute("INSERT INTO pause (provider, until, reason) VALUES (?, ?, ?)", rest_row(found, standing))
    return _one(db, name)


def behind(db: apsw.Connection, name: str, now: datetime, limit: int) -> Behind | None:
    """List a page of what does not follow yet how its campaign stands; None where nothing does."""
    found = _one(db, name)
    rest = None if found is None else _rest(db, found)
    if found is None or rest in {None, ENDED}:
        return None
    page: list[str] = []
    if rest != TAKING and found.standing in _BEHIND:
        sql = f"SELECT id FROM delivery WHERE {OURS} AND {_BEHIND[found.standing]} LIMIT ?"
        page = [row[0] for row in db.execute(sql, (found.origin, to_micros(now), limit))]
    return Behind(found, rest, page)


def _rest(db: apsw.Connection, campaign: Campaign) -> int | None:
    row = db.execute("SELECT until FROM pause WHERE provider=?", (campaign.origin,)).fetchone()
    return None if row is None else int(row[0])


def follow(db: apsw.Connection, seen: Behind, now: datetime) -> int:
    """Let them follow, and what workers have in their hands: they looked, perhaps, before it was steered."""
    found = _one(db, seen.campaign.name)
    if found is None or found.standing is not seen.campaign.standing or _rest(db, found) != seen.rest:
        return 1  # steered meanwhile: to be looked at anew
    if found.standing is Standing.PAUSED:
        return _move(db, _HOLD, [*_in_hand(db, found), *seen.page], FOREVER)
    if found.standing is Standing.STOPPED:
        moved = _move(db, _STOP, _in_hand(db, found), now)
        if not moved:
            db.execute(_END, (found.origin,))
        return moved
    if seen.rest == TAKING:
        db.execute("UPDATE pause SET until=? WHERE provider=?", (WAKING, found.origin))
        return _move(db, _QUEUE, _in_hand(db, found), now) + 1
    if not seen.page:
        db.execute("DELETE FROM pause WHERE provider=?", (found.origin,))
    _move(db, _WAKE, seen.page, now)
    return len(seen.page)


def _in_hand(db: apsw.Connection, campaign: Campaign) -> list[str]:
    sql = f"SELECT id FROM delivery WHERE origin=? AND {_IN_HAND}"
    return [row[0] for row in db.execute(sql, (campaign.origin,))]


def _move(db: apsw.Connection, act: str, ids: Sequence[str], due: datetime) -> int:
    customers = [row[0] for row in db.execute(act, (listed(ids), to_micros(due)))] if ids else []
    for each in set(customers):
        refresh_lane(db, each)
    return len(customers)


def progress(db: apsw.Connection, name: str) -> Progress | None:
    """Add a campaign up; called inside one transaction, so that the sums are of one moment."""
    found = _one(db, name)
    if found is None:
        return None
    rows = db.execute(SUMS.format(mark="?"), (first_id(found), found.origin))
    tallies = db.execute(PRUNED_TALLIES.format(mark="?"), (len(PRUNED), PRUNED))
    return add_up(found, [*rows, *sums_of(tallies, found.origin)])
