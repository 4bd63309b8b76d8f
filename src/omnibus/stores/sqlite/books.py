"""The accounts: statements that compare what was accepted with what became of it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import apsw

from omnibus.model.delivery import FINAL, WAITING, State
from omnibus.stores.pruned import FLAGGED, PRUNED, PRUNED_TALLIES, states_of
from omnibus.stores.schema import to_micros


def audit(db: apsw.Connection, now: datetime) -> dict[str, int]:
    """Compare the accounts: what was accepted was counted on its own when it was."""

    def one(sql: str, *given: Any) -> int:
        row = db.execute(sql, given).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    pruned = states_of(db.execute(PRUNED_TALLIES.format(mark="?"), (len(PRUNED), PRUNED)))
    counts = pruned + Counter(dict(db.execute("SELECT state, count(*) FROM delivery GROUP BY state")))
    accepted = one("SELECT count FROM tally WHERE name='accepted'")
    final = sum(counts.get(state.value, 0) for state in FINAL)
    waiting = sum(counts.get(state.value, 0) for state in WAITING)
    finals = ",".join(f"'{state.value}'" for state in sorted(FINAL))
    late = to_micros(now) - 120_000_000
    free = "d.due IS NOT NULL AND d.lease IS NULL"
    return {
        "accepted": accepted, "final": final, "waiting": waiting, "pruned": pruned.total(),
        **{state.value: counts.get(state.value, 0) for state in State},
        "unbalanced": accepted - final - waiting,
        "silent": one(f"SELECT count(*) FROM delivery WHERE reason='' AND state IN ({finals})"),
        "stuck": one(
            "SELECT count(*) FROM delivery d WHERE (d.due<? OR d.due IS NULL) AND d.lease IS NULL"
            " AND state IN ('queued','held','sending','unknown')",
            late,
        ),
        "lost_lanes": one(
            f"SELECT count(*) FROM delivery d LEFT JOIN lane l ON l.customer=d.customer WHERE {free}"
            " AND l.lease IS NULL AND (l.due IS NULL OR l.due>d.due)"
        ),
        "unproven": one(
            "SELECT count(*) FROM delivery d WHERE state IN ('sent','delivered','opened','clicked','replied') AND NOT EXISTS"
            " (SELECT 1 FROM attempt a WHERE a.delivery=d.id AND a.outcome='accepted')"
        ),
        "flagged": one("SELECT count(*) FROM delivery WHERE flagged=1")
        + one("SELECT count FROM tally WHERE name=?", FLAGGED),
    }  # fmt: skip
