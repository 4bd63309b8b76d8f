"""A batch in a few statements: what needs no thought is written together, the rest one by one by ``outbox.py``.

Each row is guarded before the first write, inside the writer's own transaction, so nothing can come between. What a
guard does not pass goes the long way, where every rule is spelt out: this module decides nothing but which way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import apsw

from omnibus.model.delivery import Delivery, State, may_move
from omnibus.store import Change, Grant, Limit, Settlement, Try
from omnibus.stores.rows import DELIVERY, read_delivery
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite import outbox, straight
from omnibus.stores.sqlite.customers import refresh_lane
from omnibus.stores.sqlite.engine import Stale
from omnibus.stores.sqlite.listing import EACH, listed, numbered
from omnibus.stores.sqlite.statements import (
    BEGUN,
    CLOSED,
    CONTEXT,
    DECISION,
    EVENT_IN,
    FREED,
    LEASED,
    SETTLED,
    URGENT,
    Row,
    closed_row,
    context_row,
    settled_row,
)

#: due lanes with their heads; who holds a lane holds what is in hand of it, so its head is in nobody's
_HEADS = (
    f"SELECT l.customer, l.rowid, d.rowid, {', '.join(f'd.{each}' for each in DELIVERY.split(', '))} FROM lane l"
    " LEFT JOIN delivery d ON d.rowid=(SELECT h.rowid FROM delivery h WHERE h.customer=l.customer AND h.due<=?1{only}"
    " ORDER BY h.due, h.id LIMIT 1) WHERE l.lease IS NULL AND l.{column}<=?1 ORDER BY l.{column} LIMIT ?2"
)
#: what is urgent goes before what its own customer waits for, too
_URGENT = _HEADS.format(column="urgent", only=f" AND h.purpose='{URGENT}'")
_DUE = _HEADS.format(column="due", only="")
_TAKEN = f"UPDATE lane SET lease=?1, lease_until=?2 WHERE rowid IN (SELECT value FROM {EACH}(?3))"
_STANDING = (  # a row without a customer of its own, or of one who is somebody else now, is judged the long way
    "SELECT d.id, d.customer, d.lease, d.state, d.reported, coalesce(x.version, 0) FROM delivery d"
    ' JOIN customer c ON c.id=d.customer AND c."into" IS NULL LEFT JOIN context x ON x.customer=d.customer'
    f" WHERE d.id IN (SELECT value FROM {EACH}(?))"
)
_RESTS = "SELECT provider FROM pause WHERE until>?"
_SPENT = (
    f"SELECT a.customer, sum(a.points) FROM {EACH}(?1) l CROSS JOIN attempt a ON a.customer=l.value WHERE a.started>=?2"
    " AND a.points>0 AND (?3='' OR a.channel=?3) GROUP BY a.customer"
)


class DeliveryStanding(NamedTuple):
    """Hold what a guard looks at: whose a delivery is, who has it, and the version of its customer's context."""

    customer: str
    lease: str | None
    state: str
    reported: str
    version: int


def due(db: apsw.Connection, now: datetime, *, urgent: bool) -> bool:
    """Tell whether there is anything to claim, or anything urgent."""
    sql = f"SELECT 1 FROM lane WHERE lease IS NULL AND {'urgent' if urgent else 'due'}<=? LIMIT 1"
    return db.execute(sql, (to_micros(now),)).fetchone() is not None


def claim(db: apsw.Connection, now: datetime, limit: int, lease: str, term: float, *, urgent: bool) -> list[Delivery]:
    """Take the head of each due lane, transactional lanes first, or only those."""
    stamp, until = to_micros(now), outbox.machine_micros() + int(term * 1_000_000)
    found = {row[0]: row for row in db.execute(_URGENT, (stamp, limit))}
    if len(found) < limit and not urgent:
        for row in db.execute(_DUE, (stamp, limit - len(found))):
            found.setdefault(row[0], row)
    taken: list[Row] = []
    for row in found.values():
        if row[2] is None or row[-1] is not None:  # withdrawn or settled since: else the lane would be polled for ever
            refresh_lane(db, row[0])
        else:
            taken.append(row)
    if taken:
        db.execute(_TAKEN, (lease, until, numbered([row[1] for row in taken])))
        db.execute(LEASED, (lease, until, numbered([row[2] for row in taken])))
    return [read_delivery((*row[3:-1], lease)) for row in taken]


def _standings(db: apsw.Connection, deliveries: Iterable[str]) -> dict[str, DeliveryStanding]:
    rows = db.execute(_STANDING, (listed(list(deliveries)),))
    return {row[0]: DeliveryStanding(*row[1:]) for row in rows}


def attempt(db: apsw.Connection, tries: Sequence[Try], stirring: frozenset[str]) -> list[Grant]:
    """Write attempts down, each guarded on its own."""
    alone = len({each.change.customer for each in tries}) == len(tries)
    plain = [each for each in tries if alone and _guards_only(each.change)]
    resting = {row[0] for row in db.execute(_RESTS, (min(to_micros(each.started) for each in tries),))}
    over = _over(db, plain)
    free = not over and not (resting and any(not resting.isdisjoint(each.rests) for each in tries))
    if free and len(plain) == len(tries) and straight.attempt(db, tries):
        return [Grant.GRANTED] * len(tries)
    standings = _standings(db, [each.delivery for each in plain])
    answers, granted, again = [], [], []
    for each in tries:
        if each.delivery not in standings or not resting.isdisjoint(each.rests):
            answers.append(outbox.attempt_one(db, each, stirring))
            continue
        answer = _grant(each, standings[each.delivery], over)
        if answer is Grant.GRANTED:
            granted.append(each)
            if standings[each.delivery].state != State.SENDING:
                again.append((each.number, each.delivery))
        answers.append(answer)
    straight.write_attempts(db, granted)
    db.executemany(BEGUN, again)
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
        these = listed([each.change.customer for each in mine])
        spent = dict(db.execute(_SPENT, (these, to_micros(limit.since), limit.channel)))
        found |= {each.attempt for each in mine if spent.get(each.change.customer, 0) + each.points > limit.points}
    return found


def _grant(each: Try, standing: DeliveryStanding, over: set[str]) -> Grant:
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
    alone = len({each.customer for each in settlements}) == len(settlements)
    if alone and all(map(straight.usual, settlements)) and straight.settle(db, settlements, now, stirring):
        return [True] * len(settlements)
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


def _plain(each: Settlement, standing: DeliveryStanding | None) -> bool:
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
    stamp = to_micros(now)
    db.executemany(CLOSED, [closed_row(each.outcome, stamp) for each in plain if each.outcome is not None])
    changes = [each.change for each in plain if each.change is not None]
    rows = straight.event_rows(changes, stirring)
    before = db.total_changes()
    db.executemany(EVENT_IN, rows)
    if db.total_changes() - before != len(rows):
        raise Stale
    db.executemany(CONTEXT, [context_row(each) for each in changes if each.bodies is not None])
    db.executemany(SETTLED, [(*settled_row(each), int(each.watched), each.delivery) for each in plain])
    db.executemany(DECISION, [(each.delivery, stamp, each.decision) for each in plain if each.decision])
    db.executemany(FREED, [(each.customer,) for each in plain])
