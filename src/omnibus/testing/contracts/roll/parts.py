"""What the contract of a place for campaigns is put together with."""

from __future__ import annotations

from dataclasses import replace

from omnibus.model.campaign import Campaign, Chunk
from omnibus.model.delivery import Delivery
from omnibus.roll import Roll
from omnibus.store import Store
from omnibus.testing.contracts.store import NOW, StoreParts, delivery

SPRING = Campaign("spring", "018f", "news", "list", NOW, values={"colour": "red", "n": 1})
EVERYBODY = replace(SPRING, source="all")
MAIL = delivery("", "", subject="", origin=SPRING.origin)


def numbered(size: int, start: int = 1) -> tuple[str, ...]:
    """Make ids as they rise with time: those of a campaign's deliveries are above its launch."""
    stamp = f"{int(NOW.timestamp() * 1000):012x}"
    return tuple(f"{stamp[:8]}-{stamp[8:]}-7{number:03x}" for number in range(start, start + size))


class RollParts(StoreParts):
    """Let campaigns run."""

    def roll(self, store: Store) -> Roll:
        """Give the store as the place where campaigns rest."""
        assert isinstance(store, Roll)
        return store

    async def running(self, store: Store, *people: str, source: str = "list") -> Campaign:
        """Let a campaign run; its people exist afterwards."""
        roll = self.roll(store)
        await store.create([(each, []) for each in people], NOW)
        wanted = SPRING if source == "list" else EVERYBODY
        assert await roll.enrol(wanted) == wanted
        if source == "list":
            assert all(await roll.enlist(wanted, people))
        begun = await roll.begin(replace(wanted, digest="d"))
        assert begun is not None
        return begun

    def chunk(self, campaign: Campaign, size: int = 2, *templates: Delivery) -> Chunk:
        """Ask for the next customers."""
        told = templates or (MAIL,)
        return Chunk(campaign, told, numbered(size * len(told), campaign.accepted + 1), size, NOW)

    async def expanded(self, store: Store, *people: str) -> Campaign:
        """Let a campaign run and expand it whole."""
        campaign = await self.running(store, *people)
        moved = await self.roll(store).expand(self.chunk(campaign, len(people) + 1))
        assert moved is not None
        assert moved.whole
        return moved

    async def sound(self, store: Store) -> None:
        """Hold the accounts."""
        told = await store.audit(NOW)
        assert {name: told[name] for name in ("unbalanced", "lost_lanes", "silent")} == dict.fromkeys(
            ("unbalanced", "lost_lanes", "silent"), 0
        )

    async def followed(self, store: Store) -> int:
        """Let everything follow how it stands; gives how much did."""
        told = 0
        while moved := await self.roll(store).follow("spring", NOW, 100):
            told += moved
        return told
