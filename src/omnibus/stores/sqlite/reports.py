"""What reports are about, and what comes in stored by the batch.

Each change is guarded before the first write, inside the writer's own transaction, so nothing can come between. What a
guard does not pass goes the long way, one by one, in ``customers.apply``, where every rule is spelt out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import apsw

from omnibus.model.delivery import SHOWN, State, may_move
from omnibus.model.trace import Clue, Trace, matched
from omnibus.store import Change, Survey
from omnibus.stores.rows import Row, event_row, load, moment
from omnibus.stores.sqlite import customers, loading
from omnibus.stores.sqlite.engine import Stale
from omnibus.stores.sqlite.statements import CONTEXT, EVENT_IN, context_row

_TOLD = (
    "a.id, a.channel, a.provider, a.identity, d.id, d.customer, d.message, d.purpose, d.topic, d.audience, d.via, d.tried,"
    " d.expires FROM json_each(?) j"
)
_OURS = f"SELECT a.id, {_TOLD} JOIN attempt a ON a.id=j.value JOIN delivery d ON d.id=a.delivery"
_THEIRS = (
    f"SELECT a.provider_id, {_TOLD} JOIN attempt a ON a.provider_id=j.value AND a.provider_id<>''"
    " JOIN delivery d ON d.id=a.delivery"
)
_VERSIONS = (
    'SELECT c.id, coalesce(x.version, 0) FROM json_each(?) j JOIN customer c ON c.id=j.value AND c."into" IS NULL'
    " LEFT JOIN context x ON x.customer=c.id"
)
_STANDING = (
    "SELECT d.id, d.state, a.id FROM json_each(?) j JOIN delivery d ON d.id=j.value LEFT JOIN attempt a ON a.id="
    "(SELECT id FROM attempt WHERE delivery=d.id ORDER BY number DESC, id DESC LIMIT 1) AND a.outcome='accepted'"
)
_ARRIVED = "UPDATE delivery SET state=?, provider_id=coalesce(?, provider_id) WHERE id=?"


class Arrived(NamedTuple):
    """Fill _ARRIVED."""

    state: State
    provider_id: str | None
    delivery: str


def trace(db: apsw.Connection, clues: Sequence[Clue]) -> list[Trace | None]:
    """Find what reports are about: by our id of the hand-over if it was by that very provider, else by theirs."""
    ours = _traced(db, _OURS, [each.attempt for each in clues if each.attempt])
    theirs = _traced(db, _THEIRS, [each.provider_id for each in clues if each.provider_id])
    return matched(clues, ours, theirs)


def survey(
    db: apsw.Connection, clues: Sequence[Clue], keys: Sequence[tuple[str, str]], customers_: Sequence[str]
) -> Survey:
    """Ask what must be known of facts before they are folded."""
    traces, known = trace(db, clues), loading.known_events(db, keys)
    wanted = dict.fromkeys([*customers_, *[each.customer for each in traces if each is not None]])
    return Survey(traces, known, loading.load(db, list(wanted), None))


def _traced(db: apsw.Connection, sql: str, keys: list[str]) -> dict[str, list[Trace]]:
    found: dict[str, list[Trace]] = {}
    for row in db.execute(sql, (json.dumps(keys),)) if keys else ():
        found.setdefault(str(row[0]), []).append(_trace(row))
    return found


def _trace(r: Row) -> Trace:
    via, tried = tuple(load(r[11])), tuple(load(r[12]))
    return Trace(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], via, tried, moment(r[13]))


def put(db: apsw.Connection, changes: Sequence[Change], stirring: frozenset[str]) -> list[bool]:
    """Do several changes, each all or nothing."""
    arrived: dict[str, Arrived] = {}
    plain = _plain(db, changes, arrived) if len(changes) > 1 else {}
    try:
        if plain:
            with db:
                _write(db, list(plain.values()), list(arrived.values()), stirring)
    except Stale:
        plain = {}
    return [place in plain or _one(db, each, stirring) for place, each in enumerate(changes)]


def _one(db: apsw.Connection, change: Change, stirring: frozenset[str]) -> bool:
    try:
        with db:
            customers.apply(db, change, stirring)
    except Stale:
        return False
    return True


def _plain(db: apsw.Connection, changes: Sequence[Change], arrived: dict[str, Arrived]) -> dict[int, Change]:
    """Pick what needs no thought; *arrived* gets the rows of the deliveries that move."""
    versions = dict(db.execute(_VERSIONS, (json.dumps([each.customer for each in changes]),)))
    ids = [move.delivery for each in changes for move in each.moves]
    standing = {row[0]: (State(row[1]), row[2]) for row in db.execute(_STANDING, (json.dumps(ids),))} if ids else {}
    plain: dict[int, Change] = {}
    met: set[str] = set()
    for place, each in enumerate(changes):
        usual = each.bodies is not None and not (each.identities or each.wake or each.withdraw)
        first = each.customer not in met and versions.get(each.customer) == each.version
        met.add(each.customer)  # a second one of the same customer follows on the first
        if usual and first and _moves(each, standing, arrived):
            plain[place] = each
    return plain


def _moves(change: Change, standing: Mapping[str, tuple[State, str | None]], arrived: dict[str, Arrived]) -> bool:
    """Tell whether a change's moves only lead on from one thing seen to the next, by a hand-over that is the last one."""
    mine: dict[str, Arrived] = {}
    for move in change.moves:
        old, attempt = standing.get(move.delivery, (State.FAILED, None))
        onward = move.state in SHOWN and move.due is None and move.tried is None and move.reason is None
        if old not in SHOWN or not onward or move.attempt not in {"", attempt} or move.delivery in arrived:
            return False
        before = mine.get(move.delivery, Arrived(old, None, move.delivery))
        if may_move(before.state, move.state):
            mine[move.delivery] = Arrived(move.state, move.provider_id or before.provider_id, move.delivery)
    arrived |= mine
    return True


def _write(db: apsw.Connection, plain: Sequence[Change], arrived: Sequence[Arrived], stirring: frozenset[str]) -> None:
    """Write them together.

    Raises:
        Stale: one of the events is stored already; the caller rolls back.
    """
    rows = [
        event_row(event, int(change.quiet or event.type not in stirring)) for change in plain for event in change.events
    ]
    before = db.total_changes()
    db.executemany(EVENT_IN, rows)
    if db.total_changes() - before != len(rows):
        raise Stale
    db.executemany(CONTEXT, [context_row(each) for each in plain])
    db.executemany(_ARRIVED, [(each.state.value, each.provider_id, each.delivery) for each in arrived])
