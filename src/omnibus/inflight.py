"""IN FLIGHT: how many things go on at once, and for how long; both for next to nothing where nothing is in the way.

``asyncio.Semaphore`` and ``asyncio.timeout`` do the same for whoever does it once in a while; with each message they
cost eight microseconds, most of it a timer that is made and cancelled again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol


class Room:
    """Let so many go on at once; who comes when it is full waits in order."""

    __slots__ = ("_free", "_places", "_waiting")

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def taken(self) -> int:
        """Count the places that are taken."""
        return self._places - self._free

    def enter(self) -> bool:
        """Take a place if there is one; else ``wait``."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def wait(self) -> None:
        """Take a place when it is one's turn; who waits no longer has taken none."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except BaseException:
            if not waiter.cancelled():  # it had been given a place, and does not take it
                self.leave()
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def leave(self) -> None:
        """Give a place back, to who waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1


class Limited(Protocol):
    """Be something that takes no longer than it may."""

    def cut(self) -> None:
        """End it now: it has taken too long."""


class Deadlines:
    """Cut what takes too long: one timer for all that goes on, which looks through it when it rings."""

    __slots__ = ("_at", "_loop", "_timer", "_until")

    def __init__(self) -> None:
        self._until: dict[Limited, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def __len__(self) -> int:
        return len(self._until)

    def begin(self, limited: Limited, until: float) -> None:
        """Cut something at *until* (the running loop's seconds), unless it has ended."""
        self._until[limited] = until
        if self._timer is None or until < self._at or self._loop is not asyncio.get_running_loop():
            self._set(until)

    def end(self, limited: Limited) -> None:
        """Let something be: it has ended; may be told twice."""
        self._until.pop(limited, None)

    def close(self) -> None:
        """Cut nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._until.clear()

    def _set(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop = asyncio.get_running_loop()
        self._at, self._timer = until, self._loop.call_at(until, self._ring)

    def _ring(self) -> None:
        self._timer, now = None, asyncio.get_running_loop().time()
        over = [limited for limited, until in self._until.items() if until <= now]
        for limited in sorted(over, key=self._until.__getitem__):
            del self._until[limited]
            limited.cut()
        if self._until and self._timer is None:
            self._set(min(self._until.values()))


class Running:
    """Hold what the current task does until ``end``, so that it is cancelled when it takes too long; else ``asyncio.timeout``."""

    __slots__ = ("_asked", "_over", "_task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only what a task does can be cancelled")
        self._task, self._asked, self._over = task, task.cancelling(), False

    def cut(self) -> None:
        """End it: it takes too long."""
        self._over = True
        self._task.cancel()

    @property
    def alone(self) -> bool:
        """Tell whether its time was over, and nobody else asked its task to end."""
        return self._over and self._task.cancelling() <= self._asked + 1

    def end(self) -> None:
        """Take back what its end by time asked of the task, which may go on."""
        if self._over:
            self._task.uncancel()
