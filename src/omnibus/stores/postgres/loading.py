"""Load many customers in one statement: all that is known of one comes in one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from omnibus.model.customer import Customer, Identity
from omnibus.store import Loaded, Spent, Walker, decode_bodies
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection
from omnibus.stores.postgres.standing import listed
from omnibus.stores.rows import DELIVERY, RUN, read_delivery, read_run
from omnibus.stores.rows import load as read_json
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.texts import storable


def _list(columns: str, table: str, what: str, order: str) -> str:
    """Write what one customer has of a table as one JSON text; nothing when they have none."""
    told = ", ".join(f"t.{each}" for each in columns.split(", "))
    rows = f"(SELECT * FROM {table} WHERE customer = u.customer AND {what} OFFSET 0) t"
    return f"(SELECT json_agg(json_build_array({told}) ORDER BY {order}) FROM {rows})::text"


#: who was merged into them, over all steps of a chain
_BELOW = (
    "CASE WHEN o.any THEN (WITH RECURSIVE down AS (SELECT c.id, 1 AS depth FROM"
    ' (SELECT id FROM customer WHERE "into" = u.customer OFFSET 0) c UNION ALL SELECT c.id, depth + 1 FROM down'
    ' CROSS JOIN LATERAL (SELECT id FROM customer WHERE "into" = down.id OFFSET 0) c)'
    " SELECT json_agg(id ORDER BY depth, id) FROM down)::text END"
)
_SPENT_LIST = _list("started, channel, points", "attempt", "started >= %s AND points > 0", "t.started, t.id")
_RUN_LIST = _list(RUN, "run", "node <> ''", "t.started DESC, t.id")


def _people(more: str) -> str:
    """Write the statement that loads customers, all that is known of one in one row."""
    watched = _list(DELIVERY, "delivery", "watched = 1 AND state NOT IN ('sending', 'unknown')", "t.id")
    own = _list("kind, value, ref, verified, evidence", "identity", "true", "t.position, t.ref")
    return (
        f'SELECT c.id, c."into", x.version, x.time, x.id, x.source, x.body, {own}, {_BELOW},'
        f" {watched}, {more}"
        f' FROM {sql.listed()} CROSS JOIN LATERAL (SELECT id, "into" FROM customer WHERE id = u.customer OFFSET 0) c'
        ' LEFT JOIN LATERAL (SELECT true AS any FROM customer WHERE "into" = u.customer LIMIT 1) o ON true'
        " LEFT JOIN LATERAL (SELECT version, time, id, source, body FROM context WHERE customer = u.customer OFFSET 0) x ON true"
    )


READ_PEOPLE = _people("NULL")
READ_SPENDERS = _people(_SPENT_LIST)
READ_WALKERS = _people(_RUN_LIST)


async def canonical(db: Connection, ids: Iterable[str]) -> dict[str, str]:
    """Follow merges: id asked for → who that is now; unknown ids are missing."""
    return dict(await (await db.execute(sql.CANONICAL, (list(ids),))).fetchall())


async def load(db: Connection, ids: Sequence[str], since: datetime | None) -> dict[str, Loaded]:
    """Load customers by the ids asked for, all in one round trip unless one of them was merged."""
    statement, given = (READ_PEOPLE, ()) if since is None else (READ_SPENDERS, (to_micros(since),))
    return {
        asked: _loaded(row, row[10] if given else None)
        for asked, row in (await _rows(db, statement, ids, given)).items()
    }


def spenders(rows: Iterable[Any]) -> dict[str, Loaded]:
    """Read the rows of ``READ_SPENDERS``, but for those of who was merged."""
    return {row[0]: _loaded(row, row[10]) for row in rows if row[1] is None}


async def walkers(db: Connection, ids: Sequence[str]) -> dict[str, Walker]:
    """Load customers with their live runs."""
    return {
        asked: Walker(_loaded(row), tuple(map(read_run, _told(row[10]))))
        for asked, row in (await _rows(db, READ_WALKERS, ids, ())).items()
    }


async def _rows(db: Connection, statement: str, ids: Sequence[str], given: tuple[Any, ...]) -> dict[str, Any]:
    """Give a row for each id asked for: that of who it is now."""
    ids = list(dict.fromkeys(storable(ids)))
    if not ids:
        return {}
    rows = {row[0]: row for row in await (await db.execute(statement, (*given, listed(ids)))).fetchall()}
    merged = [id_ for id_, row in rows.items() if row[1] is not None]
    if not merged:
        return {asked: rows[asked] for asked in ids if asked in rows}
    now = await canonical(db, merged)
    theirs = await _rows(db, statement, sorted(set(now.values())), given)
    return {
        asked: row
        for asked in ids
        if asked in rows and (row := theirs.get(now[asked]) if asked in now else rows[asked])
    }


def _loaded(row: Any, spent: str | None = None) -> Loaded:
    id_, _, version, time, event, source, body, own, below, watched, *_ = row
    return Loaded(
        Customer(id_, identities(_told(own))), (id_, *_told(below)), version or 0,
        None if time is None else (from_micros(time), event, source), decode_bodies(bytes(body)) if body else {},
        tuple(map(read_delivery, _told(watched))), tuple(Spent(from_micros(at), *rest) for at, *rest in _told(spent)),
    )  # fmt: skip


def _told(text: str | None) -> list[Any]:
    return [] if text is None else list(read_json(text))


def identities(rows: Iterable[Any]) -> tuple[Identity, ...]:
    """Read what is known of identities, in the order they were learnt."""
    return tuple(Identity(r[0], r[1], r[2], bool(r[3]), r[4]) for r in rows)
