"""What every store must keep, as tests to inherit: one class for each engine, unchanged.

::

    class TestSqlite(StoreContract):
        def make(self, folder):
            return Sqlite(folder / "store.db", lambda: NOW)
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omnibus.errors import NotFound
from omnibus.model.customer import Identity
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.model.run import Run
from omnibus.store import (
    Change,
    CodeRow,
    Grant,
    Limit,
    Move,
    Outcome,
    Settlement,
    Step,
    Store,
    Try,
    Wish,
    decode_bodies,
    encode_bodies,
)

#: business time of the contract
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def identity(ref: str, *, verified: bool = False) -> Identity:
    """Make an identity."""
    return Identity(ref.partition(":")[0], f"value of {ref}", ref, verified)


def event(id_: str, subject: str, *, at: datetime = NOW, type_: str = "product.viewed") -> Event:
    """Make an event with words of every kind in it."""
    return Event(
        id_, "contract", type_, at, subject, {"text": "Zoë \"'\n\t☂", "number": 3, "none": None, "list": [1, "a"]}
    )


def delivery(id_: str, customer: str, *, due: datetime = NOW, **changes: Any) -> Delivery:
    """Make a queued delivery."""
    told: dict[str, Any] = {
        "message": "hello", "purpose": "marketing", "brand": "Acme", "via": ("mail", "text"), "state": State.QUEUED,
        "due": due, "accepted": NOW, "subject": customer, "expires": NOW + timedelta(days=3), "values": {"n": 1, "t": "☂"},
    }  # fmt: skip
    return Delivery(id=id_, customer=customer, **{**told, **changes})


def attempt(id_: str, delivery_: str, customer: str, version: int, **changes: Any) -> Try:
    """Ask for an attempt under the lease `w`."""
    told: dict[str, Any] = {
        "lease": "w", "number": 1, "channel": "mail", "provider": "one", "identity": "email:a", "points": 1, "started": NOW,
        "change": Change(customer, version),
    }  # fmt: skip
    return Try(attempt=id_, delivery=delivery_, **{**told, **changes})


def settled(delivery_: str, customer: str, state: State = State.SENT, **changes: Any) -> Settlement:
    """Settle under the lease `w`."""
    told: dict[str, Any] = {"lease": "w", "reason": state.value}
    return Settlement(delivery_, customer, state=state, **{**told, **changes})


class StoreParts(ABC):
    """Give the tests their store."""

    @abstractmethod
    def make(self, folder: Path) -> Store:
        """Make a store on the same data whenever it is called with the same *folder*; not opened yet."""

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        """Open a store with the customers `ada` and `bob`."""
        store = self.make(tmp_path)
        await store.open()
        await store.create([("ada", [identity("email:a")]), ("bob", [identity("email:b")])], NOW)
        yield store
        await store.aclose()

    async def accept(self, store: Store, *deliveries: Delivery) -> None:
        """Accept deliveries without a key."""
        assert await store.accept([Wish("", "", (each,)) for each in deliveries])

    async def claim(self, store: Store, *, now: datetime = NOW, lease: str = "w", limit: int = 100) -> list[str]:
        """Claim, and give the ids."""
        return [each.id for each in await store.claim(now, limit=limit, lease=lease, term=60)]

    async def sending(self, store: Store, id_: str = "d1", customer: str = "ada", **changes: Any) -> None:
        """Accept, claim and attempt one delivery."""
        await self.accept(store, delivery(id_, customer))
        assert await self.claim(store) == [id_]
        version = (await store.load([customer]))[customer].version
        assert await store.attempt([attempt(f"a-{id_}", id_, customer, version, **changes)]) == [Grant.GRANTED]

    async def state(self, store: Store, id_: str) -> State:
        """Read a delivery's state."""
        found = await store.delivery(id_)
        assert found is not None
        return found.state

    async def version(self, store: Store, customer: str = "ada") -> int:
        """Read a context's version."""
        return (await store.load([customer]))[customer].version

    async def move(self, store: Store, state: State, **changes: Any) -> None:
        """Move `d1` by a report."""
        move = Move("d1", state, **{"attempt": "a-d1", **changes})
        assert await store.put([Change("ada", await self.version(store), moves=(move,), now=NOW)]) == [True]


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

    async def test_it_knows_who_was_met(self, store: Store) -> None:
        """Ids that exist, asked for in one go; strangers are left out."""
        await store.create([("ben", [])], NOW)
        assert await store.met(["ben", "nobody"]) == {"ben"}
        assert await store.met([]) == set()

    async def test_customers_stream_in_order(self, store: Store) -> None:
        """Canonical ones only, from where one was."""
        found = [each.id async for page in store.customers() for each in page]
        assert found == ["ada", "bob"]
        assert [each.id async for page in store.customers(after="ada") for each in page] == ["bob"]

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


class OutboxContract(StoreParts):
    """Accept, claim, attempt, settle, rescue."""

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

    async def test_attempts_are_granted_by_their_guards(self, store: Store) -> None:
        """Lease, pause, budget, version; nothing of a refused one is stored."""
        await self.accept(store, delivery("d1", "ada"))
        await self.claim(store)
        asked = attempt("a1", "d1", "ada", 0)
        await store.pause("mail/one", NOW + MINUTE, "429")
        assert await store.attempt([replace(asked, lease="zombie")]) == [Grant.LOST]
        assert await store.attempt([asked]) == [Grant.PAUSED]
        late = replace(asked, started=NOW + MINUTE)
        assert await store.attempt([replace(late, limits=(Limit("", NOW, 0),))]) == [Grant.OVER]
        assert await store.attempt([replace(late, change=Change("ada", 4))]) == [Grant.STALE]
        assert await store.attempts("d1") == []
        assert await store.attempt([replace(late, limits=(Limit("", NOW, 1),), codes=(CodeRow("h", "o", "ada"),))]) == [
            Grant.GRANTED
        ]
        (row,) = await store.attempts("d1")
        assert (row.id, row.number, row.outcome, row.points, row.started) == ("a1", 1, "", 1, NOW + MINUTE)
        assert await store.code("h") == CodeRow("h", "o", "ada")
        assert await self.state(store, "d1") is State.SENDING

    async def test_the_budget_sums_what_counts(self, store: Store) -> None:
        """All channels or one, in the window; what surely did not arrive is given back."""
        await self.sending(store, points=2)
        outcome = Outcome("a-d1", "accepted")
        await store.settle([settled("d1", "ada", outcome=outcome)])
        (spent,) = (await store.load(["ada"], since=NOW))["ada"].spent
        assert (spent.at, spent.channel, spent.points) == (NOW, "mail", 2)
        assert (await store.load(["ada"], since=NOW + MINUTE))["ada"].spent == ()
        await self.accept(store, delivery("d2", "ada"))
        await self.claim(store)
        asked = attempt("a2", "d2", "ada", 0)
        for limit, grant in (
            (Limit("", NOW, 2), Grant.OVER), (Limit("mail", NOW, 2), Grant.OVER), (Limit("text", NOW, 1), Grant.GRANTED),
        ):  # fmt: skip
            assert await store.attempt([replace(asked, limits=(limit,))]) == [grant]
        await store.settle([settled("d2", "ada", State.FAILED, outcome=Outcome("a2", "refused", counts=False))])
        assert sum(each.points for each in (await store.load(["ada"], since=NOW))["ada"].spent) == 2

    async def test_the_same_attempt_again_is_one_row(self, store: Store) -> None:
        """The same key once more."""
        await self.sending(store)
        unknown = settled("d1", "ada", State.UNKNOWN, due=NOW, outcome=Outcome("a-d1", "unknown", "lost"))
        await store.settle([unknown])
        assert await self.claim(store) == ["d1"]
        assert await store.attempt([attempt("a-d1", "d1", "ada", 0)]) == [Grant.GRANTED]
        (row,) = await store.attempts("d1")
        assert row.outcome == ""

    async def test_settling_writes_everything_at_once(self, store: Store) -> None:
        """State, route, outcome, events and context in one commit; a stale one writes nothing."""
        await self.sending(store)
        one = event("sent", "ada", type_="message.sent")
        change = Change("ada", 0, (one,), {"x": b"1"}, one.order)
        told = settled(
            "d1", "ada", outcome=Outcome("a-d1", "accepted", "", "p-1", details='{"n":1}'), change=change, channel="mail",
            provider="one", identity="email:a", provider_id="p-1", tried=("a/b/c",), flagged=True, decision='{"v":1}',
        )  # fmt: skip
        assert await store.settle([replace(told, change=replace(change, version=5))]) == [False]
        assert await self.state(store, "d1") is State.SENDING
        assert await store.settle([told]) == [True]
        found = await store.delivery("d1")
        assert found is not None
        assert (found.state, found.channel, found.provider, found.provider_id, found.tried, found.flagged, found.lease) == (
            State.SENT, "mail", "one", "p-1", ("a/b/c",), True, "",
        )  # fmt: skip
        (row,) = await store.attempts("d1")
        assert (row.outcome, row.provider_id, row.details) == ("accepted", "p-1", '{"n":1}')
        assert await store.attempt_of(id_="a-d1") == row
        assert await store.attempt_of(provider="one", provider_id="p-1") == row
        assert await store.attempt_of(provider="two", provider_id="p-1") is None
        assert [body for _, body in await store.decisions("d1")] == ['{"v":1}']
        assert await store.events(["ada"]) == [one]

    async def test_a_zombie_settles_nothing(self, store: Store) -> None:
        """Trap 10: fenced by the lease; its answer is kept with the attempt."""
        await self.sending(store)
        assert await store.rescue(NOW, everything=True) == 1
        assert await self.state(store, "d1") is State.UNKNOWN
        assert await self.claim(store, lease="next") == ["d1"]
        assert await store.settle([settled("d1", "ada", State.FAILED, outcome=Outcome("a-d1", "refused"))]) == [True]
        assert await self.state(store, "d1") is State.UNKNOWN
        assert await store.settle([settled("d1", "ada", outcome=Outcome("a-d1", "accepted"))]) == [True]
        assert await self.state(store, "d1") is State.SENT, "the very attempt that was in doubt"
        assert await store.settle([settled("d1", "ada", State.QUEUED, lease="next", due=NOW)]) == [True]
        assert await self.state(store, "d1") is State.SENT
        await store.settle([settled("d1", "ada", State.FAILED, outcome=Outcome("a-d1", "unknown"))])
        assert (await store.attempts("d1"))[0].outcome == "accepted", "nothing undoes a receipt"

    async def test_rescue_tells_open_attempts_from_none(self, store: Store) -> None:
        """Queued when nothing left, unknown when something may have; never the other way."""
        await self.accept(store, delivery("d2", "bob"))
        await self.claim(store)
        await self.sending(store)
        assert await store.rescue(NOW) == 0, "leases that live are left alone"
        assert await store.renew("w", 60) == 2
        assert await store.rescue(NOW, everything=True) == 2
        assert [await self.state(store, each) for each in ("d1", "d2")] == [State.UNKNOWN, State.QUEUED]
        assert sorted(await self.claim(store)) == ["d1", "d2"]

    async def test_a_lease_runs_out_by_machine_time(self, store: Store) -> None:
        """Business time does not prolong it."""
        await self.accept(store, delivery("d1", "ada"))
        await store.claim(NOW, limit=1, lease="w", term=-1)
        assert await store.rescue(NOW - timedelta(days=9)) == 1
        assert await self.claim(store) == ["d1"]


class ReportsContract(StoreParts):
    """What reports do to deliveries."""

    @pytest.mark.parametrize("state", [State.DELIVERED, State.OPENED, State.CLICKED, State.REPLIED, State.BOUNCED])
    async def test_a_report_that_overtook_the_receipt(self, store: Store, state: State) -> None:
        """It waits for the receipt, and then has its say."""
        await self.sending(store)
        await self.move(store, state, reason="told")
        assert await self.state(store, "d1") is State.SENDING
        await store.settle([settled("d1", "ada", outcome=Outcome("a-d1", "accepted"))])
        assert await self.state(store, "d1") is state

    async def test_a_bounce_that_overtook_the_receipt_goes_on(self, store: Store) -> None:
        """To the next route, at once."""
        await self.sending(store)
        await self.move(store, State.QUEUED, due=NOW, tried=("mail/one/email:a",))
        await store.settle([settled("d1", "ada", outcome=Outcome("a-d1", "accepted"))])
        (claimed,) = await store.claim(NOW, limit=1, lease="w", term=60)
        assert (claimed.state, claimed.tried) == (State.QUEUED, ("mail/one/email:a",))
        assert (await store.audit(NOW))["stuck"] == 0

    async def test_a_report_beats_a_lost_answer(self, store: Store) -> None:
        """It did arrive: there is nothing left to look up."""
        await self.sending(store)
        await self.move(store, State.DELIVERED)
        await store.settle([settled("d1", "ada", State.UNKNOWN, due=NOW, outcome=Outcome("a-d1", "unknown"))])
        assert await self.state(store, "d1") is State.DELIVERED
        assert await store.next_due() is None
        assert (await store.audit(NOW))["unproven"] == 0

    async def test_late_ones_never_move_back(self, store: Store) -> None:
        """Nor does a settlement that was computed before them."""
        await self.sending(store)
        await store.settle([settled("d1", "ada", outcome=Outcome("a-d1", "accepted"))])
        for state in (State.CLICKED, State.DELIVERED, State.OPENED, State.BOUNCED):
            await self.move(store, state)
            assert await self.state(store, "d1") is State.CLICKED

    async def test_only_the_last_hand_over_speaks(self, store: Store) -> None:
        """News of the mail that bounced is no news of the text that followed."""
        await self.sending(store)
        await store.settle([settled("d1", "ada", State.QUEUED, due=NOW, outcome=Outcome("a-d1", "refused"))])
        await self.claim(store)
        await store.attempt([attempt("a2", "d1", "ada", 0, number=2)])
        await store.settle([settled("d1", "ada", outcome=Outcome("a2", "accepted"))])
        for state in (State.DELIVERED, State.BOUNCED):
            await self.move(store, state)
            assert await self.state(store, "d1") is State.SENT
        await self.move(store, State.DELIVERED, attempt="a2")
        assert await self.state(store, "d1") is State.DELIVERED

    @pytest.mark.parametrize(("reason", "after"), [("answer_lost", State.OPENED), ("refused", State.FAILED)])
    async def test_only_answer_lost_is_lifted(self, store: Store, reason: str, after: State) -> None:
        """Nothing else leaves `failed`."""
        await self.sending(store)
        outcome = Outcome("a-d1", "unknown")
        await store.settle([settled("d1", "ada", State.FAILED, reason=reason, outcome=outcome)])
        await self.move(store, State.OPENED)
        assert await self.state(store, "d1") is after

    async def test_broken_premises_wake_and_withdraw(self, store: Store) -> None:
        """What waits is due at once, what is on show is marked; other people's rows are not."""
        await self.sending(store)
        await store.settle([settled("d1", "ada", watched=True, outcome=Outcome("a-d1", "accepted"))])
        late = NOW + timedelta(days=1)
        await self.accept(
            store, delivery("d2", "ada", due=late, premises=("cart.open",)), delivery("d3", "bob", due=late)
        )
        live = (await store.load(["ada"]))["ada"].live
        assert {each.id for each in live} == {"d1", "d2"}
        one = event("paid", "ada")
        change = Change("ada", 0, (one,), {}, one.order, wake=("d2", "d3"), withdraw=("d1",), now=NOW)
        assert await store.put([change]) == [True]
        assert await self.claim(store) == ["d1"]
        found = await store.delivery("d1")
        assert found is not None
        assert (found.state, found.withdraw) == (State.SENT, True)
        await store.settle([settled("d1", "ada", State.WITHDRAWN, withdraw=False)])
        assert await self.claim(store) == ["d2"]

    async def test_the_audit_is_balanced(self, store: Store) -> None:
        """Accepted = final + waiting, at any time."""
        await self.sending(store)
        await self.accept(store, delivery("d2", "bob"))
        figures = await store.audit(NOW)
        assert {name: figures[name] for name in ("accepted", "final", "waiting", "unbalanced", "stuck", "silent")} == {
            "accepted": 2, "final": 0, "waiting": 2, "unbalanced": 0, "stuck": 0, "silent": 0,
        }  # fmt: skip


class ShelfContract(StoreParts):
    """Codes, hand-overs, notes, pauses, journeys."""

    async def test_one_basket_wins(self, store: Store) -> None:
        """Of all who race; the winner gets its answer again, the others learn who won."""
        code = CodeRow("h", "comeback", "ada")
        await store.issue([code, replace(code, customer="bob")])
        assert await store.code("h") == code, "known ones stay"
        told = {"customer": "ada", "single": True, "limit": None, "now": NOW, "change": None}
        answers = await asyncio.gather(*(store.redeem(code, basket=f"b{n}", **told) for n in range(20)))  # type: ignore[arg-type]
        (won,) = [each for each in answers if each and each.won]
        assert {each.basket for each in answers if each} == {won.basket}
        again = await store.redeem(code, basket=won.basket, **told)  # type: ignore[arg-type]
        assert again is not None
        assert again.won

    async def test_shared_codes_are_once_a_person_and_limited(self, store: Store) -> None:
        """Nameless ones count in total."""
        code = CodeRow("s", "launch", "")

        async def redeem(basket: str, customer: str) -> str:
            answer = await store.redeem(
                code, basket=basket, customer=customer, single=False, limit=2, now=NOW, change=None
            )
            assert answer is not None
            return "won" if answer.won else answer.reason

        told = [("b1", "ada"), ("b2", "ada"), ("b3", ""), ("b4", "bob"), ("b1", "ada")]
        assert [await redeem(*each) for each in told] == ["won", "already redeemed", "won", "limit reached", "won"]

    async def test_a_redemption_and_its_event_are_one(self, store: Store) -> None:
        """Stale: neither."""
        code, one = CodeRow("h", "comeback", "ada"), event("r", "ada", type_="code.redeemed")
        change = Change("ada", 3, (one,), {}, one.order)
        told = {"basket": "b1", "customer": "ada", "single": True, "limit": None, "now": NOW}
        assert await store.redeem(code, change=change, **told) is None  # type: ignore[arg-type]
        assert await store.events(["ada"]) == []
        answer = await store.redeem(code, change=replace(change, version=0), **told)  # type: ignore[arg-type]
        assert answer is not None
        assert answer.won
        assert await store.events(["ada"]) == [one]

    async def test_handovers_live_for_a_while(self, store: Store) -> None:
        """Unknown and expired ones give nobody."""
        await store.put_handover("short", "ada", NOW + MINUTE)
        assert await store.claim_handover("short", NOW) == "ada"
        assert await store.claim_handover("short", NOW + MINUTE) is None
        assert await store.claim_handover("other", NOW) is None

    async def test_notes_and_definitions(self, store: Store) -> None:
        """Notes are replaced, definitions stay."""
        assert await store.note("s", "n") is None
        for value in ("1", "2"):
            await store.note("s", "n", value)
        assert (await store.note("s", "n"), await store.note("t", "n")) == ("2", None)
        await store.define("welcome", "1", "first")
        await store.define("welcome", "1", "second")
        assert await store.definition("welcome", "1") == "first"
        assert await store.definition("welcome", "2") is None

    async def test_pauses_are_only_prolonged(self, store: Store) -> None:
        """And end by themselves."""
        await store.pause("mail/one", NOW + 2 * MINUTE, "429")
        await store.pause("mail/one", NOW + MINUTE, "shorter")
        assert await store.pauses(NOW) == {"mail/one": (NOW + 2 * MINUTE, "429")}
        assert await store.pauses(NOW + 2 * MINUTE) == {}

    async def test_journeys_hear_what_stirs_them_once(self, store: Store) -> None:
        """Not what is quiet, nor what no journey asks for."""
        store.stir(["cart.updated"])
        for version, (id_, type_, quiet) in enumerate(
            [("e1", "cart.updated", False), ("e2", "cart.updated", True), ("e3", "product.viewed", False)]
        ):
            one = event(id_, "ada", type_=type_)
            await store.put([Change("ada", version, (one,), {}, one.order, quiet=quiet)])
        stirred = await store.stirred(10)
        assert [each.id for each in stirred] == ["e1"]
        await store.heard(stirred)
        assert await store.stirred(10) == []

    async def test_timer_and_event_compete_by_revision(self, store: Store) -> None:
        """Exactly one moves the run, with all that follows."""
        run = Run(
            "r1", "ada", "welcome", "1", "cart-1", "0", due=NOW, waiting=("cart.updated",), values={"a": 1}, started=NOW
        )
        twin = replace(run, id="r2")
        assert await store.step([Step(run, None), Step(twin, None)]) == [True, False], "one run for each reason"
        assert await store.runs(customer="ada") == [run]
        assert await store.runs(due=NOW - MINUTE) == []
        assert await store.next_due() == NOW
        moved = replace(run, node="", revision=1, due=None, waiting=(), reason="done")
        steps = [Step(moved, 0, wishes=(Wish(f"k{n}", "x", (delivery(f"d{n}", "ada"),)),)) for n in range(10)]
        answers = await asyncio.gather(*(store.step([each]) for each in steps))
        assert sorted(each[0] for each in answers) == [False] * 9 + [True]
        assert (await store.audit(NOW))["accepted"] == 1
        assert await store.runs(customer="ada") == []
        assert await store.runs(journey="welcome", live=False) == [moved]

    async def test_a_step_whose_key_is_taken_does_nothing(self, store: Store) -> None:
        """All or nothing."""
        await store.accept([Wish("k", "other", (delivery("d1", "ada"),))])
        run = Run("r1", "ada", "welcome", "1", "cart-1", "0", started=NOW)
        assert await store.step([Step(run, None, wishes=(Wish("k", "x", (delivery("d2", "ada"),)),))]) == [False]
        assert await store.runs(live=False) == []


class StoreContract(CustomersContract, MergingContract, OutboxContract, ReportsContract, ShelfContract):
    """Hold a store to all of it."""
