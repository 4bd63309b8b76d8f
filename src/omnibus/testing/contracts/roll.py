"""What every place where campaigns rest must keep, as tests to inherit beside ``StoreContract``, unchanged."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from omnibus.model.campaign import FOREVER, PAUSED, STOPPED, Campaign, Chunk, Standing
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.roll import Roll
from omnibus.store import Change, Grant, Store
from omnibus.testing.contracts.store import MINUTE, NOW, StoreParts, attempt, delivery, settled

SPRING = Campaign("spring", "018f", "news", "list", NOW, values={"colour": "red", "n": 1})
EVERYBODY = replace(SPRING, source="all")
MAIL = delivery("", "", subject="", origin=SPRING.origin)


def numbered(size: int, start: int = 1) -> tuple[str, ...]:
    """Make ids as they rise with time: those of a campaign's deliveries are above its launch."""
    stamp = f"{int(NOW.timestamp() * 1000):012x}"
    return tuple(f"{stamp[:8]}-{stamp[8:]}-7{number:03x}" for number in range(start, start + size))


class RollContract(StoreParts):
    """Campaigns: lists, chunks, pauses, sums."""

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

    # ---- the list

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

    # ---- pause, resume, stop

    @pytest.mark.parametrize("way", [[Standing.PAUSED], [Standing.STOPPED], [Standing.PAUSED, Standing.RUNNING]])
    async def test_it_is_steered_only_as_the_drawing_says(self, store: Store, way: list[Standing]) -> None:
        """What is not allowed changes nothing, and gives what stands."""
        roll = self.roll(store)
        assert await roll.steer("spring", Standing.PAUSED, NOW) is None
        campaign = await self.expanded(store, "c1")
        for each in way:
            steered = await roll.steer("spring", each, NOW + MINUTE, "why")
            assert steered is not None
            assert (steered.standing, steered.changed, steered.reason) == (each, NOW + MINUTE, "why")
        again = await roll.steer("spring", way[-1], NOW + 2 * MINUTE, "again")
        assert again == steered
        running = await roll.steer("spring", Standing.RUNNING, NOW + 2 * MINUTE)
        assert running is not None
        assert (running.standing is Standing.STOPPED) == (way == [Standing.STOPPED])
        assert running.accepted == campaign.accepted

    async def test_a_pause_takes_back_what_was_not_handed_over(self, store: Store) -> None:
        """Whoever claimed it has lost it; what may have left stays under way, what sleeps for later sleeps on."""
        roll = self.roll(store)
        await self.expanded(store, "c1", "c2", "c3", "c4")
        ids = dict(zip(("c1", "c2", "c3", "c4"), sorted(each.id for each in await store.deliveries()), strict=True))
        assert sorted(await self.claim(store)) == sorted(ids.values())
        assert await store.attempt([attempt("a1", ids["c1"], "c1", 0)]) == [Grant.GRANTED]
        late = NOW + timedelta(days=1)
        sleeps = settled(ids["c2"], "c2", State.HELD, reason="night", due=late)
        assert await store.settle([sleeps, settled(ids["c4"], "c4", State.QUEUED, due=NOW)]) == [True, True]
        assert await roll.steer("spring", Standing.PAUSED, NOW)
        await self.followed(store)
        assert await store.attempt([attempt("a3", ids["c3"], "c3", 0)]) == [Grant.LOST]
        told = {each.customer: each for each in await store.deliveries()}
        assert {who: (each.state, each.reason, bool(each.lease)) for who, each in told.items()} == {
            "c1": (State.SENDING, "", True), "c2": (State.HELD, "night", False), "c3": (State.HELD, PAUSED, False),
            "c4": (State.HELD, PAUSED, False),
        }  # fmt: skip
        assert told["c3"].due == MAIL.expires, "its deadline holds"
        assert await self.claim(store) == []
        assert await store.pauses(NOW) == {"campaign:spring": (FOREVER, PAUSED)}
        assert {each.id for each in await roll.undone("spring", 10)} == {ids["c2"], ids["c3"], ids["c4"]}
        assert [each.id for each in await roll.undone("spring", 1)] == [ids["c2"]]
        await self.sound(store)
        assert await roll.steer("spring", Standing.RUNNING, NOW)
        assert await store.pauses(NOW) == {}
        await self.followed(store)
        assert sorted(await self.claim(store)) == [ids["c3"], ids["c4"]]
        assert await store.settle([settled(ids["c1"], "c1")]) == [True]

    async def test_a_paused_one_is_not_expanded(self, store: Store) -> None:
        """Its cursor stands still."""
        roll = self.roll(store)
        campaign = await self.running(store, "c1")
        assert await roll.steer("spring", Standing.PAUSED, NOW)
        assert await roll.expand(self.chunk(campaign)) is None
        assert await roll.campaigns(soon=NOW) == []
        assert await roll.steer("spring", Standing.RUNNING, NOW)
        assert await roll.expand(self.chunk(campaign))

    async def test_a_pause_and_a_chunk_at_once_leave_nothing_queued(self, store: Store) -> None:
        """Either the chunk came first and is held, or it never came."""
        roll = self.roll(store)
        campaign = await self.running(store, "c1", "c2")
        await asyncio.gather(roll.expand(self.chunk(campaign, 5)), roll.steer("spring", Standing.PAUSED, NOW))
        await self.followed(store)
        assert await store.deliveries(state=["queued"]) == []
        assert await self.claim(store) == []

    async def test_a_stop_takes_back_what_was_not_handed_over(self, store: Store) -> None:
        """Somebody drops it: whoever stopped it, or the next worker."""
        roll = self.roll(store)
        await self.expanded(store, "c1", "c2", "c3")
        one, two = await store.claim(NOW, limit=2, lease="w", term=60)
        assert await store.attempt([attempt("a1", one.id, one.customer, 0)]) == [Grant.GRANTED]
        assert await roll.steer("spring", Standing.STOPPED, NOW)
        assert await self.followed(store) == 1
        assert await store.attempt([attempt("a2", two.id, two.customer, 0)]) == [Grant.LOST]
        assert {(each.state, each.reason, each.due) for each in await store.deliveries()} == {
            (State.SENDING, "", NOW), (State.HELD, STOPPED, NOW), (State.QUEUED, "", NOW),
        }  # fmt: skip
        assert len(await self.claim(store)) == 2
        assert await store.pauses(NOW) == {"campaign:spring": (FOREVER, STOPPED)}

    async def test_what_waits_follows_page_by_page(self, store: Store) -> None:
        """What is long to follow is never one commit; what the pause did not hold is left as it is."""
        roll = self.roll(store)
        await self.expanded(store, "c1", "c2", "c3", "c4", "c5")
        (one,) = await store.claim(NOW, limit=1, lease="w", term=60)
        late = NOW + timedelta(days=1)
        assert await store.settle([settled(one.id, one.customer, State.HELD, reason="night", due=late)]) == [True]
        assert await roll.follow("summer", NOW, 3) == 0, "no such campaign"
        assert await roll.follow("spring", NOW, 3) == 0, "it was never steered"
        assert await roll.steer("spring", Standing.PAUSED, NOW)
        assert [await roll.follow("spring", NOW, 3) for _ in range(3)] == [3, 1, 0]
        assert await self.claim(store) == []
        assert await roll.steer("spring", Standing.RUNNING, NOW)
        (listed,) = await roll.campaigns(soon=NOW)
        assert (listed.whole, listed.asleep) == (True, True), "a worker goes on, whoever dies"
        told = 0
        for due in (0, 3, 4):
            assert await roll.follow("spring", NOW, 3)
            assert len(await store.deliveries(state=["held"])) == 5
            told = len([each for each in await store.deliveries() if each.due == NOW])
            assert told == due
        assert await roll.follow("spring", NOW, 3) == 0
        assert await roll.campaigns(soon=NOW) == []
        assert len(await self.claim(store)) == 4
        await self.sound(store)

    async def test_what_a_worker_judged_by_a_pause_that_is_over_is_judged_again(self, store: Store) -> None:
        """It would sleep for ever otherwise: nobody wakes it a second time."""
        roll = self.roll(store)
        await self.expanded(store, "c1", "c2")
        assert await roll.steer("spring", Standing.PAUSED, NOW)
        one, two = await store.claim(NOW, limit=2, lease="w", term=60)
        assert await roll.steer("spring", Standing.RUNNING, NOW)
        await self.followed(store)
        assert await store.settle([settled(one.id, one.customer, State.HELD, reason=PAUSED, due=FOREVER)]) == [True]
        assert await store.attempt([attempt("a2", two.id, two.customer, 0)]) == [Grant.LOST]
        assert {(each.state, each.due) for each in await store.deliveries()} == {(State.QUEUED, NOW)}
        assert len(await self.claim(store)) == 2
        await self.sound(store)

    async def test_a_pause_begun_again_holds_what_was_woken(self, store: Store) -> None:
        """However far the waking was."""
        roll = self.roll(store)
        await self.expanded(store, "c1", "c2", "c3")
        for standing, pages in ((Standing.PAUSED, 9), (Standing.RUNNING, 2), (Standing.PAUSED, 9)):
            assert await roll.steer("spring", standing, NOW)
            for _ in range(pages):
                await roll.follow("spring", NOW, 2)
        assert await self.claim(store) == []
        assert await store.pauses(NOW) == {"campaign:spring": (FOREVER, PAUSED)}
        assert await roll.steer("spring", Standing.RUNNING, NOW)
        await self.followed(store)
        assert len(await self.claim(store)) == 3

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
