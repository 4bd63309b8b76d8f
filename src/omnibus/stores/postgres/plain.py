"""A batch in one statement: what needs no thought is guarded and written together; the rest is judged on a sheet.

First all locks are taken (contexts, then lanes, each in the order of customers), then one statement looks at the guards,
as they are once the locks are held, and writes the rows that pass. It tells which they were: this module decides nothing but
which way a row goes. Rows are found by key (``OFFSET 0`` keeps a look-up what it is), and written where they were found
(``ctid``; under the lane's lock nobody moves them), so no plan depends on how many rows there were when it was made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from omnibus.model.delivery import State, may_move
from omnibus.store import Change, Settlement, Try
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection, Surprise
from omnibus.stores.postgres.standing import batch, body_of, listed, packed
from omnibus.stores.rows import Row, dump, event_row, micros
from omnibus.stores.schema import to_micros
from omnibus.stores.texts import without_nul

Also = Callable[[], Awaitable[None]]

LOCK = (
    f"SELECT (SELECT count(pg_advisory_xact_lock_shared(7304, hashtext(p.name))) FROM {sql.listed('p', 'name')}),"  # against `shelf.still`
    f" (SELECT count(*) FROM {sql.listed('u')} CROSS JOIN LATERAL"
    " (SELECT x.customer FROM context x WHERE x.customer = u.customer FOR UPDATE) x),"
    f" (SELECT count(*) FROM {sql.listed('u')} CROSS JOIN LATERAL"
    " (SELECT l.customer FROM lane l WHERE l.customer = u.customer FOR UPDATE) l)"
)
_STANDS = (
    "CROSS JOIN LATERAL (SELECT d.ctid AS place, d.origin FROM delivery d WHERE d.customer = u.customer AND d.id = u.delivery"
    " AND d.lease = u.lease AND d.state = 'sending' AND d.reported = '' OFFSET 0) d"
    ' CROSS JOIN LATERAL (SELECT FROM customer c WHERE c.id = u.customer AND c."into" IS NULL OFFSET 0) c'
    " LEFT JOIN LATERAL (SELECT x.ctid AS place, x.version FROM context x WHERE x.customer = u.customer OFFSET 0) x ON true"
)
ATTEMPT = f"""
WITH over AS MATERIALIZED (
  SELECT u.attempt FROM {sql.rows("attempt text, customer text, since bigint, channel text, points int, room int")}
  WHERE u.points + coalesce((SELECT sum(a.points) FROM attempt a WHERE a.customer = u.customer AND a.started >= u.since
    AND (u.channel = '' OR a.channel = u.channel)), 0) > u.room
), ok AS MATERIALIZED (
  SELECT u.* FROM {
    sql.rows(
        "id text, delivery text, customer text, lease text, version bigint, number int, channel text,"
        " provider text, identity text, points int, started bigint, digest text, decision text, name text"
    )
} {_STANDS}
  WHERE coalesce(x.version, 0) = u.version AND u.id NOT IN (SELECT attempt FROM over)
    AND NOT EXISTS (SELECT FROM pause p WHERE p.provider IN (u.name, d.origin) AND p.until > u.started)
), made AS (
  INSERT INTO attempt (id, delivery, customer, number, channel, provider, identity, points, started, digest)
  SELECT id, delivery, customer, number, channel, provider, identity, points, started, digest FROM ok
), told AS (
  INSERT INTO decision (delivery, at, body) SELECT delivery, started, decision FROM ok WHERE decision <> ''
) SELECT id FROM ok
"""
SETTLE = f"""
WITH ok AS MATERIALIZED (
  SELECT u.*, d.place AS row, x.place AS page, a.place AS entry FROM {
    sql.rows(
        "delivery text, customer text, lease text, version bigint, state text, reason text, due bigint, channel text,"
        " provider text, identity text, provider_id text, tried text, attempts int, faults int, flagged int, withdraw int,"
        " watched int, attempt text, outcome text, cause text, receipt text, counts int, details text, source text,"
        " event text, type text, time bigint, data text, heard int, body bytea, decision text"
    )
} {_STANDS}
  LEFT JOIN LATERAL (SELECT a.ctid AS place, a.customer, a.outcome FROM attempt a WHERE a.id = u.attempt OFFSET 0) a
    ON a.customer = u.customer AND (a.outcome <> 'accepted' OR u.outcome = 'accepted')
  LEFT JOIN LATERAL (SELECT e.seq FROM event e WHERE e.id = u.event AND e.source = u.source OFFSET 0) e ON true
  WHERE (u.version IS NULL OR coalesce(x.version, 0) = u.version) AND e.seq IS NULL
), told AS (
  INSERT INTO event (source, id, type, time, subject, data, heard)
  SELECT source, event, type, time, customer, data, heard FROM ok WHERE event IS NOT NULL ORDER BY n
), known AS (
  UPDATE context x SET version = ok.version + 1, time = ok.time, id = ok.event, source = ok.source, body = ok.body
  FROM ok WHERE x.ctid = ok.page AND ok.event IS NOT NULL RETURNING 1
), closed AS (
  UPDATE attempt a SET outcome = ok.outcome, reason = ok.cause, ended = %s,
    provider_id = CASE WHEN ok.receipt = '' THEN a.provider_id ELSE ok.receipt END,
    points = CASE WHEN ok.counts = 1 THEN a.points ELSE 0 END,
    details = CASE WHEN ok.details = '' THEN a.details ELSE ok.details END
  FROM ok WHERE a.ctid = ok.entry
), why AS (
  INSERT INTO decision (delivery, at, body) SELECT delivery, %s, decision FROM ok WHERE decision <> ''
), moved AS (
  UPDATE delivery d SET state = ok.state, reason = ok.reason, due = ok.due, channel = coalesce(ok.channel, d.channel),
    provider = coalesce(ok.provider, d.provider), identity = coalesce(ok.identity, d.identity),
    provider_id = coalesce(ok.provider_id, d.provider_id), tried = coalesce(ok.tried, d.tried),
    attempts = coalesce(ok.attempts, d.attempts), faults = coalesce(ok.faults, d.faults),
    flagged = coalesce(ok.flagged, d.flagged), withdraw = coalesce(ok.withdraw, d.withdraw), watched = ok.watched,
    lease = NULL, lease_until = NULL
  FROM ok WHERE d.ctid = ok.row RETURNING 1
) SELECT delivery, (SELECT count(*) FROM moved), (SELECT count(*) FROM known), event IS NOT NULL FROM ok
"""


async def lock(db: Connection, changes: Iterable[Change], customers: Iterable[str], rests: Iterable[str]) -> None:
    """Take the locks of a batch, those of contexts that are yet to be made and of *rests* that are yet to begin included."""
    owners = {each.customer: each.version for each in changes}
    fresh = sorted(customer for customer, version in owners.items() if version == 0)
    await batch(db, sql.NEW_CONTEXTS, [(each,) for each in fresh])
    everybody = listed(sorted(owners.keys() | set(customers)))
    await db.execute(LOCK, (listed(sorted(rests)), everybody, everybody))


async def attempt(db: Connection, tries: Sequence[Try]) -> set[str]:
    """Write attempts down that pass every guard; their locks are held.

    Returns:
        The ids of those that are written; nothing was done for the others.
    """
    met: set[str] = set()
    plain: list[Try] = []
    for each in tries:
        customer = each.change.customer
        if customer not in met and guards_only(each.change):
            plain.append(each)
        met.add(customer)  # a second one of the same customer follows on the first
    if not plain:
        return set()
    bounds = [
        (each.attempt, each.change.customer, to_micros(limit.since), limit.channel, each.points, limit.points)
        for each in plain
        for limit in each.limits
    ]
    found = await db.execute(ATTEMPT, (packed(bounds), packed(map(_try_row, plain))))
    granted = {row[0] for row in await found.fetchall()}
    codes = {(code.hash, code.offer, code.customer) for each in plain if each.attempt in granted for code in each.codes}
    await batch(db, sql.PUT_CODES, codes)
    return granted


def guards_only(change: Change) -> bool:
    """Tell whether a change does nothing but guard the version."""
    return change.bodies is None and not (
        change.events or change.moves or change.identities or change.wake or change.withdraw
    )


def _try_row(each: Try) -> Row:
    return (
        each.attempt, each.delivery, each.change.customer, each.lease, each.change.version, each.number, each.channel,
        each.provider, each.identity, each.points, to_micros(each.started), each.digest, each.decision, each.rests[0],
    )  # fmt: skip


async def nothing() -> None:
    """Say nothing."""


async def settle(
    db: Connection, settlements: Sequence[Settlement], now: datetime, stirring: frozenset[str], *, also: Also = nothing
) -> set[int]:
    """Write what became of deliveries whose settlements pass every guard; their locks are held.

    Returns:
        The places of those that are written, their lanes refreshed; nothing was done for the others.

    Raises:
        Surprise: a row was not where it was found; the whole call runs again.
    """
    met: set[str] = set()
    plain: dict[str, int] = {}
    for place, each in enumerate(settlements):
        if each.customer not in met and _is_plain(each):
            plain[each.delivery] = place
        met.add(each.customer)
    if not plain:
        await also()
        return set()
    told, stamp = packed([_settled_row(settlements[each], stirring) for each in plain.values()]), to_micros(now)
    written = await db.execute(SETTLE, (told, stamp, stamp))
    # in the same trip, also for lanes whose delivery was left: those are what they were
    await db.execute(sql.REFRESH_LANES, (listed([settlements[each].customer for each in plain.values()]),))
    await also()
    rows = await written.fetchall()
    done = {plain[row[0]] for row in rows}
    if rows and (rows[0][1] != len(done) or rows[0][2] != sum(row[3] for row in rows)):
        raise Surprise
    return done


def _is_plain(each: Settlement) -> bool:
    change = each.change
    if not may_move(State.SENDING, each.state):
        return False
    if change is None:
        return True
    if change.customer != each.customer or change.moves or change.identities or change.wake or change.withdraw:
        return False
    if not change.events:
        return change.bodies is None
    event = change.events[0]
    last = (event.time, event.id, event.source)
    return len(change.events) == 1 and change.through == last and event.subject == each.customer


def _settled_row(each: Settlement, stirring: frozenset[str]) -> Row:
    change, told = each.change, each.outcome
    source = event = type_ = data = body = None
    time = heard = version = None
    if change is not None:
        version = change.version
        if change.events:
            first = change.events[0]
            source, event, type_, time, _, data, heard = event_row(
                first, int(change.quiet or first.type not in stirring)
            )
            body = body_of(change)
    outcome = (
        (None,) * 6
        if told is None
        else (
            told.attempt,
            told.outcome,
            without_nul(told.reason),
            without_nul(told.provider_id),
            int(told.counts),
            told.details,
        )
    )
    return (
        each.delivery, each.customer, each.lease, version, each.state.value, without_nul(each.reason), micros(each.due),
        each.channel, each.provider, each.identity, None if each.provider_id is None else without_nul(each.provider_id),
        None if each.tried is None else dump(each.tried), each.attempts, each.faults, _whether(each.flagged),
        _whether(each.withdraw), int(each.watched), *outcome, source, event, type_, time, data, heard, body, each.decision,
    )  # fmt: skip


def _whether(told: bool | None) -> int | None:
    return None if told is None else int(told)
