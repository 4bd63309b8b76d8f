"""Hand-overs, in every store: what guards them, what settles them, who is rescued."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from omnibus.model.delivery import State
from omnibus.store import Change, CodeRow, Grant, Limit, Outcome, Store
from omnibus.testing.contracts.store.parts import MINUTE, NOW, StoreParts, attempt, delivery, event, settled


class AttemptsContract(StoreParts):
    """Attempt, settle, rescue."""

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

    async def test_what_is_freed_keeps_its_place(self, store: Store) -> None:
        """What came after it in its lane does not go before it because a worker died."""
        old = delivery("old", "ada", due=NOW - 2 * MINUTE)
        await self.accept(store, old, delivery("new", "ada", due=NOW - MINUTE))
        assert await self.claim(store) == ["old"]
        assert await store.rescue(NOW, everything=True) == 1
        assert await self.claim(store, lease="next") == ["old"]
        assert await store.rescue(NOW - timedelta(days=9), everything=True) == 1
        assert await self.claim(store) == ["old"], "due again now, whatever time it is for whoever frees it"

    async def test_a_lease_runs_out_by_machine_time(self, store: Store) -> None:
        """Business time does not prolong it."""
        await self.accept(store, delivery("d1", "ada"))
        await store.claim(NOW, limit=1, lease="w", term=-1)
        assert await store.rescue(NOW - timedelta(days=9)) == 1
        assert await self.claim(store) == ["d1"]
