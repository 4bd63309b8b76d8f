"""Pause, resume and stop, wherever campaigns rest, and what waits following them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from omnibus.model.campaign import FOREVER, PAUSED, STOPPED, Standing
from omnibus.model.delivery import State
from omnibus.model.event import Event
from omnibus.store import Change, Grant, Store
from omnibus.testing.contracts.roll.parts import MAIL, SPRING, RollParts
from omnibus.testing.contracts.store import MINUTE, NOW, attempt, delivery, settled


class SteeringContract(RollParts):
    """Steer and follow."""

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

    @pytest.mark.parametrize("standing", [Standing.PAUSED, Standing.STOPPED])
    async def test_no_attempt_is_written_down_once_it_rests(self, store: Store, standing: Standing) -> None:
        """However it was judged before; others go on beside it, and nothing is taken back for it."""
        roll = self.roll(store)
        await self.expanded(store, "c1", "c2")
        await self.accept(store, delivery("other", "ada"))
        mine = {each.customer: each for each in await store.claim(NOW, limit=3, lease="w", term=60)}
        ours = [attempt(f"a-{who}", mine[who].id, who, 0, origin=SPRING.origin) for who in ("c1", "c2")]
        noted = Event("m", "contract", "message.held", NOW, "c2")
        ours[1] = replace(ours[1], change=Change("c2", 0, (noted,), {}, noted.order))
        assert await roll.steer("spring", standing, NOW)
        both = [*ours, attempt("a-ada", "other", "ada", 0)]
        assert await store.attempt(both) == [Grant.PAUSED, Grant.PAUSED, Grant.GRANTED]
        assert await store.attempt(ours[:1]) == [Grant.PAUSED]
        assert [await store.attempts(mine[who].id) for who in ("c1", "c2")] == [[], []]
        assert await store.events(["c2"]) == []
        assert {each.state for each in await store.deliveries()} == {State.SENDING}
        await self.followed(store)
        assert await store.attempt(ours) == [Grant.LOST, Grant.LOST]
        if standing is Standing.PAUSED:
            assert await roll.steer("spring", Standing.RUNNING, NOW)
            await self.followed(store)
            again = [each for each in await store.claim(NOW, limit=3, lease="w", term=60) if each.customer == "c1"]
            assert await store.attempt([replace(ours[0], delivery=again[0].id)]) == [Grant.GRANTED]
        await self.sound(store)

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
