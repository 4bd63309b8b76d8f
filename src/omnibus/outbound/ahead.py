"""AHEAD: what is urgent goes before the rounds, which stand aside for as long as it is being written down."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

MOMENT = 0.005  # seconds of machine time that one message of a round stands aside at most, however much is urgent


class Ahead:
    """Count who goes ahead now."""

    def __init__(self) -> None:
        self._count, self._nobody = 0, asyncio.Event()

    def __bool__(self) -> bool:
        """Tell whether anybody does."""
        return self._count > 0

    @contextmanager
    def going(self) -> Iterator[None]:
        """Go ahead."""
        self._count += 1
        self._nobody.clear()
        try:
            yield
        finally:
            asyncio.get_running_loop().call_soon(self._gone)  # whom it started meanwhile goes ahead, too

    def _gone(self) -> None:
        self._count -= 1
        if not self._count:
            self._nobody.set()

    async def let_by(self) -> None:
        """Stand aside until nobody goes ahead, for a moment at most; others who wait for an answer have their turn."""
        if not self._count:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(MOMENT):
                await self._nobody.wait()
