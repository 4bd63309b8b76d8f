"""What is read in one trip, for the looks that follow each other: with a claim its customers, with these who rests.

A trip costs the worker and the server as much as reading some ten rows; a round made three of them before its first attempt.
The guards of the attempt see to what moves in between, as they do for what is read after the claim.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from omnibus.store import Loaded
from omnibus.stores.postgres import loading
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection
from omnibus.stores.postgres.shelf import PAUSES
from omnibus.stores.schema import from_micros, to_micros

FRESH = 0.1  # seconds of machine time for which it is told


PEOPLE = loading.READ_SPENDERS.replace(sql.LISTED, sql.TAKEN)


class Beside:
    """Hold what was read; each of it is told once, and for a moment only.

    Args:
        since: how far back *people* knows what was spent.
    """

    def __init__(self, people: dict[str, Loaded], pauses: list[Any], since: datetime) -> None:
        self._people, self._pauses, self._since = people, pauses, since
        self._until, self._asked = time.monotonic() + FRESH, False

    def people(self, ids: Sequence[str], since: datetime | None) -> dict[str, Loaded] | None:
        """Tell of customers; None when it does not know all that is asked for."""
        known = self._people
        if (
            since is None
            or since < self._since
            or time.monotonic() > self._until
            or not all(id_ in known for id_ in ids)
        ):
            return None
        return {id_: _within(known.pop(id_), since) for id_ in dict.fromkeys(ids)}

    def pauses(self, now: datetime) -> dict[str, tuple[datetime, str]] | None:
        """Tell who rests; None when it was told already."""
        if self._asked or time.monotonic() > self._until:
            return None
        self._asked, stamp = True, to_micros(now)
        return {name: (from_micros(until), reason) for name, until, reason in self._pauses if until > stamp}


def _within(known: Loaded, since: datetime) -> Loaded:
    if not known.spent or known.spent[0].at >= since:
        return known
    return replace(known, spent=tuple(each for each in known.spent if each.at >= since))


@dataclass(frozen=True, slots=True)
class Awaited:
    """Hold the replies that are on their way."""

    people: Any
    pauses: Any
    since: datetime

    async def read(self, db: Connection) -> Beside:
        """Read them."""
        found = loading.spenders(await self.people.fetchall())
        return Beside(found, await self.pauses.fetchall(), self.since)


async def load(db: Connection, ids: Sequence[str], since: datetime, now: datetime) -> tuple[dict[str, Loaded], Beside]:
    """Load customers, and beside them who rests."""
    pauses = await db.execute(PAUSES, (to_micros(now),))
    return await loading.load(db, ids, since), Beside({}, await pauses.fetchall(), since)


async def ask(db: Connection, now: datetime, since: datetime) -> Awaited:
    """Ask, in the transaction of the claim, about the customers whose lanes it took, and who rests."""
    people = await db.execute(PEOPLE, (to_micros(since),))
    return Awaited(people, await db.execute(PAUSES, (to_micros(now),)), since)
