"""Rows that are alike in one statement: what they have in common is bound once, what differs is one text a row.

``executemany`` is a statement a row: looked up among the prepared ones, bound, begun and ended anew. A campaign's rows differ in
their ids only, and those are of one length each, so a text is cut into them by widths. Rows that are not so much alike, or
too few, are left to ``executemany``, and nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from omnibus.store import Outcome, Settlement, Try
from omnibus.stores.rows import dump, micros
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.listing import EACH, listed
from omnibus.stores.sqlite.statements import Row
from omnibus.stores.texts import NUL

FEW = 3  # rows that are written as quickly by a statement each


def _cut(*widths: str) -> list[str]:
    """Name the texts of a row, as long as these parameters say, and the one that follows them."""
    places = ["1", *[" + ".join(("1", *widths[:end])) for end in range(1, len(widths) + 1)]]
    return [f"substr(l.value, {place}, {width})" for place, width in zip(places, widths, strict=False)] + [
        f"substr(l.value, {places[-1]})"
    ]


_FROM = f"FROM {EACH}(?1) l"
_ID, _DELIVERY, _CUSTOMER, _IDENTITY, _DIGEST = _cut("?2", "?3", "?4", "?5")
ATTEMPTS = (
    "INSERT INTO attempt (id, delivery, customer, identity, digest, number, channel, provider, points, started)"
    f" SELECT {_ID}, {_DELIVERY}, {_CUSTOMER}, {_IDENTITY}, {_DIGEST}, ?6, ?7, ?8, ?9, ?10 {_FROM} WHERE true"
    " ON CONFLICT (id) DO UPDATE SET number=excluded.number, outcome='', points=excluded.points"
)
_DELIVERY, _BODY = _cut("?2")
DECISIONS = f"INSERT INTO decision (delivery, at, body) SELECT {_DELIVERY}, ?3, {_BODY} {_FROM}"
_ATTEMPT, _PROVIDER_ID = _cut("?2")
CLOSED = (
    "UPDATE attempt SET outcome=?3, reason=?4, ended=?7, points=CASE WHEN ?5 THEN points ELSE 0 END,"
    f" provider_id=coalesce(nullif({_PROVIDER_ID}, ''), provider_id), details=coalesce(nullif(?6, ''), details)"
    f" {_FROM} WHERE attempt.id={_ATTEMPT} AND (attempt.outcome<>'accepted' OR ?3='accepted')"  # as in `statements.CLOSED`
)
_DELIVERY, _CUSTOMER, _IDENTITY, _PROVIDER_ID = _cut("?2", "?3", "?4")
_SETTLED = (
    "UPDATE delivery SET state=?5, reason=?6, due=?7, channel=coalesce(?8, channel), provider=coalesce(?9, provider),"
    f" identity=CASE WHEN ?10 THEN identity ELSE {_IDENTITY} END,"
    f" provider_id=CASE WHEN ?11 THEN provider_id ELSE {_PROVIDER_ID} END, tried=coalesce(?12, tried),"
    " attempts=coalesce(?13, attempts), faults=coalesce(?14, faults), flagged=coalesce(?15, flagged),"
    f" withdraw=coalesce(?16, withdraw), {{}}lease=NULL, lease_until=NULL {_FROM} WHERE delivery.id={_DELIVERY}"
    f" AND delivery.lease=?17 AND delivery.customer={_CUSTOMER} AND delivery.state='sending' AND delivery.reported=''{{}}"
)
#: an index is written again for each column that is set, whether its value is another one or not
SETTLED, WATCHED = _SETTLED.format("watched=0, ", ""), _SETTLED.format("", " AND delivery.watched=1")


def attempts(db: apsw.Connection, tries: Sequence[Try]) -> bool:
    """Write attempts down; False when they are not alike, and then nothing is written."""
    kinds = {
        (
            len(each.attempt), len(each.delivery), len(each.change.customer), len(each.identity), each.number,
            each.channel, each.provider, each.points, each.started,
        ) for each in tries
    }  # fmt: skip
    if len(kinds) > 1 or len(tries) < FEW:
        return False
    [(*kind, started)] = kinds
    texts = [f"{each.attempt}{each.delivery}{each.change.customer}{each.identity}{each.digest}" for each in tries]
    return _run(db, ATTEMPTS, texts, (*kind, to_micros(started))) is not None


def decisions(db: apsw.Connection, rows: Sequence[tuple[str, int, str]]) -> bool:
    """Write decisions (delivery, at, body); False when they are not alike, and then nothing is written."""
    kinds = {(len(delivery), at) for delivery, at, _ in rows}
    if len(kinds) > 1 or len(rows) < FEW:
        return False
    return _run(db, DECISIONS, [delivery + body for delivery, _, body in rows], kinds.pop()) is not None


def closed(db: apsw.Connection, outcomes: Sequence[Outcome], now: int) -> bool:
    """Close attempts; False when they do not end alike, and then nothing is written."""
    kinds = {(len(each.attempt), each.outcome, each.reason, each.counts, each.details) for each in outcomes}
    if len(kinds) > 1 or len(outcomes) < FEW:
        return False
    texts = [each.attempt + each.provider_id for each in outcomes]
    return _run(db, CLOSED, texts, (*kinds.pop(), now)) is not None


def settled(db: apsw.Connection, plain: Sequence[Settlement], *, watched: bool) -> int | None:
    """Write what became of deliveries; gives how many rows were changed, None when they are not alike."""
    if len(plain) < FEW:
        return None
    one = plain[0]
    state = one.state
    kinds = {
        (
            len(each.delivery), len(each.customer), len(each.identity or ""), each.state is state, each.reason, each.due,
            each.channel, each.provider, each.identity is None, each.provider_id is None, each.tried, each.attempts,
            each.faults, each.flagged, each.withdraw, each.lease,
        ) for each in plain
    }  # fmt: skip
    if len(kinds) > 1:
        return None
    kind: Row = (
        len(one.delivery), len(one.customer), len(one.identity or ""), state.value, one.reason, micros(one.due), one.channel,
        one.provider, one.identity is None, one.provider_id is None, None if one.tried is None else dump(one.tried),
        one.attempts, one.faults, one.flagged, one.withdraw, one.lease,
    )  # fmt: skip
    texts = [f"{each.delivery}{each.customer}{each.identity or ''}{each.provider_id or ''}" for each in plain]
    return _run(db, WATCHED if watched else SETTLED, texts, kind)


def _run(db: apsw.Connection, statement: str, texts: Sequence[str], kind: Row) -> int | None:
    if NUL in "".join(texts):  # a list's text ends there
        return None
    before = db.total_changes()
    db.execute(statement, (listed(texts), *kind))
    return db.total_changes() - before
