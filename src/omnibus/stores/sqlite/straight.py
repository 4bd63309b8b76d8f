"""The straight way of a batch: each statement bears its own guard, so nothing is looked up before it is written.

Where one changes fewer rows than it was given, somebody was faster or a rule is at stake: all of it is undone, and
``batch.py`` looks at each row. This module decides nothing but that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from omnibus.model.delivery import MOVES, State
from omnibus.store import Change, Outcome, Settlement, Try
from omnibus.stores.rows import event_row
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite import alike
from omnibus.stores.sqlite.engine import Stale
from omnibus.stores.sqlite.listing import EACH, listed
from omnibus.stores.sqlite.statements import (
    ATTEMPT,
    CLOSED,
    CODE,
    DECISION,
    EVENT_IN,
    FREE,
    SETTLED_COLUMNS,
    Row,
    attempt_row,
    closed_row,
    context_row,
    settled_row,
)

#: how many are in these hands still, whose they were, and judged by the newest context: ?1 lists id, version and
#: customer in one text, the id ?2 characters long; a merge takes the loser's context away
_GUARDED = (
    f"SELECT count(*) FROM {EACH}(?1) l CROSS JOIN delivery d ON d.id=substr(l.value, 1, ?2) CROSS JOIN context x"
    " ON x.customer=d.customer WHERE d.lease=?3 AND d.state='sending' AND l.value=d.id || x.version || ' ' || d.customer"
)
_CONTEXT = "UPDATE context SET version=?2, time=?3, id=?4, source=?5, body=?6 WHERE customer=?1 AND version=?2-1"
_FIRST = (
    "INSERT INTO context (customer, version, time, id, source, body) SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM customer"
    ' WHERE id=?1 AND "into" IS NULL ON CONFLICT DO NOTHING'
)
_MINE = "id=? AND lease=? AND customer=? AND state='sending' AND reported=''"
#: an index is written again for each column that is set, whether its value is another one or not
_SETTLED = f"UPDATE delivery SET {SETTLED_COLUMNS}, watched=0, lease=NULL, lease_until=NULL WHERE {_MINE}"
_WATCHED = f"UPDATE delivery SET {SETTLED_COLUMNS}, lease=NULL, lease_until=NULL WHERE {_MINE} AND watched=1"
_FREED = f"UPDATE lane SET {FREE} WHERE customer IN (SELECT value FROM {EACH}(?))"
_FROM_HERE = MOVES[State.SENDING]


def attempt(db: apsw.Connection, tries: Sequence[Try]) -> bool:
    """Write attempts down; False when not all may go, and then nothing is written."""
    width, lease = len(tries[0].delivery), tries[0].lease
    if any(len(each.delivery) != width or each.lease != lease for each in tries):
        return False
    these = [f"{each.delivery}{each.change.version} {each.change.customer}" for each in tries]
    if db.execute(_GUARDED, (listed(these), width, lease)).fetchone() != (len(tries),):
        return False
    write_attempts(db, tries)
    return True


def write_attempts(db: apsw.Connection, tries: Sequence[Try]) -> None:
    """Write down what was granted."""
    if not alike.attempts(db, tries):
        db.executemany(ATTEMPT, [attempt_row(each) for each in tries])
    if codes := [(code.hash, code.offer, code.customer) for each in tries for code in each.codes]:
        db.executemany(CODE, codes)
    _decide(db, [(each.delivery, to_micros(each.started), each.decision) for each in tries if each.decision])


def usual(each: Settlement) -> bool:
    """Tell whether a settlement follows on a hand-over or a judging, and nobody else's rows hang on it."""
    change = each.change
    if each.state not in _FROM_HERE:
        return False
    return change is None or not (
        change.bodies is None
        or change.customer != each.customer
        or change.moves
        or change.identities
        or change.wake
        or change.withdraw
    )


def settle(db: apsw.Connection, plain: Sequence[Settlement], now: datetime, stirring: frozenset[str]) -> bool:
    """Write what became of claimed deliveries; False when a guard found it otherwise, and then nothing is written."""
    changes = [each.change for each in plain if each.change is not None]
    stamp = to_micros(now)
    try:
        with db:
            _leave(db, [each for each in plain if each.watched], watched=True)
            _leave(db, [each for each in plain if not each.watched], watched=False)
            _all(db, _CONTEXT, [context_row(each) for each in changes if each.version])
            _all(db, _FIRST, [context_row(each) for each in changes if not each.version])
            _all(db, EVENT_IN, event_rows(changes, stirring))
            _close(db, [each.outcome for each in plain if each.outcome is not None], stamp)
            _decide(db, [(each.delivery, stamp, each.decision) for each in plain if each.decision])
            db.execute(_FREED, (listed([each.customer for each in plain]),))
    except Stale:
        return False
    return True


def event_rows(changes: Sequence[Change], stirring: frozenset[str]) -> list[Row]:
    """Write the events of changes as rows."""
    return [
        event_row(event, int(change.quiet or event.type not in stirring))
        for change in changes
        for event in change.events
    ]


def _decide(db: apsw.Connection, rows: Sequence[tuple[str, int, str]]) -> None:
    if rows and not alike.decisions(db, rows):
        db.executemany(DECISION, rows)


def _close(db: apsw.Connection, outcomes: Sequence[Outcome], stamp: int) -> None:
    if outcomes and not alike.closed(db, outcomes, stamp):
        db.executemany(CLOSED, [closed_row(each, stamp) for each in outcomes])


def _leave(db: apsw.Connection, plain: Sequence[Settlement], *, watched: bool) -> None:
    """Let deliveries go from these hands.

    Raises:
        Stale: one of them is not in them; the caller rolls back.
    """
    changed = alike.settled(db, plain, watched=watched)
    if changed is None:
        _all(db, _WATCHED if watched else _SETTLED, [_mine(each) for each in plain])
    elif changed != len(plain):
        raise Stale


def _mine(each: Settlement) -> Row:
    return *settled_row(each), each.delivery, each.lease, each.customer


def _all(db: apsw.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Write rows.

    Raises:
        Stale: fewer of them were changed; the caller rolls back.
    """
    before = db.total_changes()
    db.executemany(statement, rows)
    if db.total_changes() - before != len(rows):
        raise Stale
