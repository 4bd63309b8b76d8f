"""Customers, their events and contexts, in every store."""

from __future__ import annotations

import asyncio
from pathlib import Path

from omnibus.model.delivery import State
from omnibus.store import Change, Move, Store, decode_bodies, encode_bodies
from omnibus.testing.contracts.store.parts import MINUTE, NOW, StoreParts, event, identity


class CustomersContract(StoreParts):
    """Customers, events, contexts."""

    async def test_it_opens_twice_and_closes_twice(self, tmp_path: Path) -> None:
        """Everything is still there."""
        first = self.make(tmp_path)
        await first.open()
        await first.create([("ada", [identity("email:a", verified=True)])], NOW)
        await first.aclose()
        await first.aclose()
        again = self.make(tmp_path)
        await again.open()
        loaded = (await again.load(["ada"]))["ada"]
        await again.aclose()
        assert loaded.customer.identities == (identity("email:a", verified=True),)

    async def test_create_recognises_by_identity(self, store: Store) -> None:
        """The first who has an identity keeps it; verified stays verified."""
        mine = [identity("email:a", verified=True), identity("phone:1")]
        assert await store.create([("other", mine), ("ada", []), ("carl", [])], NOW) == ["ada", "ada", "carl"]
        loaded = await store.load(["ada", "nobody"])
        assert [(each.ref, each.verified) for each in loaded["ada"].customer.identities] == [
            ("email:a", True), ("phone:1", False),
        ]  # fmt: skip
        assert "nobody" not in loaded
        assert await store.find(["email:a", "phone:1", "x:9"]) == {"email:a": "ada", "phone:1": "ada"}

    async def test_it_knows_who_somebody_is_now(self, store: Store) -> None:
        """Asked for in one go: merged ids lead on, strangers are left out."""
        await store.create([("ben", []), ("cleo", [])], NOW)
        assert await store.merge("ada", "ben", [])
        assert await store.merge("ben", "cleo", [])
        asked = ["ada", "ben", "bob", "cleo", "nobody"]
        assert await store.now_called(asked) == {"ada": "cleo", "ben": "cleo", "bob": "bob", "cleo": "cleo"}
        assert await store.now_called([]) == {}

    async def test_customers_stream_in_order(self, store: Store) -> None:
        """Canonical ones only, from where one was."""
        found = [each.id async for page in store.customers() for each in page]
        assert found == ["ada", "bob"]
        assert [each.id async for page in store.customers(after="ada") for each in page] == ["bob"]
        assert [each async for page in store.ids() for each in page] == ["ada", "bob"]
        assert [each async for page in store.ids(after="ada") for each in page] == ["bob"]

    async def test_put_stores_events_and_context_together(self, store: Store) -> None:
        """Values come back as they were; the version rises by one."""
        one = event("e1", "ada")
        bodies = {"cart": b'{"a":1}', "profile": '{"n":"☂"}'.encode()}
        change = Change("ada", 0, (one,), bodies, one.order)
        assert await store.put([change]) == [True]
        loaded = (await store.load(["ada"]))["ada"]
        assert (loaded.version, loaded.bodies, loaded.through) == (1, bodies, one.order)
        assert await store.events(["ada"]) == [one]
        assert await store.known([("contract", "e1"), ("contract", "e2")]) == {("contract", "e1")}

    async def test_a_stale_change_stores_nothing_and_harms_no_other(self, store: Store) -> None:
        """All or nothing for each, one commit for all."""
        good = Change("bob", 0, (event("e1", "bob"),), {}, event("e1", "bob").order)
        stale = Change("ada", 7, (event("e2", "ada"),), {}, None, moves=(Move("d1", State.OPENED),))
        twice = Change("ada", 0, (event("e3", "ada"), event("e1", "ada")), {"x": b"1"}, None)
        assert await store.put([stale, good, twice]) == [False, True, False]
        assert [each.id for each in await store.events(["ada", "bob"])] == ["e1"]
        assert (await store.load(["ada"]))["ada"].version == 0

    async def test_one_of_many_racers_wins(self, store: Store) -> None:
        """Compare and set."""
        changes = [Change("ada", 0, (event(f"e{n}", "ada"),), {}, event(f"e{n}", "ada").order) for n in range(20)]
        answers = await asyncio.gather(*(store.put([each]) for each in changes))
        assert sorted(each[0] for each in answers) == [False] * 19 + [True]
        assert len(await store.events(["ada"])) == 1

    async def test_events_are_in_timeline_order(self, store: Store) -> None:
        """By time, then id, then source; the last ones on demand."""
        told = [event("b", "ada"), event("a", "ada"), event("c", "bob", at=NOW - MINUTE)]
        for each in told:
            await store.put([Change(each.subject, await self.version(store, each.subject), (each,), {}, each.order)])
        assert [each.id for each in await store.events(["ada", "bob"])] == ["c", "a", "b"]
        assert [each.id for each in await store.events(["ada", "bob"], last=2)] == ["a", "b"]
        assert await store.events(["nobody"]) == []

    async def test_rewrite_replaces_and_moves_the_version(self, store: Store) -> None:
        """A rebuild is seen by whoever judged from the old context."""
        await store.rewrite("ada", {"cart": b"1"}, (NOW, "e", "s"))
        loaded = (await store.load(["ada"]))["ada"]
        assert (loaded.version, loaded.bodies, loaded.through) == (1, {"cart": b"1"}, (NOW, "e", "s"))

    def test_packed_bodies_come_back(self) -> None:
        """Sorted, and without reading JSON."""
        bodies = {"b": b'{"x":"\\n"}', "a": b"[]"}
        assert decode_bodies(encode_bodies(bodies)) == bodies
        assert encode_bodies(bodies).startswith(b"a\t")
