"""Lists, chunks and sums, wherever campaigns rest."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from omnibus.model.campaign import Standing
from omnibus.model.delivery import State
from omnibus.model.event import Event
from omnibus.store import Change, Store
from omnibus.testing.contracts.roll.parts import MAIL, SPRING, RollParts
from omnibus.testing.contracts.store import MINUTE, NOW, delivery, settled


class ExpandingContract(RollParts):
    """Enrol, enlist, begin, expand, add up."""

    async def test_a_campaign_comes_back_as_it_was_written(self, store: Store) -> None:
        """A known name gives what is stored, unless it is still loading: then it is begun anew, its list empty."""
        roll = self.roll(store)
        assert await roll.enrol(SPRING) == SPRING
        assert await roll.enlist(SPRING, ["ada"]) == [True]
        other = replace(SPRING, id="0190", message="more")
        assert await roll.enrol(other) == other
        assert await roll.enlist(SPRING, ["bob"]) == [], "another launch took it over"
        assert await roll.begin(SPRING) is None
        begun = await roll.begin(replace(other, digest="d", rejected=3))
        assert begun == replace(other, standing=Standing.RUNNING, digest="d", rejected=3, recipients=0)
        assert await roll.enrol(SPRING) == begun
        assert await roll.enlist(other, ["ada"]) == [], "it is not loading any more"
        assert await roll.campaigns("spring") == [begun]
        assert await roll.campaigns("summer") == []

    async def test_one_that_is_still_loading_is_struck_off(self, store: Store) -> None:
        """Its name is free again; one that runs stays, and so does the launch that took over."""
        roll = self.roll(store)
        assert await roll.enrol(SPRING) == SPRING
        assert await roll.enlist(SPRING, ["ada"]) == [True]
        await roll.strike(replace(SPRING, id="0190"))
        assert await roll.campaigns() == [SPRING]
        await roll.strike(SPRING)
        assert await roll.campaigns() == []
        begun = await self.running(store, "c1")
        assert begun.recipients == 1
        await roll.strike(SPRING)
        assert await roll.campaigns() == [begun]

    async def test_they_are_listed_newest_first(self, store: Store) -> None:
        """All of them, wherever they stand."""
        roll = self.roll(store)
        later = replace(SPRING, name="summer", launched=NOW + MINUTE)
        for each in (SPRING, later):
            await roll.enrol(each)
        assert [each.name for each in await roll.campaigns()] == ["summer", "spring"]
        assert await roll.campaigns(soon=NOW) == [], "none of them runs"

    async def test_a_list_takes_everybody_once_as_who_they_are(self, store: Store) -> None:
        """Merged ones count as one, the public and strangers as nobody."""
        roll = self.roll(store)
        await store.create([("carl", []), ("public:x:acme", [])], NOW)
        one = Event("m", "contract", "customer.merged", NOW, "bob")
        assert await store.merge("ada", "bob", [Change("bob", 0, (one,), {}, one.order), Change("ada", 0)])
        await roll.enrol(SPRING)
        asked = ["carl", "ada", "bob", "nobody", "public:x:acme", "a\0b", "carl"]
        assert await roll.enlist(SPRING, asked) == [True, True, False, None, None, None, False]
        assert await roll.enlist(SPRING, ["bob", "carl"]) == [False, False]
        begun = await roll.begin(SPRING)
        assert begun is not None
        assert begun.recipients == 2

    async def test_everybody_is_who_is_a_person_at_the_launch(self, store: Store) -> None:
        """Not the public, not who came later."""
        await store.create([("public:x:acme", [])], NOW)
        await store.create([("late", [])], NOW + MINUTE)
        begun = await self.running(store, source="all")
        assert begun.recipients == 2
        moved = await self.roll(store).expand(self.chunk(begun, 10))
        assert moved is not None
        assert (moved.expanded, moved.whole) == (2, True)
        assert {each.customer for each in await store.deliveries()} == {"ada", "bob"}

    # ---- the chunk

    async def test_a_chunk_is_the_next_customers_in_order(self, store: Store) -> None:
        """Deliveries, cursor, count and lanes, in one commit; the list ends with the chunk that is not full."""
        roll = self.roll(store)
        campaign = await self.running(store, "c3", "c1", "c2")
        assert await roll.campaigns(soon=NOW) == [campaign]
        first = await roll.expand(self.chunk(campaign))
        assert first == replace(campaign, cursor="c2", expanded=2, accepted=2)
        (listed,) = await roll.campaigns(soon=NOW)
        assert (listed.expanded, listed.pressing) == (2, 2)
        last = await roll.expand(self.chunk(first))
        assert last == replace(first, cursor="c3", expanded=3, accepted=3, whole=True)
        assert await roll.expand(self.chunk(last)) is None
        assert await roll.campaigns(soon=NOW) == []
        found = sorted(await store.deliveries(), key=lambda each: each.id)
        assert [(each.customer, each.subject, each.origin) for each in found] == [
            (who, who, "campaign:spring") for who in ("c1", "c2", "c3")
        ]
        assert found[0] == replace(MAIL, id=found[0].id, customer="c1", subject="c1")
        assert (await store.audit(NOW))["accepted"] == 3
        assert sorted(await self.claim(store)) == [each.id for each in found]
        await self.sound(store)

    async def test_one_customer_may_get_several_deliveries(self, store: Store) -> None:
        """One for each template; a transactional one comes first."""
        campaign = await self.running(store, "c1", "c2")
        urgent = replace(MAIL, purpose="transactional", due=NOW + MINUTE)
        moved = await self.roll(store).expand(self.chunk(campaign, 5, MAIL, urgent))
        assert moved is not None
        assert (moved.expanded, moved.accepted) == (2, 4)
        await self.accept(store, delivery("older", "ada", due=NOW - MINUTE))
        claimed = await store.claim(NOW + MINUTE, limit=2, lease="w", term=60)
        assert sorted(each.customer for each in claimed) == ["c1", "c2"]
        await self.sound(store)

    async def test_of_many_expanders_one_wins(self, store: Store) -> None:
        """No two hand the same chunk out; together they reach everybody once."""
        roll = self.roll(store)
        people = [f"c{number:02}" for number in range(20)]
        campaign = await self.running(store, *people)
        while not campaign.whole:
            answers = await asyncio.gather(*(roll.expand(self.chunk(campaign, 3)) for _ in range(4)))
            (campaign,) = [each for each in answers if each is not None]
        assert (campaign.expanded, campaign.accepted) == (20, 20)
        assert sorted(each.customer for each in await store.deliveries()) == people
        await self.sound(store)

    async def test_who_was_merged_since_is_reached_once(self, store: Store) -> None:
        """Whichever of the two comes first in the order."""
        roll = self.roll(store)
        campaign = await self.running(store, "c1", "c2", "c3", "c4")
        for loser, winner in (("c1", "c4"), ("c3", "c2")):
            one = Event(f"m-{loser}", "contract", "customer.merged", NOW, winner)
            assert await store.merge(loser, winner, [Change(winner, 0, (one,), {}, one.order), Change(loser, 0)])
        while not campaign.whole:
            moved = await roll.expand(self.chunk(campaign, 1))
            assert moved is not None
            campaign = moved
        assert (campaign.expanded, campaign.recipients) == (2, 2)
        assert sorted(each.customer for each in await store.deliveries()) == ["c2", "c4"]

    async def test_a_merge_and_a_chunk_at_once_lose_nobody(self, store: Store) -> None:
        """Either the delivery moves with the merge, or it is made for who they are then."""
        campaign = await self.running(store, "c1", "c2")
        one = Event("m", "contract", "customer.merged", NOW, "c2")
        changes = [Change("c2", 0, (one,), {}, one.order), Change("c1", 0)]
        moved, merged = await asyncio.gather(
            self.roll(store).expand(self.chunk(campaign, 5)), store.merge("c1", "c2", changes)
        )
        assert merged
        assert moved is not None
        assert {each.customer for each in await store.deliveries()} == {"c2"}
        assert (await store.audit(NOW))["accepted"] == moved.accepted
        await self.sound(store)

    # ---- what is over

    async def test_the_list_of_a_campaign_that_is_over_is_forgotten_page_by_page(self, store: Store) -> None:
        """Not before its time, and not while anybody may be expanded from it; who was reached, is not reached again."""
        roll, later = self.roll(store), NOW + 2 * MINUTE
        first = await self.running(store, "c1", "c2", "c3")
        moved = await roll.expand(self.chunk(first, 2))
        assert moved is not None
        assert await roll.forget_lists(later, limit=2) == 0, "it goes on"
        assert await roll.steer("spring", Standing.PAUSED, NOW)
        assert await roll.forget_lists(later, limit=2) == 0, "it may be resumed"
        assert await roll.steer("spring", Standing.RUNNING, NOW + MINUTE)
        whole = await roll.expand(self.chunk(moved, 2))
        assert whole is not None
        assert (whole.whole, whole.expanded) == (True, 3)
        other = replace(SPRING, name="summer")
        await roll.enrol(other)
        assert await roll.enlist(other, ["c1"]) == [True]
        assert await roll.forget_lists(NOW + MINUTE, limit=2) == 0, "its time has not come"
        assert [await roll.forget_lists(later, limit=2) for _ in range(3)] == [2, 1, 0]
        assert await roll.campaigns("spring") == [whole]
        assert await roll.expand(self.chunk(whole, 2)) is None
        assert await roll.enrol(replace(SPRING, id="0190")) == whole
        assert await roll.enlist(other, ["c1"]) == [False], "a list that is read in is nobody's to forget"
        assert await roll.steer("summer", Standing.STOPPED, NOW)
        assert await roll.forget_lists(later, limit=2) == 1
        assert len(await store.deliveries()) == 3

    # ---- sums

    async def test_it_adds_up(self, store: Store) -> None:
        """By state, and by reason where there is one; other deliveries are none of its business."""
        roll = self.roll(store)
        assert await roll.progress("spring") is None
        campaign = await self.expanded(store, "c1", "c2", "c3")
        one, two = await store.claim(NOW, limit=2, lease="w", term=60)
        await self.accept(store, delivery("other", "ada"))
        told = settled(one.id, one.customer, State.DROPPED, reason="no consent")
        assert await store.settle([told, settled(two.id, two.customer)]) == [True, True]
        found = await roll.progress("spring")
        assert found is not None
        assert found.campaign == campaign
        assert dict(found.states) == {"dropped": 1, "sent": 1, "queued": 1}
        assert {state: dict(each) for state, each in found.reasons.items()} == {"dropped": {"no consent": 1}}
