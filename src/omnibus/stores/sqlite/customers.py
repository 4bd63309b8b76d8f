"""Statements on customers, identities, aliases, events and contexts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from omnibus.model.customer import Identity
from omnibus.model.delivery import SHOWN, State, may_move
from omnibus.model.event import Event
from omnibus.store import Change, Move, encode_bodies
from omnibus.stores.rows import EVENT, dump, event_row, micros, read_events
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.engine import Stale
from omnibus.stores.sqlite.statements import CONTEXT, EVENT_IN, LANE, RAISED

_SHOWN = tuple(state.value for state in SHOWN)
_CAN_WITHDRAW = f"state IN ({','.join('?' * len(_SHOWN))})"


def canonical(db: apsw.Connection, id_: str) -> str | None:
    """Follow merges to who *id_* is now; None for an unknown id."""
    for _ in range(50):
        row = db.execute('SELECT "into" FROM customer WHERE id=?', (id_,)).fetchone()
        if row is None:
            return None
        if row[0] is None:
            return id_
        id_ = row[0]
    return None


def aliases(db: apsw.Connection, id_: str) -> tuple[str, ...]:
    """List the ids that lead to *id_*, itself first."""
    found = [id_]
    for each in found:
        found += [row[0] for row in db.execute('SELECT id FROM customer WHERE "into"=? ORDER BY id', (each,))]
    return tuple(found)


def find(db: apsw.Connection, refs: Sequence[str]) -> dict[str, str]:
    """Find customers by identity refs."""
    found = {}
    for ref in refs:
        row = db.execute("SELECT customer FROM identity WHERE ref=?", (ref,)).fetchone()
        if row is not None:
            found[ref] = row[0]
    return found


def create(db: apsw.Connection, wanted: Sequence[tuple[str, Sequence[Identity]]], now: datetime) -> list[str]:
    """Create customers unless an identity is known; give who each one is."""
    made = []
    for id_, own in wanted:
        known = find(db, [each.ref for each in own])
        who = next(iter(known.values()), None) or canonical(db, id_)
        if who is None:
            db.execute("INSERT INTO customer (id, created) VALUES (?, ?)", (id_, to_micros(now)))
            who = id_
        add_identities(db, who, own)
        made.append(who)
    return made


def add_identities(db: apsw.Connection, customer: str, own: Sequence[Identity]) -> None:
    """Add identities; one that is known (anyone's) stays where it is, but may become verified."""
    for each in own:
        db.execute(
            "INSERT INTO identity (ref, customer, origin, kind, value, verified, evidence, position) VALUES"
            " (?, ?, ?, ?, ?, ?, ?, (SELECT count(*) FROM identity WHERE customer=?))"
            " ON CONFLICT (ref) DO UPDATE SET verified=max(verified, excluded.verified) WHERE customer=excluded.customer",
            (each.ref, customer, customer, each.kind, each.value, int(each.verified), each.evidence, customer),
        )


def apply(db: apsw.Connection, change: Change, stirring: frozenset[str]) -> None:
    """Do one change.

    Raises:
        Stale: the context has another version, or an event is stored already; the caller rolls back.
    """
    row = db.execute("SELECT version FROM context WHERE customer=?", (change.customer,)).fetchone()
    if (row[0] if row else 0) != change.version or canonical(db, change.customer) != change.customer:
        raise Stale
    for event in change.events:
        heard = int(change.quiet or event.type not in stirring)
        db.execute(EVENT_IN, event_row(event, heard))
        if not db.changes():
            raise Stale
    if change.bodies is not None:
        write_context(db, change.customer, change.version + 1, change.bodies, change.through)
    add_identities(db, change.customer, change.identities)
    now = change.now or (change.events[-1].time if change.events else None)
    for id_ in change.wake:
        _touch(db, change.customer, id_, now, "due=?", "state IN ('queued','held')", ())
    for id_ in change.withdraw:
        _touch(db, change.customer, id_, now, "due=?, withdraw=1", f"withdraw=0 AND {_CAN_WITHDRAW}", _SHOWN)
    for move in change.moves:
        apply_move(db, change.customer, move)


def apply_move(db: apsw.Connection, customer: str, move: Move) -> None:
    """Move a delivery by a report; a late one, or one of a hand-over that another followed, changes nothing.

    Raises:
        Stale: it shall be dropped, and is not waiting any more.
    """
    sql = "SELECT state, reported, reason, due FROM delivery WHERE id=?"
    row = db.execute(sql, (move.delivery,)).fetchone()
    if row is None:
        return
    old = State(row[0])
    if move.state is State.DROPPED:
        if old not in {State.QUEUED, State.HELD}:
            raise Stale
    elif not _current(db, old, row[2], move):
        return
    new = State.FAILED if (old, move.state) == (State.UNKNOWN, State.BOUNCED) else move.state
    if old is State.SENDING:
        _overtake(db, State(row[1] or State.SENT), new, move)
        return
    if not _reaches(old, new):
        return
    shown = new in SHOWN
    due = row[3] if shown and old in SHOWN and move.due is None else micros(move.due)
    db.execute(
        "UPDATE delivery SET state=?1, reason=coalesce(?2, reason), due=?3, provider_id=coalesce(?4, provider_id),"
        " tried=coalesce(?5, tried), watched=CASE WHEN ?6 THEN watched WHEN ?7 THEN 1 ELSE 0 END WHERE id=?8",
        (
            new.value, move.reason, due, move.provider_id, None if move.tried is None else dump(move.tried), int(shown),
            int(new is State.QUEUED), move.delivery,
        ),
    )  # fmt: skip
    if shown and move.attempt:  # it did arrive, whatever we thought
        db.execute("UPDATE attempt SET outcome='accepted' WHERE id=? AND outcome<>'accepted'", (move.attempt,))
    elif move.attempt:  # it came back: the budget gets its points again
        db.execute(
            "UPDATE attempt SET outcome='bounced', reason=coalesce(?, reason), points=0 WHERE id=?",
            (move.reason, move.attempt),
        )
    if move.due is not None:
        raise_lane(db, customer, to_micros(move.due), urgent=False)


def _overtake(db: apsw.Connection, before: State, new: State, move: Move) -> None:
    """Keep a report that overtook the receipt, for the settlement to take up."""
    if _reaches(before, new):
        tried = None if move.tried is None else dump(move.tried)
        db.execute(
            "UPDATE delivery SET reported=?, tried=coalesce(?, tried) WHERE id=?", (new.value, tried, move.delivery)
        )


def _current(db: apsw.Connection, state: State, reason: str, move: Move) -> bool:
    """Tell whether a report is about how things stand: its hand-over is the last, or proves what we did not know."""
    if state is State.FAILED and reason != "answer_lost":
        return False
    if not move.attempt or state is State.FAILED or (state is State.UNKNOWN and move.state in SHOWN):
        return True
    row = db.execute(
        "SELECT id FROM attempt WHERE delivery=? ORDER BY number DESC, id DESC LIMIT 1", (move.delivery,)
    ).fetchone()
    return row is not None and row[0] == move.attempt


def _reaches(old: State, new: State) -> bool:
    """Tell whether the drawing leads from *old* to *new*; a bounce leads on to the next route."""
    return may_move(old, new) or (new is State.QUEUED and may_move(old, State.BOUNCED))


def _touch(
    db: apsw.Connection, customer: str, id_: str, now: datetime | None, what: str, when: str, more: tuple[str, ...]
) -> None:
    if now is None:
        return
    stamp = to_micros(now)
    db.execute(f"UPDATE delivery SET {what} WHERE id=? AND customer=? AND {when}", (stamp, id_, customer, *more))
    if db.changes():
        raise_lane(db, customer, stamp, urgent=False)


def raise_lane(db: apsw.Connection, customer: str, due: int, *, urgent: bool) -> None:
    """Let the lane be due at *due* at the latest."""
    db.execute(RAISED, (customer, due, due if urgent else None))


def refresh_lane(db: apsw.Connection, customer: str) -> None:
    """Let the lane say what its deliveries say: what is due next, and whether one of them is in somebody's hands."""
    db.execute(LANE, (customer,))


def write_context(
    db: apsw.Connection,
    customer: str,
    version: int,
    bodies: dict[str, bytes],
    through: tuple[datetime, str, str] | None,
) -> None:
    """Write the whole context row."""
    time, id_, source = (to_micros(through[0]), through[1], through[2]) if through else (None, None, None)
    db.execute(CONTEXT, (customer, version, time, id_, source, encode_bodies(bodies)))


def events(db: apsw.Connection, subjects: Sequence[str], last: int | None) -> list[Event]:
    """List events of subjects in timeline order."""
    marks = ",".join("?" * len(subjects))
    sql = f"SELECT {EVENT} FROM event WHERE subject IN ({marks})"
    if last is None:
        return read_events(db.execute(f"{sql} ORDER BY time, id, source", tuple(subjects)))
    rows = db.execute(f"{sql} ORDER BY time DESC, id DESC, source DESC LIMIT ?", (*subjects, last))
    return read_events(reversed(list(rows)))
