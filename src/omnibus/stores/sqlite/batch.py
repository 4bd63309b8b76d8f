"""A batch in a few statements: what needs no thought is written together, the rest one by one by ``outbox.py``.

Each row is guarded before the first write, inside the writer's own transaction, so nothing can come between. What a
guard does not pass goes the long way, where every rule is spelt out: this module decides nothing but which way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import apsw

from omnibus.model.delivery import Delivery, State, may_move
from omnibus.store import Change, Grant, Settlement, Try, encode_bodies
from omnibus.stores.rows import DELIVERY, event_row, read_delivery
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite import outbox
from omnibus.stores.sqlite.customers import refresh_lane
from omnibus.stores.sqlite.engine import Stale
from omnibus.stores.sqlite.statements import (
    ATTEMPT,
    BEGUN,
    CLOSED,
    CODE,
    CONTEXT,
    DECISION,
    EVENT_IN,
    LANE,
    LEASED,
    SETTLED,
    attempt_row,
    closed_row,
    settled_row,
)

_HEADS = (
    f"SELECT {DELIVERY} FROM delivery WHERE id IN (SELECT (SELECT d.id FROM delivery d WHERE d.customer=l.value"
    " AND d.due<=?2 AND d.lease IS NULL ORDER BY d.due, d.id LIMIT 1) FROM json_each(?1) l)"
)
_MAY_TRY = (
    "SELECT (SELECT lease FROM delivery WHERE id=?1), (SELECT version FROM context WHERE customer=?2),"
    ' (SELECT "into" IS NULL FROM customer WHERE id=?2), EXISTS (SELECT 1 FROM pause WHERE provider=?3 AND until>?4)'
)
_MAY_SETTLE = (
    "SELECT d.lease, d.state, d.reported, d.customer, (SELECT version FROM context WHERE customer=d.customer),"
    ' (SELECT "into" IS NULL FROM customer WHERE id=d.customer) FROM delivery d WHERE d.id=?'
)


def due(db: apsw.Connection, now: datetime) -> bool:
    """Tell whether there is anything to claim."""
    sql = "SELECT 1 FROM lane WHERE lease IS NULL AND due<=? LIMIT 1"
    return db.execute(sql, (to_micros(now),)).fetchone() is not None


def claim(db: apsw.Connection, now: datetime, limit: int, lease: str, term: float) -> list[Delivery]:
    """Take the head of each due lane, transactional lanes first."""
    stamp, until = to_micros(now), outbox.machine_micros() + int(term * 1_000_000)
    lanes: dict[str, None] = {}
    for column in ("urgent", "due"):
        room = limit - len(lanes)
        if room > 0:
            sql = f'SELECT customer FROM lane WHERE lease IS NULL AND "{column}"<=? ORDER BY "{column}" LIMIT ?'
            lanes |= dict.fromkeys([row[0] for row in db.execute(sql, (stamp, room))])
    if not lanes:
        return []
    heads = {row[1]: row for row in db.execute(_HEADS, (json.dumps(list(lanes)), stamp))}
    for each in lanes:
        if each not in heads:  # withdrawn or settled since: without this the lane would be polled for ever
            refresh_lane(db, each)
    taken = [heads[each] for each in lanes if each in heads]
    db.executemany("UPDATE lane SET lease=?, lease_until=? WHERE customer=?", [(lease, until, row[1]) for row in taken])
    db.executemany(LEASED, [(lease, until, row[0]) for row in taken])
    return [read_delivery((*row[:-1], lease)) for row in taken]


def attempt(db: apsw.Connection, tries: Sequence[Try], stirring: frozenset[str]) -> list[Grant]:
    """Write attempts down, each guarded on its own."""
    alone = len({each.change.customer for each in tries}) == len(tries)
    answers, granted = [], []
    for each in tries:
        if alone and _guards_only(each.change):
            answer = _grant(db, each)
            if answer is Grant.GRANTED:
                granted.append(each)
        else:
            answer = outbox.attempt_one(db, each, stirring)
        answers.append(answer)
    db.executemany(ATTEMPT, [attempt_row(each) for each in granted])
    db.executemany(BEGUN, [(each.number, each.delivery) for each in granted])
    db.executemany(CODE, [(code.hash, code.offer, code.customer) for each in granted for code in each.codes])
    told = [(each.delivery, to_micros(each.started), each.decision) for each in granted if each.decision]
    db.executemany(DECISION, told)
    return answers


def _guards_only(change: Change) -> bool:
    return change.bodies is None and not (
        change.events or change.moves or change.identities or change.wake or change.withdraw
    )


def _grant(db: apsw.Connection, each: Try) -> Grant:
    where = (each.delivery, each.change.customer, f"{each.channel}/{each.provider}", to_micros(each.started))
    row = db.execute(_MAY_TRY, where).fetchone()
    if row is None or row[0] is None or row[0] != each.lease:
        return Grant.LOST
    if row[3]:
        return Grant.PAUSED
    if outbox.over(db, each):
        return Grant.OVER
    return Grant.GRANTED if (row[1] or 0) == each.change.version and row[2] else Grant.STALE


def settle(
    db: apsw.Connection, settlements: Sequence[Settlement], now: datetime, stirring: frozenset[str]
) -> list[bool]:
    """Write what became of claimed deliveries, each all or nothing."""
    plain: dict[int, Settlement] = {}
    met: set[str] = set()
    for place, each in enumerate(settlements):
        if each.customer not in met and _plain(db, each):
            plain[place] = each
        met.add(each.customer)  # a second one of the same customer follows on the first
    try:
        with db:
            _write(db, list(plain.values()), now, stirring)
    except Stale:
        plain = {}
    return [place in plain or outbox.settle_one(db, each, now, stirring) for place, each in enumerate(settlements)]


def _plain(db: apsw.Connection, each: Settlement) -> bool:
    change = each.change
    if change is not None and (change.moves or change.identities or change.wake or change.withdraw):
        return False
    row = db.execute(_MAY_SETTLE, (each.delivery,)).fetchone()
    if row is None:
        return False
    lease, state, reported, customer, version, current = row
    if lease != each.lease or reported or customer != each.customer:
        return False
    if state != each.state.value and not may_move(State(state), each.state):
        return False
    return change is None or (customer == change.customer and (version or 0) == change.version and bool(current))


def _write(db: apsw.Connection, plain: Sequence[Settlement], now: datetime, stirring: frozenset[str]) -> None:
    """Write them together.

    Raises:
        Stale: one of the events is stored already; the caller rolls back.
    """
    db.executemany(CLOSED, [closed_row(each.outcome, now) for each in plain if each.outcome is not None])
    changes = [each.change for each in plain if each.change is not None]
    rows = [
        event_row(event, int(change.quiet or event.type not in stirring))
        for change in changes
        for event in change.events
    ]
    before = db.total_changes()
    db.executemany(EVENT_IN, rows)
    if db.total_changes() - before != len(rows):
        raise Stale
    db.executemany(CONTEXT, [_context_row(each) for each in changes if each.bodies is not None])
    db.executemany(SETTLED, [settled_row(each) for each in plain])
    stamp = to_micros(now)
    db.executemany(DECISION, [(each.delivery, stamp, each.decision) for each in plain if each.decision])
    db.executemany(LANE, [(each.customer,) for each in plain])


def _context_row(change: Change) -> tuple[object, ...]:
    through = change.through
    time, id_, source = (to_micros(through[0]), through[1], through[2]) if through else (None, None, None)
    return change.customer, change.version + 1, time, id_, source, encode_bodies(change.bodies or {})
