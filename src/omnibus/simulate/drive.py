"""Drive bus and outside world through virtual time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from omnibus.bus import Bus
from omnibus.simulate.clock import VirtualClock, WallClock

PATIENCE = 50  # rounds in which a webhook may be refused before we say so


class Outside(Protocol):
    """Be the world outside: ``omnibus.testing.World``."""

    @property
    def next_due(self) -> datetime | None:
        """Tell when it wants to speak next."""

    async def pump(self) -> int:
        """Let it say what is due; returns how much that was."""


class Drive:
    """Let everything happen that is due, then jump to the next due time.

    Args:
        ticked: told of every jump, for a progress line.
    """

    def __init__(
        self,
        bus: Bus,
        world: Outside,
        clock: VirtualClock | WallClock,
        ticked: Callable[[datetime], None] = lambda now: None,
    ) -> None:
        self.bus, self.world, self.clock, self.ticked = bus, world, clock, ticked

    async def settle(self) -> None:
        """Work until nothing is due now, neither inside nor outside."""
        refused = 0
        while True:
            await self.bus.drain()  # until it looked in vain: what follows can only come from outside
            try:
                told = await self.world.pump()
            except Exception:  # a webhook that came too early is told again, as its sender would
                refused += 1
                if refused > PATIENCE:
                    raise
                continue
            if not told:
                return

    async def until(self, when: datetime) -> None:
        """Live through everything up to *when*, then stand there."""
        await self.settle()
        while True:
            dues = [due for due in (await self.bus.next_due(), self.world.next_due) if due is not None]
            if not dues or min(dues) > when:
                break
            self.clock.advance_to(min(dues))
            self.ticked(self.clock.now())
            await self.settle()
        self.clock.advance_to(when)
        self.ticked(self.clock.now())
        await self.settle()
