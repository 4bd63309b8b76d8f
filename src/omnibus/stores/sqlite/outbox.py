"""Statements of the road out: attempt, settle, rescue, one by one."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import apsw

from omnibus.model.delivery import SHOWN, State, may_move
from omnibus.store import Grant, OpenAttempt, Settlement, Try
from omnibus.stores.rows import ATTEMPT, micros, read_attempt
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.customers import apply, refresh_lane
from omnibus.stores.sqlite.engine import Stale
from omnibus.stores.sqlite.statements import (
    ATTEMPT as ATTEMPT_IN,
)
from omnibus.stores.sqlite.statements import (
    BEGUN,
    CLOSED,
    CODE,
    DECISION,
    SETTLED,
    attempt_row,
    closed_row,
    settled_row,
)


def machine_micros() -> int:
    """Tell machine time; leases of one machine are judged by it, never by business time."""
    return int(time.time() * 1_000_000)


def attempt_one(db: apsw.Connection, each: Try, stirring: frozenset[str]) -> Grant:
    """Write one attempt down if lease, pause, budget and context allow."""
    row = db.execute("SELECT lease FROM delivery WHERE id=?", (each.delivery,)).fetchone()
    if row is None or row[0] != each.lease:
        return Grant.LOST
    started = to_micros(each.started)
    rests = "SELECT 1 FROM pause WHERE provider IN (?, ?) AND until>?"
    if db.execute(rests, (*each.rests, started)).fetchone():
        return Grant.PAUSED
    if over(db, each):
        return Grant.OVER
    try:
        with db:
            apply(db, each.change, stirring)
            db.execute(ATTEMPT_IN, attempt_row(each))
    except Stale:
        return Grant.STALE
    db.execute(BEGUN, (each.number, each.delivery))
    for code in each.codes:
        db.execute(CODE, (code.hash, code.offer, code.customer))
    decide(db, each.delivery, each.started, each.decision)
    return Grant.GRANTED


def over(db: apsw.Connection, each: Try) -> bool:
    """Tell whether an attempt would overspend the contact budget."""
    for limit in each.limits:
        only = " AND channel=?" if limit.channel else ""
        sql = f"SELECT coalesce(sum(points), 0) FROM attempt WHERE customer=? AND started>=?{only}"
        where = (each.change.customer, to_micros(limit.since), *([limit.channel] if limit.channel else []))
        spent = db.execute(sql, where).fetchone()
        if (spent[0] if spent else 0) + each.points > limit.points:
            return True
    return False


def decide(db: apsw.Connection, delivery: str, at: datetime, decision: str) -> None:
    """Keep the reasons of a judging, for `why`."""
    if decision:
        db.execute(DECISION, (delivery, to_micros(at), decision))


def settle_one(db: apsw.Connection, each: Settlement, now: datetime, stirring: frozenset[str]) -> bool:
    """Write what became of one claimed delivery, all or nothing; False when its change is stale."""
    try:
        with db:
            _settle_one(db, each, now, stirring)
    except Stale:
        return False
    return True


def _settle_one(db: apsw.Connection, each: Settlement, now: datetime, stirring: frozenset[str]) -> None:
    row = db.execute("SELECT lease, state, customer, reported FROM delivery WHERE id=?", (each.delivery,)).fetchone()
    if each.outcome is not None:
        db.execute(CLOSED, closed_row(each.outcome, to_micros(now)))
    if row is None:
        return
    old, reported = State(row[1]), row[3]
    if row[0] != each.lease:  # fenced: only the very attempt that left it unknown may still settle it
        lifts = old is State.UNKNOWN and each.outcome is not None and each.outcome.outcome == "accepted"
        if not lifts:
            return
    if old != each.state and not may_move(old, each.state):  # a report was faster, and knows better
        due = each.due if each.state in SHOWN else None  # … but what is to be taken off, still is
        sql = "UPDATE delivery SET due=?, lease=NULL, lease_until=NULL WHERE id=?"
        db.execute(sql, (micros(each.due) if due else None, each.delivery))
        refresh_lane(db, row[2])
        return
    if each.change is not None:
        apply(db, each.change, stirring)
    if reported and each.state in {State.SENT, State.UNKNOWN}:
        each = _overtaken(db, each, State(reported), now)
    db.execute(SETTLED, (*settled_row(each), int(each.watched), each.delivery))
    decide(db, each.delivery, now, each.decision)
    refresh_lane(db, row[2])


def _overtaken(db: apsw.Connection, each: Settlement, reported: State, now: datetime) -> Settlement:
    """Let the report that came before the receipt have its say: it arrived, or it came back."""
    attempt = each.outcome.attempt if each.outcome else ""
    if reported in SHOWN:
        db.execute("UPDATE attempt SET outcome='accepted' WHERE id=?", (attempt,))
        due = each.due if each.state is State.SENT else None
        return replace(each, state=reported, due=due, watched=each.watched and each.state is State.SENT)
    db.execute("UPDATE attempt SET outcome='bounced', points=0 WHERE id=?", (attempt,))
    due = now if reported is State.QUEUED else None
    return replace(each, state=reported, reason="bounced", due=due, watched=reported is State.QUEUED, withdraw=False)


def renew(db: apsw.Connection, lease: str, term: float) -> int:
    """Prolong the rows of a lease."""
    until = machine_micros() + int(term * 1_000_000)
    db.execute("UPDATE lane SET lease_until=? WHERE lease=?", (until, lease))
    db.execute("UPDATE delivery SET lease_until=? WHERE lease=?", (until, lease))
    return db.changes()


def rescue(db: apsw.Connection, now: datetime, *, everything: bool) -> int:
    """Free what a dead worker held: an open attempt makes it unknown, else it is queued; never the other way.

    It keeps its place in its lane: what came after it does not go before it.
    """
    when = "" if everything else " AND lease_until<?"
    given = () if everything else (machine_micros(),)
    sql = f"SELECT id, customer, state FROM delivery WHERE lease IS NOT NULL{when}"
    rows = list(db.execute(sql, given))
    for id_, _customer, state in rows:
        opened = db.execute("SELECT 1 FROM attempt WHERE delivery=? AND outcome=''", (id_,)).fetchone()
        new = state
        if state == State.SENDING:
            new = State.UNKNOWN.value if opened else State.QUEUED.value
        db.execute(
            "UPDATE delivery SET state=?1, due=coalesce(min(due, ?2), ?2), lease=NULL, lease_until=NULL,"
            " attempts=max(attempts, (SELECT coalesce(max(number), 0) FROM attempt WHERE delivery=?3)) WHERE id=?3",
            (new, to_micros(now), id_),
        )
    sql = f"SELECT customer FROM lane WHERE lease IS NOT NULL{when}"
    for customer in {row[1] for row in rows} | {row[0] for row in db.execute(sql, given)}:
        refresh_lane(db, customer)
    return len(rows)


def attempts(db: apsw.Connection, delivery: str) -> list[OpenAttempt]:
    """List a delivery's attempts."""
    sql = f"SELECT {ATTEMPT} FROM attempt WHERE delivery=? ORDER BY number, id"
    return [read_attempt(row) for row in db.execute(sql, (delivery,))]


def attempt_of(db: apsw.Connection, id_: str, provider: str, provider_id: str) -> OpenAttempt | None:
    """Find one attempt."""
    if id_:
        where: tuple[str, tuple[Any, ...]] = ("id=?", (id_,))
    else:
        where = ("provider_id=? AND provider=?", (provider_id, provider))
    row = db.execute(f"SELECT {ATTEMPT} FROM attempt WHERE {where[0]} ORDER BY id DESC LIMIT 1", where[1]).fetchone()
    return None if row is None else read_attempt(row)
