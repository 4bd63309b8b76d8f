"""Whoever comes while a commit is under way takes the next one, with all who came meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")

MOST = 100  # asked at a time: the knee of the writer's curve


class Crossing(Generic[A, R]):
    """Carry what is asked, all that waits at once.

    Args:
        carry: what was asked → for each, in that order, the answer or what was wrong with it.
    """

    def __init__(self, carry: Callable[[Sequence[A]], Awaitable[Sequence[R | Exception]]]) -> None:
        self._carry = carry
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._under_way: asyncio.Task[None] | None = None

    async def take(self, asked: A) -> R:
        """Wait for the next crossing and give its answer; whoever gives up waiting stops nobody else."""
        return await self.ask(asked)

    def ask(self, asked: A) -> asyncio.Future[R]:
        """Queue for the next crossing; its answer is awaited."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, done))
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._cross())
        return done

    async def _cross(self) -> None:
        group: list[tuple[A, asyncio.Future[R]]] = []
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                try:
                    answers = await self._carry([asked for asked, _ in group])
                except Exception as error:  # noqa: BLE001 - handed to those who asked
                    answers = [error] * len(group)
                for (_, done), answer in zip(group, answers, strict=True):
                    _tell(done, answer)
        finally:  # only after a cancellation is anybody left
            for _, done in (*group, *self._waiting):
                done.cancel()
            self._waiting = []


def _tell(done: asyncio.Future[R], answer: R | Exception) -> None:
    if done.done():  # they gave up waiting; it is stored all the same
        return
    if isinstance(answer, Exception):
        done.set_exception(answer)
    else:
        done.set_result(answer)
