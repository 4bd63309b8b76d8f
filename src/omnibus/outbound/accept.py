"""ACCEPT: wishes of several callers go into one commit; each bears their own fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from omnibus.errors import Conflict, StoreFull
from omnibus.model.delivery import Delivery
from omnibus.model.message import Purpose
from omnibus.store import Store, Wish

Deliveries = tuple[Delivery, ...]
Accept = Callable[[Sequence[Wish]], Awaitable[Sequence[Deliveries | None]]]
Carry = Callable[[Sequence[Wish]], Awaitable[Sequence[Deliveries | Exception | None]]]


class Carrier(Protocol):
    """Carry what several ask for together."""

    async def take(self, asked: Wish) -> Deliveries | None:
        """Wait for one's own answer."""


class Acceptance:
    """Have wishes accepted.

    Args:
        share: what carries wishes → what several callers may ask at once.
        accept: what commits what they asked.
    """

    def __init__(self, store: Store, share: Callable[[Carry], Carrier], accept: Accept) -> None:
        self._store, self._accept = store, accept
        # what is urgent does not wait until a commit of what is not has come back
        self._urgent, self._others = share(self._together), share(self._together)

    async def one(self, wish: Wish) -> Deliveries:
        """Accept a wish, in one commit with those of others who ask meanwhile.

        Raises:
            Conflict: its key was used for something else.
        """
        urgent = wish.deliveries[0].purpose == Purpose.TRANSACTIONAL
        return _accepted(wish, await (self._urgent if urgent else self._others).take(wish))

    async def all(self, wishes: Sequence[Wish], connection: Any = None) -> list[Deliveries]:
        """Accept wishes in one commit, or in the app's own transaction; raises as ``one``."""
        if not wishes:
            return []
        store = self._store
        answers = await (store.accept(wishes) if connection is None else store.accept_in(connection, wishes))
        return [_accepted(wish, answer) for wish, answer in zip(wishes, answers, strict=True)]

    async def _together(self, wishes: Sequence[Wish]) -> Sequence[Deliveries | Exception | None]:
        try:
            return await self._accept(wishes)
        except StoreFull:
            raise
        except Exception as error:  # noqa: BLE001 - handed to those who asked
            if len(wishes) == 1:
                return [error]
            apart = await asyncio.gather(*(self._together([each]) for each in wishes))
            return [answer for (answer,) in apart]


def _accepted(wish: Wish, answer: Deliveries | None) -> Deliveries:
    if answer is None:
        raise Conflict(f"the key `{wish.key}` was used for something else")
    return answer
