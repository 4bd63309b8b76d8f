"""Codes, redemptions, hand-overs, pauses, notes, journeys and runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from omnibus.model.event import Event
from omnibus.model.offer import Redemption
from omnibus.model.run import Run
from omnibus.store import Change, CodeRow, Step
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.accepting import open_acceptance
from omnibus.stores.postgres.engine import Connection, Stale, Surprise
from omnibus.stores.postgres.sheet import Sheet, open_sheet
from omnibus.stores.postgres.standing import batch
from omnibus.stores.postgres.upkeep import void
from omnibus.stores.rows import RUN, read_run, run_row
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.texts import matchless

GUARD_CODE = "SELECT pg_advisory_xact_lock(7305, hashtext(%s))"  # baskets of one code, one after the other
GUARD_PROVIDER = "SELECT pg_advisory_xact_lock(7304, hashtext(%s))"
REDEEM = "INSERT INTO redemption (code, basket, offer, customer, once, at) VALUES (%s, %s, %s, %s, %s, %s)"
PAUSE = (
    "INSERT INTO pause AS p (provider, until, reason) VALUES (%s, %s, %s) ON CONFLICT (provider) DO UPDATE SET"
    " until = excluded.until, reason = excluded.reason WHERE excluded.until > p.until"
)
PAUSES = "SELECT provider, until, reason FROM pause WHERE until > %s"
NOTE = "INSERT INTO note (scope, name, value) VALUES (%s, %s, %s) ON CONFLICT (scope, name) DO UPDATE SET value = excluded.value"
HEARD = (
    f"UPDATE event e SET heard = 1 FROM {sql.rows('subject text, id text, source text')}"
    " WHERE e.subject = u.subject AND e.id = u.id AND e.source = u.source AND e.heard = 0"
)


async def issue(db: Connection, codes: Sequence[CodeRow]) -> None:
    """Write codes down; known ones stay."""
    await batch(db, sql.PUT_CODES, [(each.hash, each.offer, each.customer) for each in codes])


async def redeem(
    db: Connection, code: CodeRow, basket: str, customer: str, *, single: bool, limit: int | None, now: datetime,
    change: Change | None, stirring: frozenset[str],
) -> Redemption | None:  # fmt: skip
    """Let exactly one basket win: those of one code come one after the other."""
    await db.execute(GUARD_CODE, (code.hash,))
    once = code.hash if single else f"{code.hash}|{customer}" if customer else None
    async with db.pipeline():
        mine = await db.execute("SELECT 1 FROM redemption WHERE code = %s AND basket = %s", (code.hash, basket))
        other = await db.execute("SELECT basket FROM redemption WHERE once = %s", (once,))
        used = await db.execute("SELECT count(*) FROM redemption WHERE code = %s", (code.hash,))
    if await mine.fetchone():
        return Redemption(True, code.offer, basket, customer=customer)
    if won := await other.fetchone():
        return Redemption(False, code.offer, won[0], "already redeemed", customer=customer)
    count = await used.fetchone()
    if limit is not None and count is not None and count[0] >= limit:
        return Redemption(False, code.offer, "", "limit reached", customer=customer)
    if change is not None:
        sheet = await open_sheet(db, [change], stirring)
        if not sheet.apply(change):
            return None
        await sheet.write(db)
    await db.execute(REDEEM, (code.hash, basket, code.offer, customer, once, to_micros(now)))
    return Redemption(True, code.offer, basket, customer=customer)


async def pause(db: Connection, provider: str, until: datetime, reason: str, now: datetime) -> None:
    """Let a provider rest; only ever prolonged. Waits for attempts that are being committed, so none comes after it."""
    await db.execute(GUARD_PROVIDER, (provider,))
    await db.execute(PAUSE, (provider, to_micros(until), reason))
    await void(db, provider, (until - now).total_seconds())


async def pauses(db: Connection, now: datetime) -> dict[str, tuple[datetime, str]]:
    """List who rests now."""
    rows = await db.execute(PAUSES, (to_micros(now),))
    return {row[0]: (from_micros(row[1]), row[2]) for row in await rows.fetchall()}


async def note(db: Connection, scope: str, name: str, value: str | None) -> str | None:
    """Read or write a note."""
    if value is not None:
        await db.execute(NOTE, (scope, name, value))
        return value
    if matchless((scope, name)):
        return None
    cursor = await db.execute("SELECT value FROM note WHERE scope = %s AND name = %s", (scope, name))
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def heard(db: Connection, events: Sequence[Event]) -> None:
    """Mark events as heard."""
    await batch(db, HEARD, sorted((each.subject, each.id, each.source) for each in events))


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
    """Move runs, each all or nothing; timer and event compete by revision."""
    acceptance = await open_acceptance(db, [wish for each in steps for wish in each.wishes])
    changes = [each.change for each in steps if each.change is not None]
    sheet = await open_sheet(db, changes, stirring, lanes=acceptance.owners.values())
    page = await _read_runs(db, steps)
    done = []
    for each in steps:
        fits = page.fits(each) and all(acceptance.fits(wish) for wish in each.wishes)
        fits = fits and (each.change is None or sheet.apply(each.change))
        done.append(fits)
        if fits:
            page.take(each, now)
            for wish in each.wishes:
                acceptance.take(wish)
    await _write_steps(db, page, sheet)
    await acceptance.write(db)
    return done


class _Runs:
    """Hold which runs stand where, and how they move."""

    def __init__(self) -> None:
        self.revisions: dict[str, int] = {}
        self.entries: set[tuple[str, str, str]] = set()
        self.new: list[tuple[Any, ...]] = []
        self.moved: list[tuple[Any, ...]] = []

    def fits(self, each: Step) -> bool:
        run = each.run
        if each.before is None:
            return run.id not in self.revisions and (run.customer, run.journey, run.entry) not in self.entries
        return self.revisions.get(run.id) == each.before

    def take(self, each: Step, now: datetime) -> None:
        run, row = each.run, run_row(each.run, now)
        self.revisions[run.id] = run.revision
        if each.before is None:
            self.entries.add((run.customer, run.journey, run.entry))
            self.new.append(row)
        else:
            self.moved.append((*row, _now(each), each.before))


def _now(each: Step) -> str:
    return each.change.customer if each.change is not None else each.run.customer


async def _read_runs(db: Connection, steps: Sequence[Step]) -> _Runs:
    page = _Runs()
    async with db.pipeline():
        old = await batch(db, sql.READ_RUNS, [(each.run.id, each.run.customer, _now(each)) for each in steps])
        keys = [(each.run.customer, each.run.journey, each.run.entry) for each in steps if each.before is None]
        met = await batch(db, sql.READ_ENTRIES, keys)
    page.revisions = dict(await old.fetchall()) if old is not None else {}
    page.entries = set(await met.fetchall()) if met is not None else set()
    return page


async def _write_steps(db: Connection, page: _Runs, sheet: Sheet) -> None:
    async with db.pipeline():
        put = await batch(db, sql.PUT_RUNS, page.new)
        moved = await batch(db, sql.MOVE_RUNS, page.moved)
    if put is not None and put.rowcount != len(page.new):
        raise Surprise  # the other worker heard the same event
    if moved is not None and moved.rowcount != len(page.moved):
        raise Stale
    await sheet.write(db)
