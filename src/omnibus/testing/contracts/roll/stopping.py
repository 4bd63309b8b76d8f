"""What waits of a stopped campaign, wherever campaigns rest: dropped page by page, whoever dies, and noted when it is done."""

from __future__ import annotations

from datetime import timedelta

from omnibus.model.campaign import STOPPED, Standing
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.roll import Roll
from omnibus.store import Change, Grant, Move, Outcome, Store
from omnibus.testing.contracts.roll.parts import SPRING, RollParts
from omnibus.testing.contracts.store import MINUTE, NOW, attempt, delivery, settled


class StoppingContract(RollParts):
    """Stop, list what is undone, drop it."""

    def facts(self, page: list[Delivery]) -> list[tuple[Delivery, Event]]:
        """Say of each that it is dropped."""
        told = {"reason": STOPPED}
        return [
            (each, Event(f"{each.id}:dropped", "contract", "message.dropped", NOW, each.customer, told))
            for each in page
        ]

    async def open(self, roll: Roll) -> list[str]:
        """Name the campaigns that somebody must see to."""
        return [each.name for each in await roll.campaigns(soon=NOW)]

    async def test_what_waits_of_a_stopped_one_is_dropped_page_by_page(self, store: Store) -> None:
        """What is held for later, too; what was handed over stays so. A worker goes on, whoever dies."""
        roll = self.roll(store)
        await self.expanded(store, "c1", "c2", "c3", "c4", "c5")
        sent, held = await store.claim(NOW, limit=2, lease="w", term=60)
        assert await store.attempt([attempt("a1", sent.id, sent.customer, 0, origin=SPRING.origin)]) == [Grant.GRANTED]
        late = NOW + timedelta(days=1)
        assert await store.settle([settled(held.id, held.customer, State.HELD, reason="night", due=late)]) == [True]
        await self.accept(store, delivery("other", "c5", due=NOW + MINUTE))
        assert await self.open(roll) == []
        assert await roll.steer("spring", Standing.STOPPED, NOW)
        assert await self.open(roll) == ["spring"]
        (first,), (last,) = await roll.undone("spring", 1), await roll.undone("spring", 1, last=True)
        assert (first.due, last.id, last.due) == (NOW, held.id, late)
        facts = self.facts([last, *await roll.undone("spring", 2)])
        assert [await roll.drop(facts) for _ in range(2)] == [3, 0], "dropped, it is nobody's work"
        assert await roll.drop([]) == 0
        assert await roll.drop(self.facts(await roll.undone("spring", 9))) == 1
        assert {(each.state, each.reason) for each in await store.deliveries(origin=SPRING.origin)} == {
            (State.SENDING, ""), (State.DROPPED, STOPPED),
        }  # fmt: skip
        assert [each.type for each in await store.events([held.customer])] == ["message.dropped"]
        assert await store.next_due() == NOW + MINUTE, "their lanes know it"
        assert await self.claim(store, now=late) == ["other"]
        assert await self.followed(store) == 0
        assert await self.open(roll) == ["spring"], "one is under way"
        assert await store.settle([settled(sent.id, sent.customer, outcome=Outcome("a1", "accepted"))]) == [True]
        assert await self.followed(store) == 0
        assert await self.open(roll) == []
        found = await roll.progress("spring")
        assert found is not None
        assert (found.finished, dict(found.states), dict(found.reasons)) == (
            True, {"sent": 1, "dropped": 4}, {"dropped": {STOPPED: 4}},
        )  # fmt: skip
        await self.sound(store)

    async def test_what_was_taken_in_hand_meanwhile_is_not_dropped_from_it(self, store: Store) -> None:
        """Whoever has it drops it; no fact says so twice."""
        roll = self.roll(store)
        await self.expanded(store, "c1", "c2")
        assert await roll.steer("spring", Standing.STOPPED, NOW)
        facts = self.facts(await roll.undone("spring", 9))
        (one,) = await store.claim(NOW, limit=1, lease="w", term=60)
        assert await roll.drop(facts) == 1
        assert {each.state for each in await store.deliveries(customer=one.customer)} == {State.SENDING}
        assert await store.events([one.customer]) == []
        assert await roll.undone("spring", 9) == []
        assert await store.settle([settled(one.id, one.customer, State.DROPPED, reason=STOPPED)]) == [True]
        await self.sound(store)

    async def test_it_rests_for_good(self, store: Store) -> None:
        """What comes back after all was dropped, by a late bounce, is handed over to nobody."""
        roll = self.roll(store)
        await self.expanded(store, "c1")
        (one,) = await store.claim(NOW, limit=1, lease="w", term=60)
        mine = attempt("a1", one.id, "c1", 0, origin=SPRING.origin)
        assert await store.attempt([mine]) == [Grant.GRANTED]
        assert await store.settle([settled(one.id, "c1", outcome=Outcome("a1", "accepted"))]) == [True]
        assert await roll.steer("spring", Standing.STOPPED, NOW)
        await self.followed(store)
        assert await self.open(roll) == []
        back = Move(one.id, State.QUEUED, "bounced", due=NOW, attempt="a1")
        told = Event("b", "contract", "message.bounced", NOW + MINUTE, "c1")
        assert await store.put([Change("c1", 0, (told,), {}, told.order, moves=(back,))]) == [True]
        assert await self.claim(store) == [one.id]
        assert [reason for _, reason in (await store.pauses(NOW)).values()] == [STOPPED]
        again = attempt("a2", one.id, "c1", 1, origin=SPRING.origin)
        assert await store.attempt([again]) == [Grant.PAUSED]
