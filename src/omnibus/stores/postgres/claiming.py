"""Claims, attempts and settlements; a claim takes along the settlements that wait for a commit at that moment.

A round of the road out settles the last answers just before it claims: that is one transaction, and two trips to the server
fewer. What goes wrong with both is asked again one by one, so neither waits for the other's locks, nor tells its faults.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from omnibus.errors import StoreFull
from omnibus.model.delivery import Delivery
from omnibus.store import Grant, Settlement, Store, Try
from omnibus.stores.postgres import outbox
from omnibus.stores.postgres.beside import Beside
from omnibus.stores.postgres.engine import LONG, Connection, Engine
from omnibus.stores.postgres.outbox import ClaimTerms

SOON = 0.005  # seconds for which settlements wait for a claim, where the last one found something


@dataclass(slots=True, eq=False)
class _Waiting:
    """Hold settlements that a claim may take along; the answer None says that none did, or that it could not."""

    settlements: Sequence[Settlement]
    answers: asyncio.Future[list[bool] | None]

    def tell(self, answers: list[bool] | None) -> None:
        """Answer whoever waits, unless they were cancelled."""
        if not self.answers.done():
            self.answers.set_result(answers)


class Claiming(Store):
    """Claim, attempt and settle."""

    engine: Engine
    now: Callable[[], datetime]
    _found = False  # the last claim found something, so the next one will
    _beside: Beside | None = None
    _waiting: _Waiting | None = None

    async def claim(
        self, now: datetime, *, limit: int, lease: str, term: float, urgent: bool = False, patient: bool = False,
        since: datetime | None = None,
    ) -> list[Delivery]:  # fmt: skip
        """Take what is due."""
        known = self._found and not urgent
        wanted = ClaimTerms(now, limit, lease, term, urgent=urgent, since=since)
        if known and (waiting := self._waiting) is not None:
            self._waiting = None
            found = await self._both(waiting, wanted)
            if found is not None:
                return self._seen(found, urgent=False)
        if not known and not await self.engine.read(lambda db: outbox.due(db, now, urgent=urgent), pinned=True):
            return []  # a look is a third of a transaction that finds nothing
        return self._seen(await self.engine.write(lambda db: outbox.claim(db, wanted), pinned=True), urgent=urgent)

    async def attempt(self, tries: Sequence[Try]) -> list[Grant]:
        """Write attempts down."""
        if not tries:
            return []
        return await self.engine.write(lambda db: outbox.attempt(db, tries, self.stirring), pinned=True)

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Write down what became of claimed deliveries."""
        if not settlements:
            return []
        if self._found and self._waiting is None:
            loop = asyncio.get_running_loop()
            waiting = self._waiting = _Waiting(settlements, loop.create_future())
            loop.call_later(SOON, self._leave, waiting)
            if (answers := await waiting.answers) is not None:
                return answers
        now = self.now()
        return await self.engine.write(
            lambda db: outbox.settle(db, settlements, now, self.stirring), patience=LONG, pinned=True
        )

    async def _both(self, waiting: _Waiting, wanted: ClaimTerms) -> outbox.Found | None:
        """Settle and claim in one commit; None when something is in the way.

        Raises:
            StoreFull: the database is away; the settlements are tried again by themselves.
        """
        now = self.now()

        async def job(db: Connection) -> tuple[list[bool], outbox.Found]:
            return await outbox.settle_and_claim(db, waiting.settlements, now, self.stirring, wanted)

        answers: list[bool] | None = None
        try:
            answers, found = await self.engine.write(job, pinned=True, hasty=True)
        except StoreFull:
            raise
        except Exception:  # noqa: BLE001 - whose fault it is, is told when each is asked by itself
            return None
        finally:
            waiting.tell(answers)
        return found

    def _leave(self, waiting: _Waiting) -> None:
        if self._waiting is waiting:
            self._waiting = None
            waiting.tell(None)

    def _seen(self, found: outbox.Found, *, urgent: bool) -> list[Delivery]:
        claimed, read = found
        self._beside = read or self._beside
        self._found = bool(claimed) or (urgent and self._found)
        return claimed
