"""Journeys: what they have to hear and to wake, whom that is about, and how runs move."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from omnibus.model.event import Event
from omnibus.model.run import Run
from omnibus.store import Cues, EntryKey, Step, Store, Stride, Walker
from omnibus.stores.postgres import ear, loading, telling
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.accepting import open_acceptance
from omnibus.stores.postgres.engine import Connection, Engine, Stale, Surprise
from omnibus.stores.postgres.sheet import open_sheet
from omnibus.stores.postgres.standing import batch
from omnibus.stores.rows import RUN, read_run, run_row
from omnibus.stores.schema import to_micros
from omnibus.stores.texts import matchless


class Walking(Store):
    """Keep journeys and their runs."""

    engine: Engine
    ear: Engine
    now: Any

    async def stirred(self, limit: int) -> list[Event]:
        """List what journeys have not heard yet."""
        return await self.ear.read(lambda db: ear.stirred(db, limit))

    async def runs(
        self, *, customer: str = "", journey: str = "", due: datetime | None = None, live: bool = True, last: int = 1000
    ) -> list[Run]:
        """List runs."""
        return await self.engine.read(lambda db: runs(db, customer, journey, due, live=live, last=last))

    async def cues(self, now: datetime, limit: int) -> Cues:
        """Ask what journeys are to do now, in two round trips, or one when that is nothing."""
        return await self.ear.read(lambda db: ear.cues(db, now, limit))

    async def walkers(self, ids: Sequence[str]) -> dict[str, Walker]:
        """Load customers with their live runs."""
        return await self.engine.read(lambda db: loading.walkers(db, ids), pinned=True)

    async def entered(self, entries: Sequence[EntryKey]) -> set[EntryKey]:
        """Tell which of them have a run."""
        return await self.engine.read(lambda db: entered(db, entries), pinned=True)

    async def busy(self, now: datetime) -> bool:
        """Tell whether anything is to be claimed, heard or woken now."""
        return await self.ear.read(lambda db: ear.busy(db, now))

    async def step(self, steps: Sequence[Step]) -> list[bool]:
        """Move runs in one commit."""
        now = self.now()
        plain = telling.steps_are_plain(steps)
        job = telling.step if plain else step
        return await self.engine.write(lambda db: job(db, steps, now, self.stirring), pinned=plain)

    async def hear_again(self) -> None:
        """Let journeys hear what they put aside."""

        async def job(db: Connection) -> None:
            await db.execute("UPDATE event SET heard = 0 WHERE heard = 2")

        await self.engine.write(job)

    async def define(self, name: str, version: str, body: str) -> None:
        """Keep a definition."""
        statement = "INSERT INTO journey (name, version, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"

        async def job(db: Connection) -> None:
            await db.execute(statement, (name, version, body))

        await self.engine.write(job)

    async def definition(self, name: str, version: str) -> str | None:
        """Read a definition."""
        return await self.engine.read(lambda db: definition(db, name, version))


async def definition(db: Connection, name: str, version: str) -> str | None:
    """Read a definition."""
    if matchless((name, version)):
        return None
    cursor = await db.execute("SELECT body FROM journey WHERE name = %s AND version = %s", (name, version))
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def entered(db: Connection, entries: Sequence[EntryKey]) -> set[EntryKey]:
    """Tell which of them have a run, live or left."""
    cursor = await batch(db, sql.READ_ENTRIES, [each for each in entries if not matchless(each)])
    return set(await cursor.fetchall()) if cursor is not None else set()


async def runs(
    db: Connection, customer: str, journey: str, due: datetime | None, *, live: bool, last: int
) -> list[Run]:
    """List runs."""
    where, given = ["true"], list[Any]()
    for column, value in (("customer", customer), ("journey", journey)):
        if value:
            where.append(f"{column} = %s")
            given.append(value)
    if live:
        where.append("node <> ''")
    order = "started DESC"
    if due is not None:
        where.append("due <= %s")
        given.append(to_micros(due))
        order = "due"
    if matchless(given):
        return []
    statement = f"SELECT {RUN} FROM run WHERE {' AND '.join(where)} ORDER BY {order}, id LIMIT %s"
    return [read_run(row) for row in await (await db.execute(statement, (*given, last))).fetchall()]


async def step(db: Connection, steps: Sequence[Step], now: datetime, stirring: frozenset[str]) -> list[bool]:
    """Move runs, each step all or nothing; timer and event compete by revision.

    Raises:
        Surprise: another worker heard the same event; the whole call runs again.
    """
    acceptance = await open_acceptance(db, [wish for each in steps for wish in each.wishes])
    changes = [each.change for each in steps if each.change is not None]
    sheet = await open_sheet(db, changes, stirring, lanes=acceptance.owners.values())
    page, heard, aside = await _read_runs(db, steps), list[Event](), list[Event]()
    done = []
    for each in steps:
        fits = page.fits(each.strides) and all(acceptance.fits(wish) for wish in each.wishes)
        fits = fits and (each.change is None or sheet.apply(each.change))
        done.append(fits)
        if fits:
            page.take(each, now)
            heard += each.heard
            aside += each.aside
            for wish in each.wishes:
                acceptance.take(wish)
    async with db.pipeline():
        put = await batch(db, sql.PUT_RUNS, page.new)
        moved = await batch(db, sql.MOVE_RUNS, page.moved)
        await telling.hear(db, heard)
        await telling.put_aside(db, aside)
        await sheet.write(db)
    if put is not None and put.rowcount != len(page.new):
        raise Surprise
    if moved is not None and moved.rowcount != len(page.moved):
        raise Stale
    await acceptance.write(db)
    return done


class _Runs:
    """Hold which runs stand where, and how they move."""

    def __init__(self) -> None:
        self.revisions: dict[str, int] = {}
        self.entries: set[EntryKey] = set()
        self.new: list[tuple[Any, ...]] = []
        self.moved: list[tuple[Any, ...]] = []

    def fits(self, strides: Sequence[Stride]) -> bool:
        return telling.distinct(strides) and all(
            self.revisions.get(each.run.id) == each.before
            if each.before is not None
            else each.run.id not in self.revisions and entry_of(each) not in self.entries
            for each in strides
        )

    def take(self, step: Step, now: datetime) -> None:
        for each in step.strides:
            row = run_row(each.run, now)
            self.revisions[each.run.id] = each.run.revision
            if each.before is None:
                self.entries.add(entry_of(each))
                self.new.append(row)
            else:
                self.moved.append((*row, _now(step, each), each.before))


def entry_of(each: Stride) -> EntryKey:
    """Give what makes a run the only one of its kind."""
    return each.run.customer, each.run.journey, each.run.entry


def _now(step: Step, each: Stride) -> str:
    return step.change.customer if step.change is not None else each.run.customer


async def _read_runs(db: Connection, steps: Sequence[Step]) -> _Runs:
    page = _Runs()
    strides = [(each, stride) for each in steps for stride in each.strides]
    async with db.pipeline():
        old = await batch(db, sql.READ_RUNS, [(own.run.id, own.run.customer, _now(each, own)) for each, own in strides])
        met = await batch(db, sql.READ_ENTRIES, [entry_of(own) for _, own in strides if own.before is None])
    page.revisions = dict(await old.fetchall()) if old is not None else {}
    page.entries = set(await met.fetchall()) if met is not None else set()
    return page
