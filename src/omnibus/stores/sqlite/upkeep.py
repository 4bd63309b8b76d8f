"""Statements that keep the file small: finished deliveries go page by page, and stay in the accounts."""

from __future__ import annotations

import json
from datetime import datetime

import apsw

from omnibus.model.delivery import FINAL
from omnibus.model.rate import AHEAD, Rate
from omnibus.stores.pruned import Removed, next_page
from omnibus.stores.rolls import OVER
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.engine import Engine
from omnibus.stores.sqlite.outbox import machine_micros
from omnibus.upkeep import Block, Pruned, Upkeep

_PAGE = "SELECT id, accepted, data->>'key' FROM delivery WHERE id>? ORDER BY id LIMIT ?"
_FINAL = ", ".join(f"'{each.value}'" for each in sorted(FINAL))
_FINISHED = (
    f"state IN ({_FINAL}) AND due IS NULL AND lease IS NULL AND watched=0"
    " AND accepted<?2 AND coalesce(expires, 0)<?2"
    " AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.delivery=delivery.id AND (a.started>=?2 OR a.outcome=''))"
    " AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.delivery=delivery.id AND d.at>=?2)"
)
_CUT = (
    f"DELETE FROM delivery WHERE id IN (SELECT value FROM json_each(?1)) AND {_FINISHED}"
    " RETURNING id, state, origin, reason, flagged, data->>'key'"
)
_OF_THEM = tuple(
    f"DELETE FROM {table} WHERE delivery IN (SELECT value FROM json_each(?))" for table in ("attempt", "decision")
)
_KEYS = "DELETE FROM sendkey WHERE key IN (SELECT value FROM json_each(?))"
_CUT_LIST = (
    "DELETE FROM recipient WHERE (campaign, customer, step) IN"
    " (SELECT campaign, customer, step FROM recipient WHERE campaign=? ORDER BY customer LIMIT ?)"
)
_COUNT = "INSERT INTO tally (name, count) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET count=count+?2"
_TAKEN = "INSERT INTO rate (name, arrival) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET arrival=excluded.arrival"


class Keeping(Upkeep):
    """Keep a SQLite store small."""

    engine: Engine

    async def prune(self, before: datetime, *, after: str = "", limit: int = 100) -> Pruned:
        """Remove the finished deliveries of the next page."""
        return await self.engine.write(lambda db: prune(db, to_micros(before), after, limit))

    async def tokens(self, name: str, rate: Rate, want: int, *, now: datetime | None = None) -> Block:
        """Take tokens of a rate."""
        return await self.engine.write(lambda db: tokens(db, name, rate, want, None if now is None else to_micros(now)))

    async def forget_keys(self, before: datetime, *, after: str = "", limit: int = 100) -> Pruned:
        """Remove the send keys of the next page."""
        return await self.engine.write(lambda db: forget_keys(db, to_micros(before), after, limit))


def prune(db: apsw.Connection, before: int, after: str, limit: int) -> Pruned:
    """Remove the finished deliveries of the next page, with all that hangs on them; they go on being counted."""
    rows = list(db.execute(_PAGE, (after, limit)))
    page, gone = Removed(), []
    for id_, *told in list(db.execute(_CUT, (json.dumps([row[0] for row in rows]), before))):
        gone.append(id_)
        page.add(*told)
    for statement in _OF_THEM:
        db.execute(statement, (json.dumps(gone),))
    db.execute(_KEYS, (json.dumps(sorted(page.keys)),))
    keys = db.changes()
    db.executemany(_COUNT, sorted(page.tallies.items()))
    return Pruned(len(gone), keys, next_page(rows, before, limit))


def forget_keys(db: apsw.Connection, before: int, after: str, limit: int) -> Pruned:
    """Remove the send keys of the next page of old deliveries."""
    rows = list(db.execute(_PAGE, (after, limit)))
    keys = sorted({key for _, accepted, key in rows if key and accepted < before})
    db.execute(_KEYS, (json.dumps(keys),))
    gone = db.changes()
    db.execute("DELETE FROM handover WHERE expires<?", (before,))
    return Pruned(0, gone, next_page(rows, before, limit))


def forget_lists(db: apsw.Connection, before: int, limit: int) -> int:
    """Remove a page of a list that nobody is expanded from again."""
    row = db.execute(OVER.format(mark="?1"), (before,)).fetchone()
    if row is None:
        return 0
    db.execute(_CUT_LIST, (row[0], limit))
    return db.changes()


def tokens(db: apsw.Connection, name: str, rate: Rate, want: int, now: int | None) -> Block:
    """Take what a rate has now."""
    now = machine_micros() if now is None else now
    row = db.execute("SELECT arrival FROM rate WHERE name=?", (name,)).fetchone()
    got, arrival = rate.take(row[0] if row else 0, want, now)
    if got:
        db.execute(_TAKEN, (name, arrival))
    return Block(got, rate.wait(arrival, now))


def void(db: apsw.Connection, provider: str, seconds: float) -> None:
    """Let no token of a provider come before its pause ends."""
    until = machine_micros() + int((seconds + AHEAD) * 1_000_000)
    db.execute("UPDATE rate SET arrival=max(arrival, ?) WHERE name=?", (until, provider))
