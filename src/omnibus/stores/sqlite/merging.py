"""Statements by which two customers become one, and two again."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from omnibus.store import Change
from omnibus.stores.sqlite.customers import aliases, apply, canonical, refresh_lane
from omnibus.stores.sqlite.engine import Stale


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


def _move_rows(db: apsw.Connection, loser: str, winner: str) -> None:
    for table in ("identity", "delivery", "attempt"):
        db.execute(f"UPDATE {table} SET customer=? WHERE customer=?", (winner, loser))
    db.execute("UPDATE OR IGNORE run SET customer=? WHERE customer=?", (winner, loser))
    db.execute(  # both went through the same journey for the same reason: one of them is enough
        "UPDATE run SET node='', due=NULL, waiting='[]', reason='merged', revision=revision+1 WHERE customer=? AND node<>''",
        (loser,),
    )
    db.execute("DELETE FROM context WHERE customer=?", (loser,))
    for each in (loser, winner):
        refresh_lane(db, each)


def unmerge(db: apsw.Connection, loser: str, changes: Sequence[Change], stirring: frozenset[str]) -> bool:
    """Remove the alias; what was the loser's goes back."""
    try:
        with db:
            winner = canonical(db, loser)
            if winner is None or winner == loser:
                raise Stale
            db.execute('UPDATE customer SET "into"=NULL WHERE id=?', (loser,))
            for change in changes:
                apply(db, change, stirring)
            _give_back(db, loser, winner)
    except Stale:
        return False
    return True


def _give_back(db: apsw.Connection, loser: str, winner: str) -> None:
    own = aliases(db, loser)
    marks = ",".join("?" * len(own))
    db.execute(f"UPDATE identity SET customer=? WHERE customer=? AND origin IN ({marks})", (loser, winner, *own))
    db.execute(f"UPDATE delivery SET customer=? WHERE customer=? AND subject IN ({marks})", (loser, winner, *own))
    db.execute(
        "UPDATE attempt SET customer=?1 WHERE delivery IN (SELECT id FROM delivery WHERE customer=?1)",
        (loser,),
    )
    db.execute(
        "UPDATE OR IGNORE run SET customer=? WHERE customer=? AND id IN (SELECT json_extract(data, '$.run') FROM event"
        f" WHERE subject IN ({marks}) AND type='journey.entered')",
        (loser, winner, *own),
    )
    for each in (loser, winner):
        refresh_lane(db, each)
