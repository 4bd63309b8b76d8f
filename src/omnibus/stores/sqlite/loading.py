"""Load many customers in few statements: what is asked of each table is asked for all of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import apsw

from omnibus.model.customer import Customer, Identity
from omnibus.model.delivery import Delivery
from omnibus.store import Loaded, Spent, decode_bodies
from omnibus.stores.rows import DELIVERY, Row, read_delivery
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.sqlite.customers import canonical
from omnibus.stores.sqlite.listing import EACH, listed


def _of(table: str, column: str) -> str:
    """Name a table's rows of a list, each found by its key."""
    return f'{EACH}(?1) l CROSS JOIN {table} t ON t."{column}"=l.value'


_WHO = (
    'SELECT t.id, t."into", x.version, x.time, x.id, x.source, x.body FROM '
    f"{_of('customer', 'id')} LEFT JOIN context x ON x.customer=t.id"
)
_NAMES = f'SELECT t.id, t."into" FROM {_of("customer", "id")}'
_PAGE = 'SELECT id FROM customer WHERE id>? AND "into" IS NULL ORDER BY id LIMIT ?'
_IDENTITY = (
    "SELECT t.customer, t.kind, t.value, t.ref, t.verified, t.evidence FROM"
    f" {_of('identity', 'customer')} ORDER BY t.customer, t.position, t.ref"
)
_LIVE = (
    f"SELECT {', '.join(f't.{each}' for each in DELIVERY.split(', '))} FROM"
    f" {_of('delivery', 'customer')} AND t.watched=1 AND t.state NOT IN ('sending', 'unknown') ORDER BY t.customer, t.id"
)
_SPENT = (
    "SELECT t.customer, t.started, t.channel, t.points FROM"
    f" {_of('attempt', 'customer')} AND t.started>=?2 AND t.points>0"
)
_ALIAS = f'SELECT t."into", t.id FROM {_of("customer", "into")} ORDER BY t.id'
_FIND = f"SELECT t.ref, t.customer FROM {_of('identity', 'ref')}"
_KNOWN = f"SELECT t.source, t.id FROM {_of('event', 'id')}"


def load(db: apsw.Connection, ids: Sequence[str], since: datetime | None) -> dict[str, Loaded]:
    """Load customers by the ids asked for; merged ids lead to who they are now."""
    rows = {row[0]: row for row in db.execute(_WHO, (listed(ids),))}
    who = _followed(db, rows.values())
    if strangers := [each for each in dict.fromkeys(who.values()) if each not in rows]:
        rows |= {row[0]: row for row in db.execute(_WHO, (listed(strangers),))}
    these = listed(list(dict.fromkeys(who.values())))
    known = _identities(db, these)
    live: defaultdict[str, list[Delivery]] = defaultdict(list)
    for row in db.execute(_LIVE, (these,)):
        live[row[1]].append(read_delivery(row))
    spent: defaultdict[str, list[Spent]] = defaultdict(list)
    if since is not None:
        for customer, started, channel, points in db.execute(_SPENT, (these, to_micros(since))):
            spent[customer].append(Spent(from_micros(started), channel, points))
    merged = aliases(db, these)
    found: dict[str, Loaded] = {}
    for asked in ids:
        id_ = who.get(asked)
        if id_ is None:
            continue
        _, _, version, time, last, source, body = rows[id_]
        through = None if time is None else (from_micros(time), last, source)
        found[asked] = Loaded(
            Customer(id_, tuple(known.get(id_, ()))), chain(id_, merged), version or 0, through,
            decode_bodies(body) if body else {}, tuple(live.get(id_, ())), tuple(spent.get(id_, ())),
        )  # fmt: skip
    return found


def _identities(db: apsw.Connection, these: Any) -> dict[str, list[Identity]]:
    """List identities by customer, in the order they were learnt; *these* are bound as a list."""
    known: defaultdict[str, list[Identity]] = defaultdict(list)
    for customer, kind, value, ref, verified, evidence in db.execute(_IDENTITY, (these,)):
        known[customer].append(Identity(kind, value, ref, bool(verified), evidence))
    return known


def page(db: apsw.Connection, after: str, limit: int) -> list[Customer]:
    """List the next canonical customers, in id order."""
    them = ids(db, after, limit)
    known = _identities(db, listed(them))
    return [Customer(each, tuple(known.get(each, ()))) for each in them]


def ids(db: apsw.Connection, after: str, limit: int) -> list[str]:
    """List the ids of the next canonical customers, in order."""
    return [row[0] for row in db.execute(_PAGE, (after, limit))]


def now_called(db: apsw.Connection, ids: Sequence[str]) -> dict[str, str]:
    """Follow merges: id asked for → who that is now; unknown ids are missing."""
    return _followed(db, db.execute(_NAMES, (listed(list(dict.fromkeys(ids))),)))


def _followed(db: apsw.Connection, rows: Iterable[Row]) -> dict[str, str]:
    found: dict[str, str] = {}
    for id_, into, *_ in rows:
        who = id_ if into is None else canonical(db, id_)
        if who is not None:
            found[id_] = who
    return found


def aliases(db: apsw.Connection, these: Any) -> dict[str, list[str]]:
    """List who was merged into whom, over all steps of a chain; *these* are bound as a list."""
    merged: defaultdict[str, list[str]] = defaultdict(list)
    while True:
        fresh = []
        for into, id_ in db.execute(_ALIAS, (these,)):
            merged[into].append(id_)
            fresh.append(id_)
        if not fresh:
            return merged
        these = listed(fresh)


def chain(id_: str, merged: dict[str, list[str]]) -> tuple[str, ...]:
    """List the ids that lead to *id_*, itself first."""
    found = [id_]
    for each in found:
        found += merged.get(each, ())
    return tuple(found)


def find(db: apsw.Connection, refs: Iterable[str]) -> dict[str, str]:
    """Find customers by identity refs."""
    return dict(db.execute(_FIND, (listed(list(refs)),)))


def known_events(db: apsw.Connection, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Tell which (source, id) are stored."""
    wanted = set(keys)
    return {(row[0], row[1]) for row in db.execute(_KNOWN, (listed([key[1] for key in keys]),))} & wanted
