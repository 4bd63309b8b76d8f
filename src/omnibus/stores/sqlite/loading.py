"""Load many customers in six statements: what is asked of each table is asked for all of them at once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import apsw

from omnibus.model.customer import Customer, Identity
from omnibus.model.delivery import Delivery
from omnibus.store import Loaded, Spent, decode_bodies
from omnibus.stores.rows import DELIVERY, read_delivery
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.sqlite.customers import canonical

_IN = "IN (SELECT value FROM json_each(?))"
_WHO = f'SELECT id, "into" FROM customer WHERE id {_IN}'
_CONTEXT = f"SELECT customer, version, time, id, source, body FROM context WHERE customer {_IN}"
_IDENTITY = (
    "SELECT customer, kind, value, ref, verified, evidence FROM identity"
    f" WHERE customer {_IN} ORDER BY customer, position, ref"
)
_LIVE = f"SELECT {DELIVERY} FROM delivery WHERE watched=1 AND customer {_IN} ORDER BY customer, id"
_SPENT = f"SELECT customer, started, channel, points FROM attempt WHERE customer {_IN} AND started>=? AND points>0"
_ALIAS = f'SELECT "into", id FROM customer WHERE "into" {_IN} ORDER BY id'


def load(db: apsw.Connection, ids: Sequence[str], since: datetime | None) -> dict[str, Loaded]:
    """Load customers by the ids asked for; merged ids lead to who they are now."""
    who = now_called(db, ids)
    these = json.dumps(list(dict.fromkeys(who.values())))
    contexts = {row[0]: row for row in db.execute(_CONTEXT, (these,))}
    known: defaultdict[str, list[Identity]] = defaultdict(list)
    for customer, kind, value, ref, verified, evidence in db.execute(_IDENTITY, (these,)):
        known[customer].append(Identity(kind, value, ref, bool(verified), evidence))
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
        version, through, bodies = 0, None, {}
        row = contexts.get(id_)
        if row is not None:
            version, bodies = row[1], decode_bodies(row[5])
            through = None if row[2] is None else (from_micros(row[2]), row[3], row[4])
        found[asked] = Loaded(
            Customer(id_, tuple(known[id_])), chain(id_, merged), version, through, bodies, tuple(live[id_]),
            tuple(spent[id_]),
        )  # fmt: skip
    return found


def now_called(db: apsw.Connection, ids: Sequence[str]) -> dict[str, str]:
    """Follow merges: id asked for → who that is now; unknown ids are missing."""
    found: dict[str, str] = {}
    for id_, into in db.execute(_WHO, (json.dumps(list(dict.fromkeys(ids))),)):
        who = id_ if into is None else canonical(db, id_)
        if who is not None:
            found[id_] = who
    return found


def aliases(db: apsw.Connection, these: str) -> dict[str, list[str]]:
    """List who was merged into whom, over all steps of a chain."""
    merged: defaultdict[str, list[str]] = defaultdict(list)
    while True:
        fresh = []
        for into, id_ in db.execute(_ALIAS, (these,)):
            merged[into].append(id_)
            fresh.append(id_)
        if not fresh:
            return merged
        these = json.dumps(fresh)


def chain(id_: str, merged: dict[str, list[str]]) -> tuple[str, ...]:
    """List the ids that lead to *id_*, itself first."""
    found = [id_]
    for each in found:
        found += merged.get(each, ())
    return tuple(found)


def find(db: apsw.Connection, refs: Iterable[str]) -> dict[str, str]:
    """Find customers by identity refs."""
    sql = f"SELECT ref, customer FROM identity WHERE ref {_IN}"
    return dict(db.execute(sql, (json.dumps(list(refs)),)))


def known_events(db: apsw.Connection, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Tell which (source, id) are stored."""
    sql = f"SELECT source, id FROM event WHERE id {_IN}"
    wanted = set(keys)
    return {(row[0], row[1]) for row in db.execute(sql, (json.dumps([key[1] for key in keys]),))} & wanted
