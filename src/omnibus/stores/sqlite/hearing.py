"""What the store is told: facts, what reports are about, and whole timelines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import apsw

from omnibus.model.event import Event
from omnibus.model.fault import FAULTS
from omnibus.model.trace import Clue, History, Trace
from omnibus.store import FAULTY, Change, Store, Survey, decode_bodies
from omnibus.stores.sqlite import customers, loading, reports
from omnibus.stores.sqlite.engine import NEAR, Engine, at_once
from omnibus.stores.sqlite.histories import histories

T = TypeVar("T")


class Hearing(Store):
    """Keep what is told, and find what it is about."""

    engine: Engine

    async def known(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Tell which (source, id) are stored."""
        return await self.engine.read(lambda db: loading.known_events(db, keys), near=len(keys) <= NEAR)

    async def events(self, subjects: Sequence[str], *, last: int | None = None) -> list[Event]:
        """List events of subjects in timeline order."""
        return await self.engine.read(lambda db: customers.events(db, subjects, last))

    async def histories(self, ids: Sequence[str], fold: Callable[[History], T]) -> dict[str, T]:
        """Hand whole timelines with their contexts to *fold*, on the reader's thread."""
        return await self.engine.read(lambda db: at_once(db, lambda: histories(db, ids, fold)))

    async def trace(self, clues: Sequence[Clue]) -> list[Trace | None]:
        """Find what reports are about."""
        return await self.engine.read(lambda db: reports.trace(db, clues), near=len(clues) <= NEAR)

    async def survey(self, clues: Sequence[Clue], keys: Sequence[tuple[str, str]], customers: Sequence[str]) -> Survey:
        """Ask all that must be known of facts before they are folded, on one way to the reader and back."""
        few = len(keys) <= NEAR and len(customers) <= NEAR
        return await self.engine.read(lambda db: reports.survey(db, clues, keys, customers), near=few)

    async def put(self, changes: Sequence[Change]) -> list[bool]:
        """Store events and contexts in one commit."""
        return await self.engine.write(lambda db: reports.put(db, changes, self.stirring))

    async def unfolded(self, last: int) -> dict[str, bytes]:
        """List customers of whom a facet could not be folded."""
        sql = "SELECT customer, body FROM context WHERE substr(body, 1, 2)=? LIMIT ?"
        rows = await self.engine.read(lambda db: list(db.execute(sql, (FAULTY, last))))
        return {row[0]: decode_bodies(row[1])[FAULTS] for row in rows}

    async def rewrite(self, customer: str, bodies: dict[str, bytes], through: tuple[datetime, str, str] | None) -> None:
        """Replace a stored context, keeping its version moving."""

        def job(db: apsw.Connection) -> None:
            row = db.execute("SELECT version FROM context WHERE customer=?", (customer,)).fetchone()
            customers.write_context(db, customer, (row[0] if row else 0) + 1, bodies, through)

        await self.engine.write(job)
