"""What is accepted and who may claim it, in every store."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from omnibus.errors import NotFound
from omnibus.model.delivery import State
from omnibus.store import Change, Move, Store, Wish
from omnibus.testing.contracts.store.parts import MINUTE, NOW, StoreParts, delivery, event, settled


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
