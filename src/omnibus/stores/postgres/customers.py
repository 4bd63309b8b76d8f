"""Customers, identities, aliases, events and contexts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from omnibus.model.customer import Customer, Identity
from omnibus.model.event import Event
from omnibus.store import Change
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection, Surprise
from omnibus.stores.postgres.loading import identities
from omnibus.stores.postgres.sheet import Sheet, open_sheet
from omnibus.stores.postgres.standing import batch, listed
from omnibus.stores.rows import read_events
from omnibus.stores.schema import to_micros
from omnibus.stores.texts import matchless, storable

FIND = "SELECT ref, customer FROM identity WHERE ref = ANY(%s)"
CREATE = (
    "INSERT INTO customer (id, created) SELECT u.id, u.created FROM"
    f" {sql.rows('id text, created bigint')} ORDER BY u.id ON CONFLICT DO NOTHING"
)
PAGE = 'SELECT id FROM customer WHERE id > %s AND "into" IS NULL ORDER BY id LIMIT %s'


def _grouped(rows: Iterable[Any]) -> dict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row[1:])
    return groups


async def page(db: Connection, after: str, limit: int) -> list[Customer]:
    """List the next canonical customers, in id order."""
    them = await ids(db, after, limit)
    if not them:
        return []
    own = _grouped(await (await db.execute(sql.READ_IDENTITIES, (listed(them),))).fetchall())
    return [Customer(each, identities(own.get(each, []))) for each in them]


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
    cursor = await ask_known(db, keys)
    return set(await cursor.fetchall()) if cursor is not None else set()


async def ask_known(db: Connection, keys: Sequence[tuple[str, str]]) -> Any:
    """Ask which (source, id) are stored, without waiting for the answer where a pipeline is open."""
    return await batch(db, sql.KNOWN, [each for each in keys if not matchless(each)])


async def events(db: Connection, subjects: Sequence[str], last: int | None) -> list[Event]:
    """List events of subjects in timeline order."""
    if last is None:
        return read_events(await (await db.execute(sql.READ_EVENTS, (storable(subjects),))).fetchall())
    rows = await (await db.execute(sql.READ_LAST_EVENTS, (storable(subjects), last))).fetchall()
    return read_events(reversed(rows))
