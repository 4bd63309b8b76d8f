"""What the store is told: what reports are about, what must be known of facts, and whole timelines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from omnibus.model.fault import FAULTS
from omnibus.model.trace import Clue, History, Trace, matched
from omnibus.store import FAULTY, Store, Survey, decode_bodies
from omnibus.stores.postgres import customers, loading
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection, Engine
from omnibus.stores.rows import Row, in_order, load, moment, read_events
from omnibus.stores.texts import storable

T = TypeVar("T")

_subject = itemgetter(4)  # among the columns EVENT
MOST = 50_000  # events that are held at once; a single customer's timeline is read whole, however long


class Hearing(Store):
    """Find what facts are about."""

    engine: Engine

    async def known(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Tell which (source, id) are stored."""
        return await self.engine.read(lambda db: customers.known(db, keys))

    async def trace(self, clues: Sequence[Clue]) -> list[Trace | None]:
        """Find what reports are about."""
        return await self.engine.read(lambda db: trace(db, clues), pinned=True)

    async def survey(self, clues: Sequence[Clue], keys: Sequence[tuple[str, str]], customers: Sequence[str]) -> Survey:
        """Ask all that must be known of facts before they are folded, on one connection."""
        return await self.engine.read(lambda db: survey(db, clues, keys, customers), pinned=True)

    async def unfolded(self, last: int) -> dict[str, bytes]:
        """List customers of whom a facet could not be folded."""
        sql = "SELECT customer, body FROM context WHERE substring(body FROM 1 FOR 2) = %s LIMIT %s"

        async def job(db: Connection) -> dict[str, bytes]:
            rows = await (await db.execute(sql, (FAULTY, last))).fetchall()
            return {row[0]: decode_bodies(bytes(row[1]))[FAULTS] for row in rows}

        return await self.engine.read(job)

    async def histories(self, ids: Sequence[str], fold: Callable[[History], T]) -> dict[str, T]:
        """Hand whole timelines with their contexts to *fold*, all of one moment."""
        return await self.engine.read(lambda db: histories(db, ids, fold), snapshot=True)


async def trace(db: Connection, clues: Sequence[Clue]) -> list[Trace | None]:
    """Find what reports are about: by our id of the hand-over if it was by that very provider, else by theirs."""
    own = storable(each.attempt for each in clues if each.attempt)
    named = storable(each.provider_id for each in clues if each.provider_id)
    first = await db.execute(sql.TRACE_OURS, (own,)) if own else None
    second = await db.execute(sql.TRACE_THEIRS, (named,)) if named else None
    ours = _traced(await first.fetchall() if first else ())
    theirs = _traced(await second.fetchall() if second else ())
    return matched(clues, ours, theirs)


def _traced(rows: Sequence[Any]) -> dict[str, list[Trace]]:
    found: dict[str, list[Trace]] = {}
    for key, *r in rows:
        via, tried, expires = tuple(load(r[10])), tuple(load(r[11])), moment(r[12])
        one = Trace(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], via, tried, expires)
        found.setdefault(key, []).append(one)
    return found


async def survey(db: Connection, clues: Sequence[Clue], keys: Sequence[tuple[str, str]], ids: Sequence[str]) -> Survey:
    """Ask what must be known of facts before they are folded: in two round trips, or one when no report is among them."""
    traces = await trace(db, clues) if clues else []
    wanted = dict.fromkeys([*ids, *[each.customer for each in traces if each is not None]])
    known = await customers.ask_known(db, keys)
    loaded = await loading.load(db, list(wanted), None)
    return Survey(traces, set(await known.fetchall()) if known is not None else set(), loaded)


async def histories(db: Connection, ids: Sequence[str], fold: Callable[[History], T], most: int = MOST) -> dict[str, T]:
    """Fold customers by the ids asked for: merged ids lead to who they are now, unknown ones are missing.

    Args:
        most: where there are more events than this, only the first of the customers are read.
    """
    who = await loading.canonical(db, ids)
    these = list(dict.fromkeys(who.values()))
    owner = {id_: id_ for id_ in these}
    owner |= {alias: id_ for id_, alias in await (await db.execute(sql.READ_ALIASES, (these,))).fetchall()}
    limit = most if len(ids) > 1 else None
    rows = await (await db.execute(sql.READ_HISTORIES, (list(owner), limit))).fetchall()
    if len(rows) == limit:
        return await histories(db, ids[: len(ids) // 2], fold, most)
    contexts = {row[0]: row for row in await (await db.execute(sql.READ_CONTEXTS, (these,))).fetchall()}
    told: defaultdict[str, list[Row]] = defaultdict(list)
    for subject, mine in groupby(rows, _subject):
        told[owner[subject]] += mine
    found: dict[str, T] = {}
    for id_ in these:
        row = contexts.get(id_)
        version, body = (row[1], bytes(row[5])) if row else (0, b"")
        found[id_] = fold(History(id_, version, decode_bodies(body), read_events(in_order(told[id_]))))
    return {asked: found[id_] for asked, id_ in who.items()}
