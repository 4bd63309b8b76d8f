"""Wake-ups: a hint that something was committed, here or by another process; polling remains the mechanism."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager


class Bell:
    """Ring for the worker, and for whoever watches a customer.

    Args:
        tell: carries what rings here to other processes.
    """

    def __init__(self, tell: Callable[[Collection[str]], None] = lambda customers: None) -> None:
        self.tell = tell
        self._work = asyncio.Event()
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def ring(self, customers: Collection[str] = ()) -> None:
        """Tell that something was committed here."""
        self.hear(customers)
        self.tell(customers)

    def hear(self, customers: Collection[str] = ()) -> None:
        """Take note of what was committed, here or elsewhere."""
        self._work.set()
        for customer in customers:
            for watcher in self._watchers.get(customer, ()):
                watcher.set()

    async def work(self, seconds: float) -> None:
        """Wait for a ring, at most *seconds* of machine time."""
        try:
            async with asyncio.timeout(seconds):
                await self._work.wait()
        except TimeoutError:
            pass
        self._work.clear()

    @asynccontextmanager
    async def watch(self, customer: str) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set whenever this customer's context moved."""
        watcher = asyncio.Event()
        self._watchers[customer].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[customer].discard(watcher)
            if not self._watchers[customer]:
                del self._watchers[customer]
