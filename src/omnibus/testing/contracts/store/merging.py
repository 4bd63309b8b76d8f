"""Two customers who are one, and two again, in every store."""

from __future__ import annotations

from omnibus.store import Change, Grant, Outcome, Store
from omnibus.testing.contracts.store.parts import StoreParts, attempt, delivery, event, identity, settled


class MergingContract(StoreParts):
    """Two who are one, and two again."""

    async def merged(self, store: Store) -> None:
        """Make ada bob, each with an event of their own."""
        for who in ("ada", "bob"):
            one = event(f"e-{who}", who)
            await store.put([Change(who, 0, (one,), {who: b"1"}, one.order)])
        one = event("m", "bob", type_="customer.merged")
        assert await store.merge("ada", "bob", [Change("bob", 1, (one,), {"both": b"1"}, one.order), Change("ada", 1)])

    async def test_merge_moves_everything(self, store: Store) -> None:
        """Identities, waiting rows, attempts; events keep their subject."""
        await self.accept(store, delivery("d1", "ada"))
        await self.merged(store)
        loaded = await store.load(["ada", "bob"])
        assert loaded["ada"] == loaded["bob"]
        assert set(loaded["ada"].aliases) == {"ada", "bob"}
        assert loaded["ada"].bodies == {"both": b"1"}
        assert await store.find(["email:a"]) == {"email:a": "bob"}
        found = await store.delivery("d1")
        assert found is not None
        assert (found.customer, found.subject) == ("bob", "ada")
        assert [each.subject for each in await store.events(["ada"])] == ["ada"]
        assert [each.id async for page in store.customers() for each in page] == ["bob"]
        assert [each async for page in store.ids() for each in page] == ["bob"]
        assert await self.claim(store) == ["d1"]

    async def test_a_stale_merge_does_nothing(self, store: Store) -> None:
        """Either side may have moved."""
        one = event("m", "bob", type_="customer.merged")
        assert not await store.merge("ada", "bob", [Change("bob", 3, (one,), {}, one.order)])
        assert not await store.merge("ada", "bob", [Change("bob", 0, (one,), {}, one.order), Change("ada", 4)])
        assert await store.find(["email:a"]) == {"email:a": "ada"}
        assert await store.events(["bob"]) == []

    async def test_who_was_merged_away_can_be_changed_no_more(self, store: Store) -> None:
        """What was judged from their context is judged again."""
        await self.accept(store, delivery("d1", "ada"))
        await self.claim(store)
        one = event("m", "bob", type_="customer.merged")
        assert await store.merge("ada", "bob", [Change("bob", 0, (one,), {}, one.order), Change("ada", 0)])
        assert await store.attempt([attempt("a1", "d1", "ada", 0)]) == [Grant.STALE]
        assert await store.put([Change("ada", 0, (event("x", "ada"),), {}, None)]) == [False]

    async def test_what_is_accepted_for_an_alias_goes_to_who_they_are(self, store: Store) -> None:
        """Nothing is lost on the way."""
        await self.merged(store)
        await self.accept(store, delivery("d1", "ada"))
        found = await store.delivery("d1")
        assert found is not None
        assert found.customer == "bob"

    async def test_unmerge_gives_back(self, store: Store) -> None:
        """Identities, rows, and a context of their own."""
        await self.accept(store, delivery("d1", "ada"), delivery("d2", "bob"))
        await self.merged(store)
        one = event("u", "bob", type_="customer.unmerged")
        back = Change("ada", 0, (), {"ada": b"1"}, event("e-ada", "ada").order)
        assert await store.unmerge("ada", [Change("bob", 2, (one,), {"bob": b"1"}, one.order), back])
        loaded = await store.load(["ada", "bob"])
        assert loaded["ada"].customer.identities == (identity("email:a"),)
        assert loaded["bob"].customer.identities == (identity("email:b"),)
        assert (loaded["ada"].bodies, loaded["bob"].bodies) == ({"ada": b"1"}, {"bob": b"1"})
        assert sorted(await self.claim(store)) == ["d1", "d2"]
        assert not await store.unmerge("ada", [])

    async def test_a_merge_in_flight_keeps_the_lane(self, store: Store) -> None:
        """Whoever is in a hand-over blocks the one they are now, until it is settled."""
        await self.sending(store)
        await self.accept(store, delivery("d2", "bob"))
        one = event("m", "bob", type_="customer.merged")
        assert await store.merge("ada", "bob", [Change("bob", 0, (one,), {}, one.order), Change("ada", 0)])
        assert await self.claim(store, lease="other") == []
        assert await store.settle([settled("d1", "ada", outcome=Outcome("a-d1", "accepted"))]) == [True]
        assert await self.claim(store, lease="other") == ["d2"]
