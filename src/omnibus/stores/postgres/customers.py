"""Customers, identities, aliases, events and contexts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from omnibus.model.customer import Customer, Identity
from omnibus.model.event import Event
from omnibus.store import Change, Loaded, Spent, decode_bodies
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection, Surprise
from omnibus.stores.postgres.sheet import Sheet, open_sheet
from omnibus.stores.postgres.standing import batch, listed
from omnibus.stores.rows import read_delivery, read_events
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.texts import matchless, storable

FIND = "SELECT ref, customer FROM identity WHERE ref = ANY(%s)"
CREATE = (
    "INSERT INTO customer (id, created) SELECT u.id, u.created FROM"
    f" {sql.rows('id text, created bigint')} ORDER BY u.id ON CONFLICT DO NOTHING"
)
PAGE = 'SELECT id FROM customer WHERE id > %s AND "into" IS NULL ORDER BY id LIMIT %s'


async def canonical(db: Connection, ids: Iterable[str]) -> dict[str, str]:
    """Follow merges: id asked for → who that is now; unknown ids are missing."""
    return dict(await (await db.execute(sql.CANONICAL, (list(ids),))).fetchall())


async def load(db: Connection, ids: Sequence[str], since: datetime | None) -> dict[str, Loaded]:
    """Load customers by the ids asked for, all in one round trip unless one of them was merged."""
    ids = storable(ids)
    if not ids:
        return {}
    found, merged = await _load(db, list(dict.fromkeys(ids)), since)
    if merged:
        now = await canonical(db, merged)
        theirs, _ = await _load(db, sorted(set(now.values())), since)
        found |= {asked: theirs[id_] for asked, id_ in now.items() if id_ in theirs}
    return {asked: found[asked] for asked in ids if asked in found}


async def _load(db: Connection, ids: list[str], since: datetime | None) -> tuple[dict[str, Loaded], list[str]]:
    these = listed(ids)
    who = await db.execute(sql.READ_PEOPLE, (these,))
    identities = await db.execute(sql.READ_IDENTITIES, (these,))
    live = await db.execute(sql.READ_WATCHED, (these,))
    spent = None if since is None else await db.execute(sql.READ_SPENT, (these, to_micros(since)))
    return await told(db, ids, who, identities, live, spent)


async def told(
    db: Connection, ids: Sequence[str] | None, who: Any, identities: Any, live: Any, spent: Any
) -> tuple[dict[str, Loaded], list[str]]:
    """Read the replies about customers, about all whom they tell of without *ids*; gives those that were merged, too."""
    people = await who.fetchall()
    known = {row[0]: row[1] for row in people}
    bodies = {row[0]: row[3:] for row in people if row[3] is not None}
    own = _grouped(await identities.fetchall())
    winners = [row[0] for row in people if row[2]]
    below = _grouped(await (await db.execute(sql.READ_ALIASES, (winners,))).fetchall()) if winners else {}
    watched: defaultdict[str, list[Any]] = defaultdict(list)
    for row in await live.fetchall():
        watched[row[1]].append(read_delivery(row))
    costs = _grouped(await spent.fetchall()) if spent is not None else {}
    found, ids = {}, list(known) if ids is None else ids
    for id_ in (each for each in ids if each in known and known[each] is None):
        version, time, event, source, body = bodies.get(id_, (0, None, None, None, b""))
        found[id_] = Loaded(
            Customer(id_, _identities(own.get(id_, []))), (id_, *(row[0] for row in below.get(id_, []))), version,
            None if time is None else (from_micros(time), event, source), decode_bodies(bytes(body)),
            tuple(watched.get(id_, ())), tuple(Spent(from_micros(row[0]), *row[1:]) for row in costs.get(id_, [])),
        )  # fmt: skip
    return found, [each for each in ids if known.get(each) is not None]


def _grouped(rows: Iterable[Any]) -> dict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row[1:])
    return groups


def _identities(rows: Iterable[Any]) -> tuple[Identity, ...]:
    return tuple(Identity(r[0], r[1], r[2], bool(r[3]), r[4]) for r in rows)


async def page(db: Connection, after: str, limit: int) -> list[Customer]:
    """List the next canonical customers, in id order."""
    them = await ids(db, after, limit)
    if not them:
        return []
    own = _grouped(await (await db.execute(sql.READ_IDENTITIES, (listed(them),))).fetchall())
    return [Customer(each, _identities(own.get(each, []))) for each in them]


async def ids(db: Connection, after: str, limit: int) -> list[str]:
    """List the ids of the next canonical customers, in order."""
    return [row[0] for row in await (await db.execute(PAGE, (after, limit))).fetchall()]


async def find(db: Connection, refs: Sequence[str]) -> dict[str, str]:
    """Find customers by identity refs."""
    return dict(await (await db.execute(FIND, (storable(refs),))).fetchall())


async def create(db: Connection, wanted: Sequence[tuple[str, Sequence[Identity]]], now: datetime) -> list[str]:
    """Create customers unless an identity is known; give who each one is."""
    async with db.pipeline():
        cursor = await db.execute(FIND, ([each.ref for _, own in wanted for each in own],))
        ids = await db.execute(sql.CANONICAL, ([id_ for id_, _ in wanted],))
    known, who = dict(await cursor.fetchall()), dict(await ids.fetchall())
    sheet, fresh, made = Sheet(frozenset()), list[str](), list[str]()
    learnt: set[str] = set()
    for id_, own in wanted:
        found = next((known[each.ref] for each in own if each.ref in known), None) or who.get(id_)
        if found is None:
            fresh.append(id_)
            found = who[id_] = id_
        new = [each for each in own if known.setdefault(each.ref, found) == found]
        learnt.update(each.ref for each in new)
        sheet.identify(found, new)
        made.append(found)
    async with db.pipeline():
        created = await batch(db, CREATE, [(each, to_micros(now)) for each in fresh])
        written = await batch(db, sql.PUT_IDENTITIES, sheet.identities.values())
    if created is not None and created.rowcount != len(fresh):
        raise Surprise  # somebody else created one of them meanwhile
    if written is not None and written.rowcount != len(learnt):
        raise Surprise  # … or learnt one of their identities
    return made


async def put(db: Connection, changes: Sequence[Change], stirring: frozenset[str]) -> list[bool]:
    """Do several changes, each all or nothing."""
    sheet = await open_sheet(db, changes, stirring)
    done = [sheet.apply(each) for each in changes]
    await sheet.write(db)
    return done


async def rewrite(db: Connection, change: Change) -> None:
    """Write a context whatever its version; *change* holds the bodies only."""
    sheet = await open_sheet(db, [change], frozenset())
    version = sheet.versions.get(change.customer, 0)
    sheet.apply(Change(change.customer, version, bodies=change.bodies, through=change.through))
    await sheet.write(db)


async def known(db: Connection, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Tell which (source, id) are stored."""
    cursor = await batch(db, sql.KNOWN, [each for each in keys if not matchless(each)])
    return set(await cursor.fetchall()) if cursor is not None else set()


async def events(db: Connection, subjects: Sequence[str], last: int | None) -> list[Event]:
    """List events of subjects in timeline order."""
    if last is None:
        return read_events(await (await db.execute(sql.READ_EVENTS, (storable(subjects),))).fetchall())
    rows = await (await db.execute(sql.READ_LAST_EVENTS, (storable(subjects), last))).fetchall()
    return read_events(reversed(rows))
