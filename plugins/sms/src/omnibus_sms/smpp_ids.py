"""Know whose message an SMPP receipt names, though it may come before its response and spell the id otherwise."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

REMEMBERED = 10_000  # spellings of ids; older ones are matched by the id alone


class Ids:
    """Remember the message ids of this process; a later process matches by ``receipt_ids`` of the settings."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[str, str] = OrderedDict()
        self._open: set[object] = set()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def submitting(self) -> AsyncIterator[None]:
        """Mark a submit as open: a receipt that nobody knows may be its."""
        token = object()
        self._open.add(token)
        try:
            yield
        finally:
            self._open.discard(token)
            async with self._changed:
                self._changed.notify_all()

    def learn(self, id_: str, attempt: str) -> None:
        """Remember what a response said."""
        for spelt in spellings(id_):
            self._attempts[spelt] = attempt
        while len(self._attempts) > REMEMBERED:
            self._attempts.popitem(last=False)

    async def whose(self, id_: str) -> str | None:
        """Name the attempt; waits for the submits that are open now, and no longer. None when nobody knows it."""
        before = frozenset(self._open)
        async with self._changed:
            await self._changed.wait_for(lambda: id_ in self._attempts or not before & self._open)
        return self._attempts.get(id_)


def spellings(id_: str) -> set[str]:
    """Write an id as receipts may spell it: as it is, hexadecimal read as decimal, and the reverse."""
    found = {id_, id_.lower(), id_.upper()}
    try:
        number = int(id_, 16)
    except ValueError:
        return found
    return found | {str(number), f"{number:010d}"} | ({f"{int(id_):x}", f"{int(id_):X}"} if id_.isdecimal() else set())
