"""What every store must keep of the same to many, as tests to inherit beside ``StoreContract``, unchanged."""

from __future__ import annotations

import pytest

from omnibus.errors import NotFound
from omnibus.model.event import Event
from omnibus.model.mailing import Mailing
from omnibus.store import Change, Store
from omnibus.testing.contracts.store import MINUTE, NOW, StoreParts, delivery, settled

NEWS = delivery("", "", subject="", premises=("cart.open",), values={"name": "Ada\0", "n": 1}, origin="o", topic="cart")


class MailingContract(StoreParts):
    """Many at once are accepted as one by one."""

    async def told(self, store: Store) -> dict[str, int]:
        """Add up what may never be, and what was accepted."""
        audit = await store.audit(NOW)
        return {name: audit[name] for name in ("accepted", "unbalanced", "lost_lanes", "silent")}

    async def test_each_gets_what_was_made_for_them(self, store: Store) -> None:
        """Row for row what ``accept`` would have stored, in lanes that are due."""
        await store.create([("carl", [])], NOW)
        mailing = Mailing((NEWS,), ("carl", "ada", "carl"), ("d1", "d2", "d3"))
        await store.accept_many(mailing)
        for (made,) in mailing.deliveries():
            assert await store.delivery(made.id) == made
        assert await self.told(store) == {"accepted": 3, "unbalanced": 0, "lost_lanes": 0, "silent": 0}
        assert [each.id for each in (await store.load(["ada"]))["ada"].live] == ["d2"], "its premises are watched"
        assert sorted(await self.claim(store)) == ["d1", "d2"], "the other waits for its turn in the lane"
        assert (await store.load(["ada"]))["ada"].live == (), "what is in hand is judged again before it goes"
        assert await store.settle([settled("d1", "carl")]) == [True]
        assert await self.claim(store, lease="x") == ["d3"]

    async def test_several_templates_each_in_its_lane_s_order(self, store: Store) -> None:
        """What is urgent goes before what others wait for, what is due before what comes later."""
        await self.accept(store, delivery("old", "bob", due=NOW - MINUTE))
        code = delivery("", "", subject="", purpose="transactional", due=NOW + MINUTE)
        mailing = Mailing((NEWS, code), ("ada", "bob"), ("a1", "a2", "b1", "b2"))
        await store.accept_many(mailing)
        assert [await store.delivery(each.id) for own in mailing.deliveries() for each in own] == [
            each for own in mailing.deliveries() for each in own
        ]
        assert [(each.id, each.purpose) for each in await store.deliveries(customer="ada")] == [
            ("a2", "transactional"), ("a1", "marketing"),
        ]  # fmt: skip
        assert sorted(await self.claim(store)) == ["a1", "old"]
        assert await store.settle([settled("a1", "ada"), settled("old", "bob")]) == [True, True]
        await store.create([("carl", [])], NOW)
        await self.accept(store, delivery("c1", "carl"))
        urgent = await self.claim(store, limit=2, now=NOW + MINUTE)
        assert sorted(urgent) == ["a2", "b2"], "what is urgent first, whatever waits in its lane or in others"

    async def test_a_lane_that_is_due_before_stays_so(self, store: Store) -> None:
        """And one that is due later comes sooner."""
        await self.accept(store, delivery("soon", "ada"), delivery("late", "bob", due=NOW + 2 * MINUTE))
        later = delivery("", "", subject="", due=NOW + MINUTE)
        await store.accept_many(Mailing((later,), ("ada", "bob"), ("d1", "d2")))
        urgent = delivery("", "", subject="", due=NOW + 2 * MINUTE, purpose="transactional")
        await store.accept_many(Mailing((urgent,), ("ada", "bob"), ("u1", "u2")))
        assert await self.claim(store) == ["soon"]
        assert await self.claim(store, now=NOW + MINUTE) == ["d2"]

    async def test_those_who_were_merged_get_it_as_who_they_are(self, store: Store) -> None:
        """The delivery keeps the id it was made for as its subject."""
        one = Event("m", "contract", "customer.merged", NOW, "bob")
        assert await store.merge("ada", "bob", [Change("bob", 0, (one,), {}, one.order), Change("ada", 0)])
        await store.accept_many(Mailing((NEWS,), ("bob", "ada"), ("d1", "d2")))
        moved = await store.delivery("d2")
        assert moved is not None
        assert (moved.customer, moved.subject) == ("bob", "ada")
        assert await self.told(store) == {"accepted": 2, "unbalanced": 0, "lost_lanes": 0, "silent": 0}
        assert await self.claim(store) == ["d1"]

    @pytest.mark.parametrize("stranger", ["nobody", "ada\0x"])
    async def test_for_a_stranger_nobody_gets_anything(self, store: Store, stranger: str) -> None:
        """The stranger is named."""
        with pytest.raises(NotFound, match=stranger):
            await store.accept_many(Mailing((NEWS,), ("ada", stranger, "bob"), ("d1", "d2", "d3")))
        assert await store.deliveries() == []
        assert await self.claim(store) == []
        assert (await self.told(store))["accepted"] == 0

    async def test_to_nobody_is_no_mailing(self, store: Store) -> None:
        """Nothing is stored, and nothing breaks."""
        await store.accept_many(Mailing((NEWS,), (), ()))
        assert (await self.told(store))["accepted"] == 0
