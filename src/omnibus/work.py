"""WORK: campaigns, the road out and journeys in turn, for as long as there is something to do; beside them leases and pruning."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

from omnibus.errors import Conflict, StoreFull
from omnibus.parts import Parts

SEEN = ("work", "seen")  # the note that says when somebody worked last
IDLE = 1.0  # seconds of machine time between two looks at an idle store


class Worker:
    """Work on what is due in the store of one bus."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._now = parts, parts.timeline.now

    async def drain(self) -> int:
        """Work until nothing is due now; returns how much was done."""
        parts, done = self._parts, 0
        parts.campaigns.look()
        while True:
            count = await parts.campaigns.advance()
            if count or not parts.dispatcher.quiet or await parts.store.busy(parts.timeline.now()):
                count += await parts.dispatcher.drain() + await parts.journeys.advance()
            if not count:
                return done
            done += count

    async def work(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set.

        Raises:
            ConfigError: another process works on this store already.
        """
        parts = self._parts
        await parts.store.take_work()
        await parts.store.rescue(self._now(), everything=True)
        await parts.store.hear_again()  # a worker that begins may bring mended code
        aside = [asyncio.create_task(each) for each in (self._renew(stop), parts.pruner.run())]
        for each in aside:
            each.add_done_callback(lambda _: parts.bell.hear())
        try:
            while not stop.is_set():
                _sound(aside)
                if not await self._round():
                    await parts.bell.work(await self._pause())
            await parts.dispatcher.finish()
        finally:
            stop.set()  # who is asked to end while a connection breaks may hear of the one and not of the other
            for each in aside:
                each.cancel()
            await asyncio.gather(*aside, return_exceptions=True)

    async def _round(self) -> int:
        parts = self._parts
        try:
            count = await parts.campaigns.advance()
            return count + await parts.dispatcher.round() + await parts.journeys.advance()
        except StoreFull:  # disk full, locked or away: heal without a restart
            parts.dispatcher.let_go()
            return 0
        except (
            Conflict
        ):  # somebody kept moving what we wanted to move: it is still to be done, and is with the next round
            return 0

    async def _pause(self) -> float:
        """Give the seconds until the next look."""
        try:
            due = await self._parts.store.next_due()
        except StoreFull:
            return IDLE
        idle = IDLE * random.uniform(0.75, 1.25)  # noqa: S311 - spreads the workers
        return idle if due is None else min(max((due - self._now()).total_seconds(), 0.005), idle)

    async def _renew(self, stop: asyncio.Event) -> None:
        """Keep what is in our hands, free what a dead worker held, and let others see that somebody works."""
        road = self._parts.road
        while not stop.is_set():
            with suppress(StoreFull):
                await road.store.note(*SEEN, self._now().isoformat())
            await asyncio.sleep(road.lease_term / 3)
            with suppress(StoreFull):  # the next round renews
                await road.store.renew(self._parts.dispatcher.lease, road.lease_term)
                await road.store.rescue(self._now())


def _sound(aside: Sequence[asyncio.Task[None]]) -> None:
    """Raise what ended a task that never ends by itself: without leases, what we hold would be taken for a dead worker's."""
    for each in aside:
        if each.done():
            each.result()
