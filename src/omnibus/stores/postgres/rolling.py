"""The Roll port over PostgreSQL: each call is one short transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from omnibus.model.campaign import Campaign, Chunk, Progress, Standing, origin_of
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.roll import Roll
from omnibus.stores.postgres import campaigns, dropping, upkeep
from omnibus.stores.postgres.engine import Engine
from omnibus.stores.schema import to_micros


class Rolling(Roll):
    """Keep campaigns beside what they send."""

    engine: Engine
    stirring: frozenset[str]

    async def enrol(self, campaign: Campaign) -> Campaign:
        """Write a new campaign down, or begin one anew that is still loading."""
        return await self.engine.write(lambda db: campaigns.enrol(db, campaign), silence=campaigns.LONGEST)

    async def enlist(self, campaign: Campaign, who: Sequence[str]) -> list[bool | None]:
        """Put customers on the list."""
        return await self.engine.write(lambda db: campaigns.enlist(db, campaign, who))

    async def strike(self, campaign: Campaign) -> None:
        """Take a campaign off that is still loading."""
        await self.engine.write(lambda db: campaigns.strike(db, campaign), silence=campaigns.LONGEST)

    async def begin(self, campaign: Campaign) -> Campaign | None:
        """Let a loaded campaign run."""
        return await self.engine.write(lambda db: campaigns.begin(db, campaign), silence=campaigns.LONGEST)

    async def campaigns(self, name: str = "", *, soon: datetime | None = None) -> list[Campaign]:
        """List campaigns."""
        return await self.engine.read(lambda db: campaigns.campaigns(db, name, soon))

    async def expand(self, chunk: Chunk) -> Campaign | None:
        """Insert the deliveries of the next customers."""
        return await self.engine.write(lambda db: campaigns.expand(db, chunk))

    async def steer(self, name: str, standing: Standing, now: datetime, reason: str = "") -> Campaign | None:
        """Pause, resume or stop."""
        return await self.engine.write(lambda db: campaigns.steer(db, name, standing, now, reason))

    async def follow(self, name: str, now: datetime, limit: int) -> int:
        """Let a page of what waits follow."""
        return await self.engine.write(lambda db: campaigns.follow(db, name, now, limit))

    async def undone(self, name: str, limit: int, *, last: bool = False) -> list[Delivery]:
        """List what waits in nobody's hands; by index and in its order, as ``follow`` does."""
        return await self.engine.read(lambda db: dropping.undone(db, origin_of(name), limit, last=last), pinned=True)

    async def drop(self, facts: Sequence[tuple[Delivery, Event]]) -> int:
        """Drop a page of what waits."""
        return await self.engine.write(lambda db: dropping.drop(db, facts, self.stirring), pinned=True)

    async def forget_lists(self, before: datetime, *, limit: int) -> int:
        """Remove a page of a list that nobody is expanded from again."""
        return await self.engine.write(lambda db: upkeep.forget_lists(db, to_micros(before), limit))

    async def progress(self, name: str) -> Progress | None:
        """Add a campaign up."""
        return await self.engine.read(lambda db: campaigns.progress(db, name), snapshot=True, silence=campaigns.LONGEST)
