"""Journeys: what they have to hear and to wake, whom that is about, and how runs move."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import apsw

from omnibus.model.event import Event
from omnibus.model.run import Run
from omnibus.store import Cues, EntryKey, Step, Store, Stride, Walker
from omnibus.stores.rows import EVENT, RUN, dump, micros, read_events, read_run, run_row
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite import batch
from omnibus.stores.sqlite.accepting import accept
from omnibus.stores.sqlite.customers import apply
from omnibus.stores.sqlite.engine import NEAR, Engine, Stale
from omnibus.stores.sqlite.listing import EACH, listed
from omnibus.stores.sqlite.loading import load
from omnibus.stores.texts import refuse

_LIVE = (
    f"SELECT {', '.join(f't.{each}' for each in RUN.split(', '))} FROM {EACH}(?1) l CROSS JOIN run t"
    " ON t.customer=l.value AND t.node<>'' ORDER BY t.started DESC, t.id"
)
_ENTERED = "SELECT 1 FROM run WHERE customer=? AND journey=? AND entry=?"
_HEARD = "UPDATE event SET heard=1 WHERE id=? AND source=?"
_ASIDE = "UPDATE event SET heard=2 WHERE id=? AND source=?"
_AGAIN = "UPDATE event SET heard=0 WHERE heard=2"
_BUSY = "SELECT EXISTS (SELECT 1 FROM event WHERE heard=0) OR EXISTS (SELECT 1 FROM run WHERE due<=?)"


class Walking(Store):
    """Keep journeys and their runs."""

    engine: Engine
    now: Any

    async def stirred(self, limit: int) -> list[Event]:
        """List what journeys have not heard yet."""
        return await self.engine.read(lambda db: stirred(db, limit), near=True)

    async def runs(
        self, *, customer: str = "", journey: str = "", due: datetime | None = None, live: bool = True, last: int = 1000
    ) -> list[Run]:
        """List runs."""
        return await self.engine.read(lambda db: runs(db, customer, journey, due, live=live, last=last), near=True)

    async def cues(self, now: datetime, limit: int) -> Cues:
        """Ask what journeys are to do now."""
        events, due = await self.engine.read(lambda db: looked(db, now, limit), near=True)
        who = dict.fromkeys([*(each.subject for each in events), *(each.customer for each in due)])
        return Cues(events, due, await self.walkers(list(who)) if who else {})

    async def walkers(self, customers: Sequence[str]) -> dict[str, Walker]:
        """Load customers with their live runs."""
        return await self.engine.read(lambda db: walkers(db, customers), near=len(customers) <= NEAR)

    async def entered(self, entries: Sequence[EntryKey]) -> set[EntryKey]:
        """Tell which of them have a run."""
        return await self.engine.read(
            lambda db: {each for each in entries if db.execute(_ENTERED, each).fetchone()}, near=len(entries) <= NEAR
        )

    async def busy(self, now: datetime) -> bool:
        """Tell whether anything is to be claimed, heard or woken now."""
        return await self.engine.read(lambda db: busy(db, now), near=True)

    async def step(self, steps: Sequence[Step]) -> list[bool]:
        """Move runs in one commit."""
        now = self.now()
        return await self.engine.write(lambda db: step(db, steps, now, self.stirring))

    async def hear_again(self) -> None:
        """Let journeys hear what they put aside."""
        await self.engine.write(lambda db: db.execute(_AGAIN) and None)

    async def define(self, name: str, version: str, body: str) -> None:
        """Keep a definition."""
        refuse(name, version, body)
        sql = "INSERT INTO journey (name, version, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        await self.engine.write(lambda db: db.execute(sql, (name, version, body)) and None)

    async def definition(self, name: str, version: str) -> str | None:
        """Read a definition."""
        sql = "SELECT body FROM journey WHERE name=? AND version=?"
        row = await self.engine.read(lambda db: db.execute(sql, (name, version)).fetchone(), near=True)
        return None if row is None else str(row[0])


def busy(db: apsw.Connection, now: datetime) -> bool:
    """Tell whether anything is to be claimed, heard or woken."""
    row = db.execute(_BUSY, (to_micros(now),)).fetchone()
    return batch.due(db, now, urgent=False) or bool(row and row[0])


def stirred(db: apsw.Connection, limit: int) -> list[Event]:
    """List what journeys have not heard yet."""
    return read_events(db.execute(f"SELECT {EVENT} FROM event WHERE heard=0 ORDER BY seq LIMIT ?", (limit,)))


def looked(db: apsw.Connection, now: datetime, limit: int) -> tuple[list[Event], list[Run]]:
    """List what journeys have not heard, and whose time has come."""
    return stirred(db, limit), runs(db, "", "", now, live=True, last=limit)


def walkers(db: apsw.Connection, customers: Sequence[str]) -> dict[str, Walker]:
    """Load customers with their live runs."""
    found = load(db, customers, None)
    live: defaultdict[str, list[Run]] = defaultdict(list)
    these = dict.fromkeys(each.customer.id for each in found.values())
    for row in db.execute(_LIVE, (listed(list(these)),)):
        live[row[1]].append(read_run(row))
    return {asked: Walker(each, tuple(live[each.customer.id])) for asked, each in found.items()}


def runs(db: apsw.Connection, customer: str, journey: str, due: datetime | None, *, live: bool, last: int) -> list[Run]:
    """List runs."""
    where, given = ["1=1"], list[Any]()
    for column, value in (("customer", customer), ("journey", journey)):
        if value:
            where.append(f"{column}=?")
            given.append(value)
    if live:
        where.append("node<>''")
    order = "started DESC"
    if due is not None:
        where.append("due<=?")
        given.append(to_micros(due))
        order = "due"
    sql = f"SELECT {RUN} FROM run WHERE {' AND '.join(where)} ORDER BY {order}, id LIMIT ?"
    return [read_run(row) for row in db.execute(sql, (*given, last))]


def step(db: apsw.Connection, steps: Sequence[Step], now: datetime, stirring: frozenset[str]) -> list[bool]:
    """Move runs, each all or nothing; timer and event compete by revision."""
    done = []
    for each in steps:
        try:
            with db:
                _step_one(db, each, now, stirring)
            done.append(True)
        except Stale:
            done.append(False)
    return done


def _step_one(db: apsw.Connection, each: Step, now: datetime, stirring: frozenset[str]) -> None:
    for stride in each.strides:
        _stride(db, stride, now)
    if each.change is not None:
        apply(db, each.change, stirring)
    for answer in accept(db, each.wishes):
        if answer is None:
            raise Stale
    db.executemany(_HEARD, [(event.id, event.source) for event in each.heard])
    db.executemany(_ASIDE, [(event.id, event.source) for event in each.aside])


def _stride(db: apsw.Connection, each: Stride, now: datetime) -> None:
    run = each.run
    if each.before is None:
        sql = f"INSERT INTO run ({RUN}) VALUES ({', '.join('?' * 12)}) ON CONFLICT DO NOTHING"
        db.execute(sql, run_row(run, now))
    else:
        db.execute(
            "UPDATE run SET node=?, due=?, waiting=?, revision=?, data=?, reason=? WHERE id=? AND revision=?",
            (
                run.node, micros(run.due), dump(run.waiting), run.revision, dump(run.values), run.reason, run.id,
                each.before,
            ),
        )  # fmt: skip
    if not db.changes():
        raise Stale
