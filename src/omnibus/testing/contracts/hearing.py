"""What every store must keep of the road in: what reports are about, facts stored by the batch, whole timelines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omnibus.model.delivery import State
from omnibus.model.fault import FAULTS, FacetFault, write_faults
from omnibus.model.trace import Clue
from omnibus.store import Change, Move, Outcome, Store
from omnibus.testing.contracts.store import NOW, StoreParts, delivery, event, identity, settled

MINUTE = timedelta(minutes=1)


def told(customer: str, id_: str, *moves: Move, version: int = 0, **changes: Any) -> Change:
    """Tell one fact, with what it does to deliveries."""
    one = event(id_, customer)
    return Change(customer, version, (one,), {"cart": b"{}"}, one.order, moves=moves, now=NOW, **changes)


class HearingContract(StoreParts):
    """Find what facts are about, and store many at once."""

    async def both_sent(self, store: Store) -> None:
        """Hand `d1` of ada and `d2` of bob over, by provider ids `p-d1` and `p-d2`."""
        for id_, customer in (("d1", "ada"), ("d2", "bob")):
            await self.sending(store, id_, customer)
            outcome = Outcome(f"a-{id_}", "accepted", provider_id=f"p-{id_}")
            await store.settle([settled(id_, customer, outcome=outcome)])

    async def test_a_clue_leads_to_its_hand_over(self, store: Store) -> None:
        """By our id or by theirs; each in its place, whatever else is asked."""
        await self.both_sent(store)
        found = await store.trace(
            [
                Clue("mail", "one", provider_id="p-d2"), Clue("mail", "one", provider_id="p-9"),
                Clue("mail", "one", attempt="a-d1"), Clue("mail", "one", attempt="a-9", provider_id="p-d1"),
                Clue("mail", "one", attempt="\0", provider_id="\0"),
            ]
        )  # fmt: skip
        assert [each and (each.delivery, each.customer, each.attempt) for each in found] == [
            ("d2", "bob", "a-d2"), None, ("d1", "ada", "a-d1"), ("d1", "ada", "a-d1"), None,
        ]  # fmt: skip
        one = found[0]
        assert one is not None
        assert (one.message, one.purpose, one.via, one.tried, one.identity, one.expires) == (
            "hello", "marketing", ("mail", "text"), (), "email:a", NOW + timedelta(days=3),
        )  # fmt: skip

    async def test_our_id_binds_only_to_its_own_provider(self, store: Store) -> None:
        """Another provider's webhook says nothing of it; nor by an id that only that provider knows."""
        await self.both_sent(store)
        clues = [
            Clue("mail", "two", attempt="a-d1"),
            Clue("text", "one", attempt="a-d1"),
            Clue("mail", "two", "", "p-d1"),
        ]
        assert await store.trace(clues) == [None, None, None]

    async def test_customers_whose_facets_cannot_be_folded_are_listed(self, store: Store) -> None:
        """Whatever else is known of them; until they are."""
        fault = write_faults({"points": FacetFault("ValueError", "e1", "till")})
        assert await store.put([told("ada", "e1"), told("bob", "e2")]) == [True, True]
        assert await store.unfolded(10) == {}
        await store.rewrite("bob", {"cart": b"{}", FAULTS: fault}, None)
        assert await store.unfolded(10) == {"bob": fault}
        assert (await store.load(["bob"]))["bob"].bodies == {"cart": b"{}", FAULTS: fault}
        assert await store.unfolded(0) == {}
        await store.rewrite("bob", {"cart": b"{}"}, None)
        assert await store.unfolded(10) == {}

    async def test_a_survey_tells_all_at_once(self, store: Store) -> None:
        """What is known, and who is meant: those who were asked for, and those whom traces lead to."""
        await self.both_sent(store)
        assert await store.put([told("ada", "e1")]) == [True]
        seen = await store.survey(
            [Clue("mail", "one", "", "p-d2")], [("contract", "e1"), ("contract", "e2")], ["ada", "eve"]
        )
        assert [each and each.delivery for each in seen.traces] == ["d2"]
        assert set(seen.known) == {("contract", "e1")}
        assert {asked: each.version for asked, each in seen.loaded.items()} == {"ada": 1, "bob": 0}
        assert list((await store.survey([], [], [])).loaded) == []

    async def test_many_reports_in_one_call(self, store: Store) -> None:
        """Those that lead on, late ones, bounces, stale ones and known facts, side by side."""
        await store.create([(each, [identity(f"email:{each}")]) for each in ("cat", "dan")], NOW)
        await self.both_sent(store)
        await self.sending(store, "d3", "cat")  # its receipt is not here yet
        opened = Move("d1", State.OPENED, provider_id="p-new", attempt="a-d1")
        seen = Move("d1", State.DELIVERED, attempt="a-d1")
        bounced = Move("d2", State.BOUNCED, "full", attempt="a-d2")
        early = Move("d3", State.DELIVERED, attempt="a-d3")
        first = [
            told("ada", "e1", opened, seen),
            told("bob", "e2", bounced),
            told("cat", "e3", early),
            told("dan", "e4", version=3),
        ]
        assert await store.put(first) == [True, True, True, False]
        assert [await self.state(store, each) for each in ("d1", "d2", "d3")] == [
            State.OPENED,
            State.BOUNCED,
            State.SENDING,
        ]
        found = await store.delivery("d1")
        assert found is not None
        assert found.provider_id == "p-new"
        late = Move("d1", State.DELIVERED, attempt="a-d1")
        second = [
            told("ada", "e5", late, version=1),
            told("ada", "e6", version=2),
            told("dan", "e1"),
            told("bob", "e7", version=1),
        ]
        assert await store.put(second) == [True, True, False, True]
        assert await self.state(store, "d1") is State.OPENED
        assert [each.id for each in await store.events(["ada"])] == ["e1", "e5", "e6"]
        assert {id_: each.version for id_, each in (await store.load(["ada", "bob", "dan"])).items()} == {
            "ada": 3,
            "bob": 2,
            "dan": 0,
        }
        audit = await store.audit(NOW)
        assert (audit["unbalanced"], audit["unproven"]) == (0, 0)

    async def test_a_report_of_an_earlier_hand_over_changes_nothing_in_a_batch(self, store: Store) -> None:
        """Also not beside one that does."""
        await self.both_sent(store)
        moves = [Move("d1", State.OPENED, attempt="a-0"), Move("d2", State.OPENED, attempt="a-d2")]
        assert await store.put([told("ada", "e1", moves[0]), told("bob", "e2", moves[1])]) == [True, True]
        assert [await self.state(store, each) for each in ("d1", "d2")] == [State.SENT, State.OPENED]

    async def test_a_lost_answer_that_arrived_is_proven_in_a_batch(self, store: Store) -> None:
        """The attempt counts as accepted, as when it is told alone."""
        await self.sending(store)
        await store.settle([settled("d1", "ada", State.UNKNOWN, due=NOW, outcome=Outcome("a-d1", "unknown"))])
        move = Move("d1", State.DELIVERED, attempt="a-d1")
        assert await store.put([told("ada", "e1", move), told("bob", "e2")]) == [True, True]
        assert await self.state(store, "d1") is State.DELIVERED
        assert (await store.audit(NOW))["unproven"] == 0

    async def test_a_broken_premise_wakes_beside_others(self, store: Store) -> None:
        """What a batch holds besides does not hide it."""
        await self.accept(store, delivery("d1", "ada", due=NOW + MINUTE * 60, premises=("cart.open",)))
        assert await store.put([told("ada", "e1", wake=("d1",)), told("bob", "e2")]) == [True, True]
        assert await self.claim(store) == ["d1"]

    async def test_histories_are_whole_and_in_order(self, store: Store) -> None:
        """Merged people's, too, by either id; unknown ids are missing."""
        at = [
            event("e2", "ada", at=NOW + MINUTE),
            event("e1", "ada", at=NOW + MINUTE),
            event("e0", "ada", at=NOW + MINUTE * 2),
        ]
        assert await store.put([Change("ada", 0, tuple(at), {"cart": b'{"id":"1"}'}, at[2].order)]) == [True]
        one = event("b1", "bob", at=NOW)
        assert await store.put([Change("bob", 0, (one,), {}, one.order)]) == [True]
        assert await store.merge(
            "bob", "ada", [Change("ada", 1, (), {"cart": b'{"id":"1"}'}, at[2].order), Change("bob", 1)]
        )
        found = await store.histories(["bob", "eve", "ada"], lambda told: told)
        assert set(found) == {"ada", "bob"}
        mine = found["bob"]
        assert (mine.customer, mine.version, mine.bodies) == ("ada", 2, {"cart": b'{"id":"1"}'})
        assert [each.id for each in mine.events] == ["b1", "e1", "e2", "e0"]
        assert mine.events[0].data == one.data
        assert found["ada"].events == mine.events

    async def test_of_one_moment_id_then_source_decide(self, store: Store) -> None:
        """Also where two who tell us something chose the same id."""
        one = event("e1", "ada")
        same = [replace(one, source=each) for each in ("till", "app", "web")] + [event("e0", "ada")]
        assert await store.put([Change("ada", 0, tuple(same), {}, one.order)]) == [True]
        found = await store.histories(["ada"], lambda told: [(each.id, each.source) for each in told.events])
        assert found == {"ada": [("e0", "contract"), ("e1", "app"), ("e1", "till"), ("e1", "web")]}

    @pytest.mark.parametrize("depth", [3, 400])
    async def test_data_of_any_depth_is_read_back(self, store: Store, depth: int) -> None:
        """What could be stored can be read, or a timeline would be lost."""
        deep: Any = "☂"
        for _ in range(depth):
            deep = [deep]
        one = event("e1", "ada")
        one = type(one)(one.id, one.source, one.type, one.time, one.subject, {"deep": deep, "big": 10**30, "f": 0.1})
        assert await store.put([Change("ada", 0, (one,), {}, one.order)]) == [True]
        assert await store.events(["ada"]) == [one]
