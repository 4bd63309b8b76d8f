"""What is accepted and who may claim it, in every store."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from omnibus.errors import NotFound
from omnibus.model.delivery import State
from omnibus.store import Change, Grant, Move, Outcome, Store, Take, Wish
from omnibus.testing.contracts.store.parts import MINUTE, NOW, StoreParts, attempt, delivery, event, settled


class OutboxContract(StoreParts):
    """Accept, claim, and what is due next."""

    async def test_accepted_rows_come_back_whole(self, store: Store) -> None:
        """Every field."""
        made = delivery(
            "d1", "ada", premises=("cart.open",), offer="comeback", origin="o", inline="{}", key="k", topic="cart"
        )
        await self.accept(store, made)
        assert await store.delivery("d1") == made
        assert await store.deliveries(customer="ada", state=["queued"], origin="o") == [made]
        assert await store.deliveries(customer="bob") == []
        assert await store.delivery("d9") is None

    async def test_a_key_has_its_effect_once(self, store: Store) -> None:
        """The same digest gives the first answer, another one None; together, too."""
        first, again, other = (
            Wish("k", digest, (delivery(id_, "ada"),)) for id_, digest in zip("abc", "xxy", strict=True)
        )
        answers = await store.accept([first, again, other])
        assert [each and each[0].id for each in answers] == ["a", "a", None]
        raced = await asyncio.gather(*(store.accept([Wish("r", "x", (delivery(f"r{n}", "bob"),))]) for n in range(20)))
        assert len({each[0][0].id for each in raced if each[0]}) == 1
        assert (await store.audit(NOW))["accepted"] == 2

    async def test_nobody_s_deliveries_are_refused_whole(self, store: Store) -> None:
        """A stranger in a call undoes the call."""
        with pytest.raises(NotFound):
            await store.accept([Wish("k", "x", (delivery("d1", "ada"),)), Wish("", "", (delivery("d2", "stranger"),))])
        assert await store.delivery("d1") is None
        assert (await store.audit(NOW))["accepted"] == 0

    async def test_claims_are_in_order_one_of_a_customer(self, store: Store) -> None:
        """By due, then id; delayed rows block nobody (trap 1)."""
        await self.accept(
            store, delivery("later", "ada", due=NOW + timedelta(days=20)), delivery("b", "ada"), delivery("a", "ada"),
            delivery("c", "bob", due=NOW - MINUTE),
        )  # fmt: skip
        assert sorted(await self.claim(store)) == ["a", "c"]
        assert await self.claim(store, lease="other") == [], "both lanes are held"
        assert await store.settle([settled("a", "ada"), settled("c", "bob")]) == [True, True]
        assert await self.claim(store) == ["b"]

    async def test_transactional_goes_first(self, store: Store) -> None:
        """A password mail does not wait behind a campaign."""
        await store.create([(f"c{n}", []) for n in range(5)], NOW)
        await self.accept(store, *(delivery(f"d{n}", f"c{n}", due=NOW - MINUTE) for n in range(5)))
        await self.accept(store, delivery("code", "ada", purpose="transactional"))
        assert await self.claim(store, limit=1) == ["code"]

    async def test_only_what_is_transactional_is_claimed_where_that_is_asked(self, store: Store) -> None:
        """The others wait for a claim of all."""
        await self.accept(store, delivery("news", "ada", due=NOW - MINUTE), delivery("more", "bob"))
        await self.accept(store, delivery("code", "bob", purpose="transactional"))
        assert [each.id for each in await store.claim(NOW, limit=5, lease="w", term=60, urgent=True)] == ["code"]
        assert await store.claim(NOW, limit=5, lease="w", term=60, urgent=True) == []
        assert await self.claim(store) == ["news"]

    async def test_what_is_accepted_may_be_in_hand_at_once(self, store: Store) -> None:
        """Only what a claim would give, too; whatever is not, waits for one. A known key gives nothing into anybody's hands."""
        await store.create([("carl", [])], NOW)
        await self.accept(store, delivery("busy", "bob", purpose="transactional"))
        wishes = [
            Wish("k", "x", (delivery("code", "ada", purpose="transactional"), delivery("card", "ada", purpose="transactional"))),
            Wish("", "", (delivery("later", "carl", purpose="transactional", due=NOW + MINUTE),)),
            Wish("", "", (delivery("news", "carl"),)),
            Wish("", "", (delivery("second", "bob", purpose="transactional"),)),
        ]  # fmt: skip
        answers = await store.accept(wishes, take=Take("w", 60, 5))
        held = [each.id for answer in answers for each in answer or () if each.lease]
        assert held in ([], ["code"])
        if held:
            assert await self.state(store, "code") is State.SENDING
            assert (await store.renew("w", 60)) > 0
        else:
            assert [each.id for each in await store.claim(NOW, limit=1, lease="w", term=60, urgent=True)] == ["busy"]
            await store.settle([settled("busy", "bob")])
        again = await store.accept([wishes[0]], take=Take("other", 60, 5))
        assert [each.id for answer in again for each in answer or ()] == ["code", "card"]
        assert not [each for answer in again for each in answer or () if each.lease == "other"]
        assert (await store.audit(NOW))["lost_lanes"] == 0

    async def test_no_more_is_in_hand_than_was_asked_for(self, store: Store) -> None:
        """And it is settled, or rescued, like any other."""
        wishes = [Wish("", "", (delivery(f"c-{who}", who, purpose="transactional"),)) for who in ("ada", "bob")]
        answers = await store.accept(wishes, take=Take("w", 60, 1))
        held = [each for answer in answers for each in answer or () if each.lease]
        assert len(held) <= 1
        claimed = await self.claim(store, lease="x")
        assert sorted([*claimed, *(each.id for each in held)]) == ["c-ada", "c-bob"]
        assert await store.rescue(NOW, everything=True) == 2
        assert sorted(await self.claim(store)) == ["c-ada", "c-bob"]

    async def test_what_is_in_hand_may_be_attempted_at_once(self, store: Store) -> None:
        """Guarded as any attempt: one that is not granted leaves its delivery in hand; what is in no hand is not tried."""
        await store.create([("carl", [])], NOW)
        await self.accept(store, delivery("busy", "carl", purpose="transactional"))
        who = {"ada": 0, "bob": 7, "carl": 0}
        wishes = [Wish("", "", (delivery(f"d-{each}", each, purpose="transactional"),)) for each in who]
        tries = tuple([attempt(f"a-{each}", f"d-{each}", each, version) for each, version in who.items()])
        answers = await store.accept(wishes, take=Take("w", 60, 5, tries))
        given = {each.id: each for answer in answers for each in answer or ()}
        held = {id_: each.attempts for id_, each in given.items() if each.lease}
        assert held in ({}, {"d-ada": 1, "d-bob": 0})
        assert [len(await store.attempts(each)) for each in given] == [held.get(each, 0) for each in given]
        if held:
            assert await self.state(store, "d-ada") is State.SENDING
            assert await store.attempt([attempt("b", "d-bob", "bob", 0)]) == [Grant.GRANTED]
            assert await store.settle([settled("d-ada", "ada", outcome=Outcome("a-ada", "accepted"))]) == [True]
        assert (await store.audit(NOW))["lost_lanes"] == 0

    async def test_transactional_goes_before_what_its_own_customer_waits_for(self, store: Store) -> None:
        """Still one at a time, and the others in their order."""
        code, receipt = (delivery(each, "ada", purpose="transactional") for each in ("code", "receipt"))
        await self.accept(store, delivery("old", "ada", due=NOW - MINUTE), delivery("new", "ada"), receipt, code)
        for each in ("code", "receipt", "old", "new"):
            assert await self.claim(store) == [each]
            assert await self.claim(store, lease="other") == []
            assert await store.settle([settled(each, "ada")]) == [True]
        assert await self.claim(store) == []

    async def test_racing_claims_share_nothing(self, store: Store) -> None:
        """Trap 2: never two of one customer in hand."""
        await store.create([(f"c{n}", []) for n in range(30)], NOW)
        await self.accept(store, *(delivery(f"d{n}-{m}", f"c{n}") for n in range(30) for m in range(2)))
        found = await asyncio.gather(*(store.claim(NOW, limit=7, lease=f"w{n}", term=60) for n in range(8)))
        taken = [each.customer for claimed in found for each in claimed]
        assert sorted(taken) == sorted(set(taken))
        assert len(taken) == 30

    async def test_a_put_beside_a_settle_is_not_lost(self, store: Store) -> None:
        """Trap 4: whatever the order, what is due is claimed."""
        for number in range(10):
            await self.accept(store, delivery(f"a{number}", "ada"))
            assert await self.claim(store) == [f"a{number}"]
            await asyncio.gather(
                store.settle([settled(f"a{number}", "ada")]), self.accept(store, delivery(f"b{number}", "ada"))
            )
            assert await self.claim(store) == [f"b{number}"]
            await store.settle([settled(f"b{number}", "ada")])
        assert (await store.audit(NOW))["lost_lanes"] == 0

    async def test_a_lane_without_a_head_is_not_polled_for_ever(self, store: Store) -> None:
        """A withdrawn delivery leaves its lane empty."""
        await self.accept(store, delivery("d1", "ada"))
        await self.move(store, State.DROPPED, reason="gone", attempt="")
        assert await self.claim(store) == []
        assert await store.next_due() is None

    async def test_dropping_what_is_in_hand_is_stale(self, store: Store) -> None:
        """Its event is not stored either."""
        await self.sending(store)
        one = event("x", "ada", type_="message.dropped")
        change = Change("ada", 0, (one,), {}, one.order, moves=(Move("d1", State.DROPPED, "gone"),))
        assert await store.put([change]) == [False]
        assert await store.events(["ada"]) == []

    async def test_next_due_is_the_earliest_free_lane(self, store: Store) -> None:
        """Held ones count, claimed ones do not."""
        assert await store.next_due() is None
        await self.accept(store, delivery("d1", "ada"), delivery("d2", "bob", due=NOW + MINUTE))
        assert await store.next_due() == NOW
        await self.claim(store)
        assert await store.next_due() == NOW + MINUTE
