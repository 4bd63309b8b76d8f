"""Statements on customers, identities, aliases, events and contexts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from omnibus.model.customer import Customer, Identity
from omnibus.model.delivery import SHOWN, State, may_move
from omnibus.model.event import Event
from omnibus.store import Change, Loaded, Move, Spent, decode_bodies, encode_bodies
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.sqlite.engine import Stale
from omnibus.stores.sqlite.rows import DELIVERY, EVENT, dump, event_row, micros, read_delivery, read_events

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


def identities(db: apsw.Connection, id_: str) -> tuple[Identity, ...]:
    """List a customer's identities in the order they were learnt."""
    sql = "SELECT kind, value, ref, verified, evidence FROM identity WHERE customer=? ORDER BY position, ref"
    return tuple(Identity(r[0], r[1], r[2], bool(r[3]), r[4]) for r in db.execute(sql, (id_,)))


def load(db: apsw.Connection, ids: Sequence[str], since: datetime | None) -> dict[str, Loaded]:
    """Load customers by the ids asked for."""
    found: dict[str, Loaded] = {}
    for asked in ids:
        id_ = canonical(db, asked)
        if id_ is None:
            continue
        row = db.execute("SELECT version, time, id, source, body FROM context WHERE customer=?", (id_,)).fetchone()
        version, through, bodies = 0, None, {}
        if row is not None:
            version, bodies = row[0], decode_bodies(row[4])
            through = None if row[1] is None else (from_micros(row[1]), row[2], row[3])
        live = db.execute(f"SELECT {DELIVERY} FROM delivery WHERE customer=? AND watched=1", (id_,))
        spent: tuple[Spent, ...] = ()
        if since is not None:
            sql = "SELECT started, channel, points FROM attempt WHERE customer=? AND started>=? AND points>0"
            spent = tuple(
                Spent(from_micros(r[0]), r[1], r[2]) for r in db.execute(sql, (id_, to_micros(since)))
            )  # fmt: skip
        found[asked] = Loaded(
            Customer(id_, identities(db, id_)), aliases(db, id_), version, through, bodies,
            tuple(read_delivery(r) for r in live), spent,
        )  # fmt: skip
    return found


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
    if (row[0] if row else 0) != change.version:
        raise Stale
    for event in change.events:
        heard = int(change.quiet or event.type not in stirring)
        db.execute(
            "INSERT INTO event (source, id, type, time, subject, data, heard) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            event_row(event, heard),
        )
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
    """Move a delivery upwards; a late report that would move it back changes nothing."""
    row = db.execute("SELECT state, reported FROM delivery WHERE id=?", (move.delivery,)).fetchone()
    if row is None:
        return
    if row[0] == State.SENDING:  # the report overtook the receipt: the settlement takes it up
        if not row[1] or may_move(State(row[1]), move.state):
            db.execute("UPDATE delivery SET reported=? WHERE id=?", (move.state.value, move.delivery))
        return
    if not may_move(State(row[0]), move.state):
        return
    shown = move.state in SHOWN
    db.execute(
        "UPDATE delivery SET state=?1, reason=coalesce(?2, reason), due=CASE WHEN ?3 IS NULL AND ?4 THEN due ELSE ?3 END,"
        " provider_id=coalesce(?5, provider_id), tried=coalesce(?6, tried),"
        " watched=CASE WHEN ?4 THEN watched ELSE ?7 END WHERE id=?8",
        (
            move.state.value, move.reason, micros(move.due), int(shown and row[0] in _SHOWN), move.provider_id,
            None if move.tried is None else dump(move.tried), int(move.state is State.QUEUED), move.delivery,
        ),
    )  # fmt: skip
    if shown and move.attempt:  # it did arrive, whatever we thought
        db.execute("UPDATE attempt SET outcome='accepted' WHERE id=? AND outcome<>'accepted'", (move.attempt,))
    if move.due is not None:
        raise_lane(db, customer, to_micros(move.due), urgent=False)


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
    db.execute(
        "INSERT INTO lane (customer, due, urgent) VALUES (?1, ?2, ?3) ON CONFLICT (customer) DO UPDATE SET"
        " due=min(coalesce(due, ?2), ?2), urgent=CASE WHEN ?3 IS NULL THEN urgent ELSE min(coalesce(urgent, ?3), ?3) END",
        (customer, due, due if urgent else None),
    )


def write_context(
    db: apsw.Connection,
    customer: str,
    version: int,
    bodies: dict[str, bytes],
    through: tuple[datetime, str, str] | None,
) -> None:
    """Write the whole context row."""
    time, id_, source = (to_micros(through[0]), through[1], through[2]) if through else (None, None, None)
    db.execute(
        "INSERT INTO context (customer, version, time, id, source, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (customer)"
        " DO UPDATE SET version=excluded.version, time=excluded.time, id=excluded.id, source=excluded.source, body=excluded.body",
        (customer, version, time, id_, source, encode_bodies(bodies)),
    )


def put(db: apsw.Connection, changes: Sequence[Change], stirring: frozenset[str]) -> list[bool]:
    """Do several changes, each all or nothing."""
    done = []
    for change in changes:
        try:
            with db:
                apply(db, change, stirring)
            done.append(True)
        except Stale:
            done.append(False)
    return done


def merge(db: apsw.Connection, loser: str, winner: str, changes: Sequence[Change], stirring: frozenset[str]) -> bool:
    """Make *loser* an alias of *winner*; identities, waiting rows, attempts and runs move along."""
    try:
        with db:
            for change in changes:
                apply(db, change, stirring)
            db.execute('UPDATE customer SET "into"=? WHERE id=? AND "into" IS NULL', (winner, loser))
            if not db.changes():
                raise Stale
            _move_rows(db, loser, winner)
    except Stale:
        return False
    return True


def unmerge(db: apsw.Connection, loser: str, changes: Sequence[Change], stirring: frozenset[str]) -> bool:
    """Remove the alias; what was the loser's goes back."""
    try:
        with db:
            winner = canonical(db, loser)
            if winner is None or winner == loser:
                raise Stale
            for change in changes:
                apply(db, change, stirring)
            db.execute('UPDATE customer SET "into"=NULL WHERE id=?', (loser,))
            own = aliases(db, loser)
            marks = ",".join("?" * len(own))
            db.execute(
                f"UPDATE identity SET customer=? WHERE customer=? AND origin IN ({marks})", (loser, winner, *own)
            )
            db.execute(
                f"UPDATE delivery SET customer=? WHERE customer=? AND subject IN ({marks})", (loser, winner, *own)
            )
            db.execute(
                "UPDATE attempt SET customer=? WHERE delivery IN (SELECT id FROM delivery WHERE customer=?)",
                (loser, loser),
            )
            _refresh_lanes(db, loser, winner)
    except Stale:
        return False
    return True


def _move_rows(db: apsw.Connection, loser: str, winner: str) -> None:
    for table in ("identity", "delivery", "attempt"):
        db.execute(f"UPDATE {table} SET customer=? WHERE customer=?", (winner, loser))
    db.execute("UPDATE OR IGNORE run SET customer=? WHERE customer=?", (winner, loser))
    db.execute("UPDATE code SET customer=? WHERE customer=?", (winner, loser))
    db.execute("DELETE FROM context WHERE customer=?", (loser,))
    _refresh_lanes(db, loser, winner)


def _refresh_lanes(db: apsw.Connection, *customers: str) -> None:
    for each in customers:
        db.execute("INSERT INTO lane (customer) VALUES (?) ON CONFLICT DO NOTHING", (each,))
        db.execute(
            "UPDATE lane SET due=(SELECT min(due) FROM delivery d WHERE d.customer=?1 AND d.due IS NOT NULL),"
            " urgent=(SELECT min(due) FROM delivery d WHERE d.customer=?1 AND d.due IS NOT NULL AND purpose='transactional')"
            " WHERE customer=?1",
            (each,),
        )


def known(db: apsw.Connection, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Tell which (source, id) are stored."""
    sql = "SELECT 1 FROM event WHERE id=? AND source=?"
    return {key for key in keys if db.execute(sql, (key[1], key[0])).fetchone()}


def events(db: apsw.Connection, subjects: Sequence[str], last: int | None) -> list[Event]:
    """List events of subjects in timeline order."""
    marks = ",".join("?" * len(subjects))
    sql = f"SELECT {EVENT} FROM event WHERE subject IN ({marks})"
    if last is None:
        return read_events(db.execute(f"{sql} ORDER BY time, id, source", tuple(subjects)))
    rows = db.execute(f"{sql} ORDER BY time DESC, id DESC, source DESC LIMIT ?", (*subjects, last))
    return read_events(reversed(list(rows)))
