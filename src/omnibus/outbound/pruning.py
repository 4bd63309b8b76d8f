"""PRUNE: what is finished leaves the store after a time, page by page, beside the work and slower than it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from omnibus.errors import StoreFull
from omnibus.roll import Roll
from omnibus.settings import Retention
from omnibus.store import Store
from omnibus.upkeep import Pruned

PAGE = 100  # deliveries in one commit: a transactional message waits for no more than that
LIST = 500  # places on a list in one commit: a row each
EVERY = 3_600.0  # seconds of machine time from one pass to the next
SHARE = 4  # times as long as a page took, nothing is pruned
CURSOR = ("prune", "repeats")  # the note that says how far send keys were forgotten


class Pruner:
    """Prune a store as ``[keep]`` says.

    Args:
        now: business time.
        rest: waits seconds of machine time.
    """

    def __init__(
        self, store: Store, now: Callable[[], datetime], keep: Retention, *, rest: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:  # fmt: skip
        self._store, self._now, self._keep, self._rest = store, now, keep, rest

    async def pages(self) -> AsyncIterator[Pruned]:
        """Prune all that is old enough, one commit a page; stopped anywhere, the next pass goes on."""
        if self._keep.repeats is not None:
            after: str | None = await self._store.note(*CURSOR) or ""
            begun = after
            while after is not None:
                page = await self._store.forget_keys(self._now() - self._keep.repeats, after=after, limit=PAGE)
                begun, after = after, page.after
                yield page
            await self._store.note(*CURSOR, begun)
            async for page in self._lists(self._now() - self._keep.repeats):
                yield page
        if self._keep.deliveries is not None:
            after = ""
            while after is not None:
                page = await self._store.prune(self._now() - self._keep.deliveries, after=after, limit=PAGE)
                after = page.after
                yield page

    async def _lists(self, before: datetime) -> AsyncIterator[Pruned]:
        store = self._store
        while isinstance(store, Roll) and (count := await store.forget_lists(before, limit=LIST)):
            yield Pruned(recipients=count)

    async def run(self) -> None:
        """Prune once an hour until cancelled; several workers do not do it at the same moment."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._rest(EVERY * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the workers
            with suppress(StoreFull):  # the next pass does it
                before = clock()
                async for _ in self.pages():
                    await self._rest((clock() - before) * SHARE)
                    before = clock()
