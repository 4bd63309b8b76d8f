"""Statements of the road out: accept, claim, attempt, settle, rescue, audit."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import apsw

from omnibus.errors import NotFound
from omnibus.model.delivery import SHOWN, WAITING, Delivery, State, may_move
from omnibus.store import Grant, OpenAttempt, Outcome, Settlement, Try, Wish
from omnibus.stores.rows import ATTEMPT, DELIVERY, delivery_row, dump, micros, read_attempt, read_delivery
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.customers import URGENT, apply, canonical, raise_lane, refresh_lane
from omnibus.stores.sqlite.engine import Stale

_INSERT = f"INSERT INTO delivery ({DELIVERY.removesuffix(', lease')}, watched) VALUES ({', '.join('?' * 26)})"


def machine_micros() -> int:
    """Tell machine time; leases of one machine are judged by it, never by business time."""
    return int(time.time() * 1_000_000)


def accept(db: apsw.Connection, wishes: Sequence[Wish]) -> list[tuple[Delivery, ...] | None]:
    """Accept each wish once; deliveries of merged customers go to who they are now."""
    return [_accept_one(db, wish) for wish in wishes]


def _accept_one(db: apsw.Connection, wish: Wish) -> tuple[Delivery, ...] | None:
    if wish.key:
        row = db.execute("SELECT digest, deliveries FROM sendkey WHERE key=?", (wish.key,)).fetchone()
        if row is not None:
            return tuple(_read(db, id_) for id_ in json.loads(row[1])) if row[0] == wish.digest else None
        ids = dump([each.id for each in wish.deliveries])
        db.execute("INSERT INTO sendkey (key, digest, deliveries) VALUES (?, ?, ?)", (wish.key, wish.digest, ids))
    for each in wish.deliveries:
        row = delivery_row(each)
        customer = canonical(db, each.customer)
        if customer is None:
            raise NotFound(f"no customer {each.customer}", fix="`omnibus customers` lists them")
        db.execute(_INSERT, (row[0], customer, *row[2:]))
        if each.state in WAITING:
            raise_lane(db, customer, to_micros(each.due), urgent=each.purpose == URGENT)
    count = len(wish.deliveries)
    db.execute(
        "INSERT INTO tally (name, count) VALUES ('accepted', ?1) ON CONFLICT (name) DO UPDATE SET count=count+?1",
        (count,),
    )
    return wish.deliveries


def _read(db: apsw.Connection, id_: str) -> Delivery:
    row = db.execute(f"SELECT {DELIVERY} FROM delivery WHERE id=?", (id_,)).fetchone()
    if row is None:
        raise LookupError(id_)
    return read_delivery(row)


def claim(db: apsw.Connection, now: datetime, limit: int, lease: str, term: float) -> list[Delivery]:
    """Take the head of each due lane, transactional lanes first."""
    stamp, until = to_micros(now), machine_micros() + int(term * 1_000_000)
    taken: list[Delivery] = []
    seen: set[str] = set()
    for column in ("urgent", "due"):
        room = limit - len(taken)
        if room <= 0:
            break
        sql = f'SELECT customer FROM lane WHERE lease IS NULL AND "{column}"<=? ORDER BY "{column}" LIMIT ?'
        lanes = [row[0] for row in db.execute(sql, (stamp, room)) if row[0] not in seen]
        seen.update(lanes)
        taken += [each for lane in lanes if (each := _take_head(db, lane, stamp, lease, until)) is not None]
    return taken


def _take_head(db: apsw.Connection, customer: str, stamp: int, lease: str, until: int) -> Delivery | None:
    sql = f"SELECT {DELIVERY} FROM delivery WHERE customer=? AND due<=? AND lease IS NULL ORDER BY due, id LIMIT 1"
    row = db.execute(sql, (customer, stamp)).fetchone()
    if row is None:  # withdrawn or settled since: without this the lane would be polled for ever
        refresh_lane(db, customer)
        return None
    db.execute("UPDATE lane SET lease=?, lease_until=? WHERE customer=?", (lease, until, customer))
    db.execute(
        "UPDATE delivery SET lease=?, lease_until=?, state=CASE WHEN state IN ('queued','held') THEN 'sending' ELSE state END"
        " WHERE id=?",
        (lease, until, row[0]),
    )
    return read_delivery((*row[:-1], lease))


def attempt(db: apsw.Connection, tries: Sequence[Try], stirring: frozenset[str]) -> list[Grant]:
    """Write attempts down, each guarded on its own."""
    return [_attempt_one(db, each, stirring) for each in tries]


def _attempt_one(db: apsw.Connection, each: Try, stirring: frozenset[str]) -> Grant:
    row = db.execute("SELECT lease FROM delivery WHERE id=?", (each.delivery,)).fetchone()
    if row is None or row[0] != each.lease:
        return Grant.LOST
    started = to_micros(each.started)
    rests = "SELECT 1 FROM pause WHERE provider=? AND until>?"
    if db.execute(rests, (f"{each.channel}/{each.provider}", started)).fetchone():
        return Grant.PAUSED
    for limit in each.limits:
        only = " AND channel=?" if limit.channel else ""
        sql = f"SELECT coalesce(sum(points), 0) FROM attempt WHERE customer=? AND started>=?{only}"
        where = (each.change.customer, to_micros(limit.since), *([limit.channel] if limit.channel else []))
        spent = db.execute(sql, where).fetchone()
        if (spent[0] if spent else 0) + each.points > limit.points:
            return Grant.OVER
    try:
        with db:
            apply(db, each.change, stirring)
            db.execute(
                "INSERT INTO attempt (id, delivery, customer, number, channel, provider, identity, points, started, digest)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET number=excluded.number, outcome='', points=excluded.points",
                (
                    each.attempt, each.delivery, each.change.customer, each.number, each.channel, each.provider,
                    each.identity, each.points, started, each.digest,
                ),
            )  # fmt: skip
    except Stale:
        return Grant.STALE
    db.execute("UPDATE delivery SET attempts=?, state='sending' WHERE id=?", (each.number, each.delivery))
    for code in each.codes:
        sql = "INSERT INTO code (hash, offer, customer) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        db.execute(sql, (code.hash, code.offer, code.customer))
    decide(db, each.delivery, each.started, each.decision)
    return Grant.GRANTED


def decide(db: apsw.Connection, delivery: str, at: datetime, decision: str) -> None:
    """Keep the reasons of a judging, for `why`."""
    if decision:
        db.execute("INSERT INTO decision (delivery, at, body) VALUES (?, ?, ?)", (delivery, to_micros(at), decision))


def settle(
    db: apsw.Connection, settlements: Sequence[Settlement], now: datetime, stirring: frozenset[str]
) -> list[bool]:
    """Write what became of claimed deliveries, each all or nothing."""
    done = []
    for each in settlements:
        try:
            with db:
                _settle_one(db, each, now, stirring)
            done.append(True)
        except Stale:
            done.append(False)
    return done


def _settle_one(db: apsw.Connection, each: Settlement, now: datetime, stirring: frozenset[str]) -> None:
    row = db.execute("SELECT lease, state, customer, reported FROM delivery WHERE id=?", (each.delivery,)).fetchone()
    if each.outcome is not None:
        _close(db, each.outcome, now)
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
    _write_delivery(db, each, each.state)
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


def _write_delivery(db: apsw.Connection, each: Settlement, state: State) -> None:
    flagged = None if each.flagged is None else int(each.flagged)
    withdraw = None if each.withdraw is None else int(each.withdraw)
    db.execute(
        "UPDATE delivery SET state=?, reason=?, due=?, channel=coalesce(?, channel), provider=coalesce(?, provider),"
        " identity=coalesce(?, identity), provider_id=coalesce(?, provider_id), tried=coalesce(?, tried),"
        " attempts=coalesce(?, attempts), faults=coalesce(?, faults), flagged=coalesce(?, flagged),"
        " withdraw=coalesce(?, withdraw), watched=?, reported='', lease=NULL, lease_until=NULL WHERE id=?",
        (
            state.value, each.reason, micros(each.due), each.channel, each.provider, each.identity,
            each.provider_id, None if each.tried is None else dump(each.tried), each.attempts, each.faults, flagged,
            withdraw, int(each.watched), each.delivery,
        ),
    )  # fmt: skip


def _close(db: apsw.Connection, outcome: Outcome, now: datetime) -> None:
    db.execute(
        "UPDATE attempt SET outcome=?1, reason=?2, ended=?3, provider_id=CASE WHEN ?4='' THEN provider_id ELSE ?4 END,"
        " points=CASE WHEN ?5 THEN points ELSE 0 END, details=CASE WHEN ?6='' THEN details ELSE ?6 END"
        " WHERE id=?7 AND (outcome<>'accepted' OR ?1='accepted')",  # nothing that a zombie says undoes a receipt
        (
            outcome.outcome, outcome.reason, to_micros(now), outcome.provider_id, int(outcome.counts), outcome.details,
            outcome.attempt,
        ),
    )  # fmt: skip


def renew(db: apsw.Connection, lease: str, term: float) -> int:
    """Prolong the rows of a lease."""
    until = machine_micros() + int(term * 1_000_000)
    db.execute("UPDATE lane SET lease_until=? WHERE lease=?", (until, lease))
    db.execute("UPDATE delivery SET lease_until=? WHERE lease=?", (until, lease))
    return db.changes()


def rescue(db: apsw.Connection, now: datetime, *, everything: bool) -> int:
    """Free what a dead worker held: an open attempt makes it unknown, else it is queued; never the other way."""
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
            "UPDATE delivery SET state=?, due=?, lease=NULL, lease_until=NULL WHERE id=?", (new, to_micros(now), id_)
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
