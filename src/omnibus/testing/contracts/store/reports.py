"""What reports do to deliveries, in every store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omnibus.model.delivery import State
from omnibus.store import Change, Outcome, Store
from omnibus.testing.contracts.store.parts import NOW, StoreParts, attempt, delivery, event, settled


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
