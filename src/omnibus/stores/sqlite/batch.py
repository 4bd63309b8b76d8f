"""A batch in a few statements: what needs no thought is written together, the rest one by one by ``outbox.py``.

Each row is guarded before the first write, inside the writer's own transaction, so nothing can come between. What a
guard does not pass goes the long way, where every rule is spelt out: this module decides nothing but which way.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import apsw

from omnibus.model.delivery import Delivery, State, may_move
from omnibus.store import Change, Grant, Limit, Settlement, Try, encode_bodies
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
    FREED,
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
_STANDING = (  # a row without a customer of its own, or of one who is somebody else now, is judged the long way
    "SELECT d.id, d.customer, d.lease, d.state, d.reported, coalesce(x.version, 0) FROM delivery d"
    ' JOIN customer c ON c.id=d.customer AND c."into" IS NULL LEFT JOIN context x ON x.customer=d.customer'
    " WHERE d.id IN (SELECT value FROM json_each(?))"
)
_RESTS = "SELECT provider FROM pause WHERE until>?"
_SPENT = (
    "SELECT customer, sum(points) FROM attempt WHERE customer IN (SELECT value FROM json_each(?)) AND started>=? AND points>0"
    " AND (?3='' OR channel=?3) GROUP BY customer"
)


class Standing(NamedTuple):
    """Hold what a guard looks at: whose a delivery is, who has it, and the version of its customer's context."""

    customer: str
    lease: str | None
    state: str
    reported: str
    version: int


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


def _standings(db: apsw.Connection, deliveries: Iterable[str]) -> dict[str, Standing]:
    rows = db.execute(_STANDING, (json.dumps(list(deliveries)),))
    return {row[0]: Standing(*row[1:]) for row in rows}


def attempt(db: apsw.Connection, tries: Sequence[Try], stirring: frozenset[str]) -> list[Grant]:
    """Write attempts down, each guarded on its own."""
    alone = len({each.change.customer for each in tries}) == len(tries)
    plain = [each for each in tries if alone and _guards_only(each.change)]
    standings = _standings(db, [each.delivery for each in plain])
    resting = {row[0] for row in db.execute(_RESTS, (min(to_micros(each.started) for each in tries),))}
    over = _over(db, plain)
    answers, granted, again = [], [], []
    for each in tries:
        if each.delivery not in standings or f"{each.channel}/{each.provider}" in resting:
            answers.append(outbox.attempt_one(db, each, stirring))
            continue
        answer = _grant(each, standings[each.delivery], over)
        if answer is Grant.GRANTED:
            granted.append(each)
            if standings[each.delivery].state != State.SENDING:
                again.append((each.number, each.delivery))
        answers.append(answer)
    db.executemany(ATTEMPT, [attempt_row(each) for each in granted])
    db.executemany(BEGUN, again)
    db.executemany(CODE, [(code.hash, code.offer, code.customer) for each in granted for code in each.codes])
    told = [(each.delivery, to_micros(each.started), each.decision) for each in granted if each.decision]
    db.executemany(DECISION, told)
    return answers


def _guards_only(change: Change) -> bool:
    return change.bodies is None and not (
        change.events or change.moves or change.identities or change.wake or change.withdraw
    )


def _over(db: apsw.Connection, tries: Sequence[Try]) -> set[str]:
    """List the attempts that would overspend the contact budget; those with the same limits are summed together."""
    bound: defaultdict[Limit, list[Try]] = defaultdict(list)
    for each in tries:
        for limit in each.limits:
            bound[limit].append(each)
    found: set[str] = set()
    for limit, mine in bound.items():
        these = json.dumps([each.change.customer for each in mine])
        spent = dict(db.execute(_SPENT, (these, to_micros(limit.since), limit.channel)))
        found |= {each.attempt for each in mine if spent.get(each.change.customer, 0) + each.points > limit.points}
    return found


def _grant(each: Try, standing: Standing, over: set[str]) -> Grant:
    if standing.lease is None or standing.lease != each.lease:
        return Grant.LOST
    if each.attempt in over:
        return Grant.OVER
    same = standing.customer == each.change.customer and standing.version == each.change.version
    return Grant.GRANTED if same else Grant.STALE


def settle(
    db: apsw.Connection, settlements: Sequence[Settlement], now: datetime, stirring: frozenset[str]
) -> list[bool]:
    """Write what became of claimed deliveries, each all or nothing."""
    standings = _standings(db, [each.delivery for each in settlements])
    plain: dict[int, Settlement] = {}
    met: set[str] = set()
    for place, each in enumerate(settlements):
        if each.customer not in met and _plain(each, standings.get(each.delivery)):
            plain[place] = each
        met.add(each.customer)  # a second one of the same customer follows on the first
    try:
        with db:
            _write(db, list(plain.values()), now, stirring)
    except Stale:
        plain = {}
    return [place in plain or outbox.settle_one(db, each, now, stirring) for place, each in enumerate(settlements)]


def _plain(each: Settlement, standing: Standing | None) -> bool:
    change = each.change
    if standing is None or standing.lease != each.lease or standing.reported or standing.customer != each.customer:
        return False
    if change is not None and (change.moves or change.identities or change.wake or change.withdraw):
        return False
    if standing.state != each.state.value and not may_move(State(standing.state), each.state):
        return False
    return change is None or (each.customer == change.customer and standing.version == change.version)


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
    db.executemany(FREED, [(each.customer,) for each in plain])


def _context_row(change: Change) -> tuple[object, ...]:
    through = change.through
    time, id_, source = (to_micros(through[0]), through[1], through[2]) if through else (None, None, None)
    return change.customer, change.version + 1, time, id_, source, encode_bodies(change.bodies or {})
