"""What pruned deliveries still count: tallies by state, and for a campaign by its reasons, so that accounts stay whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from omnibus.model.campaign import origin_of
from omnibus.stores.rolls import TOLD
from omnibus.stores.rows import Row, dump

#: how the name of every such tally begins
PRUNED = '["pruned",'
PRUNED_TALLIES = "SELECT name, count FROM tally WHERE substr(name, 1, {mark})={mark}"
#: how many of them may have been sent twice
FLAGGED = "pruned flagged"
_CAMPAIGN = origin_of("")


@dataclass(slots=True)
class Removed:
    """Add up the rows (state, origin, reason, key) that one commit removed."""

    tallies: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)

    def add(self, state: str, origin: str, reason: str, flagged: int, key: str | None) -> None:
        """Count one; only a campaign asks for its own, with reasons, later."""
        whose = origin if origin.startswith(_CAMPAIGN) else ""
        self.tallies[dump(["pruned", state, whose, reason if whose and state in TOLD else ""])] += 1
        if flagged:
            self.tallies[FLAGGED] += 1
        if key:
            self.keys.add(key)


def states_of(tallies: Iterable[Row]) -> Counter[str]:
    """Add up, by state, what was pruned; *tallies* are rows (name, count)."""
    counts: Counter[str] = Counter()
    for name, count in tallies:
        counts[json.loads(name)[1]] += count
    return counts


def sums_of(tallies: Iterable[Row], origin: str) -> list[Row]:
    """List (state, reason, count) of one campaign's pruned deliveries, as its living ones are summed."""
    found = []
    for name, count in tallies:
        _, state, whose, reason = json.loads(name)
        if whose == origin:
            found.append((state, reason, count))
    return found


def next_page(rows: Sequence[Row], before: int, limit: int) -> str | None:
    """Say where to go on after rows (id, accepted, …) in the order of ids, which rises with time; None at the end."""
    more = len(rows) == limit and any(row[1] < before for row in rows)
    return str(rows[-1][0]) if more else None
