"""What every store must keep while it prunes what is finished and shares what is scarce, as tests to inherit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from omnibus.model.delivery import State
from omnibus.model.rate import Rate, read_rate
from omnibus.store import Change, CodeRow, Grant, Move, Outcome, Store, Wish
from omnibus.testing.contracts.store import NOW, StoreParts, attempt, delivery, settled
from omnibus.upkeep import Pruned

DAY = timedelta(days=1)
LATE = NOW + 100 * DAY
#: what the accounts say that no pruning may change
KEPT = ("accepted", "final", "waiting", "sent", "failed", "dropped", "unbalanced", "silent", "stuck", "lost_lanes", "unproven", "flagged")  # fmt: skip


class PruningContract(StoreParts):
    """Finished deliveries go, and stay in the accounts."""

    async def done(
        self, store: Store, id_: str, customer: str = "ada", state: State = State.SENT, **more: object
    ) -> None:
        """Bring one delivery to its end."""
        await self.sending(store, id_, customer)
        outcome = Outcome(f"a-{id_}", "accepted" if state is State.SENT else "refused")
        told = settled(id_, customer, state, outcome=outcome, decision='{"v":1}', **more)
        assert await store.settle([told]) == [True]

    async def accounts(self, store: Store) -> dict[str, int]:
        """Read what may not change."""
        audit = await store.audit(NOW)
        return {name: audit[name] for name in KEPT}

    async def test_what_is_finished_goes_and_the_accounts_stay(self, store: Store) -> None:
        """Deliveries, attempts, decisions and keys; nothing of them is left but the count."""
        await store.accept([Wish("k", "x", (delivery("d0", "ada", key="k"),))])
        assert await self.claim(store) == ["d0"]
        assert await store.attempt([attempt("a-d0", "d0", "ada", 0)]) == [Grant.GRANTED]
        outcome = Outcome("a-d0", "accepted")
        assert await store.settle([settled("d0", "ada", outcome=outcome, flagged=True)]) == [True]
        await self.done(store, "d1", "bob", State.FAILED)
        before = await self.accounts(store)
        assert before["flagged"] == 1
        assert await store.prune(LATE) == Pruned(2, 1, None)
        assert await self.accounts(store) == before
        assert (await store.audit(NOW))["pruned"] == 2
        assert await store.deliveries() == []
        for id_ in ("d0", "d1"):
            assert await store.delivery(id_) is None
            assert await store.attempts(id_) == []
            assert await store.decisions(id_) == []
            assert await store.attempt_of(id_=f"a-{id_}") is None
        assert await store.prune(LATE) == Pruned()
        again = await store.accept([Wish("k", "other", (delivery("d2", "ada", key="k"),))])
        assert again[0] is not None, "its window is over, so the key is free"
        assert (await self.accounts(store))["accepted"] == 3

    async def test_what_is_not_finished_stays(self, store: Store) -> None:
        """Waiting, in hand, unknown, still on show, young, or tried lately."""
        await store.create([(f"c{n}", []) for n in range(5)], NOW)
        far = NOW + 300 * DAY
        await self.accept(store, delivery("waiting", "c0", due=far, expires=far))
        await self.sending(store, "in-hand", "c1")
        await self.sending(store, "lost", "c2")
        unknown = Outcome("a-lost", "unknown", "lost")
        assert await store.settle([settled("lost", "c2", State.UNKNOWN, due=far, outcome=unknown)]) == [True]
        await self.done(store, "on-show", "c3", due=far)
        await self.done(store, "watched", "c4", watched=True)
        await self.accept(store, delivery("young", "ada", accepted=LATE, due=far, expires=far))
        await self.done(store, "tried-lately", "bob")
        told = {each.id for each in await store.deliveries()}
        assert await store.prune(NOW) == Pruned(), "nothing is older than that"
        assert await store.prune(LATE) == Pruned(1, 0, None)
        assert told - {each.id for each in await store.deliveries()} == {"tried-lately"}

    async def test_a_deadline_an_attempt_or_a_decision_keeps_it(self, store: Store) -> None:
        """What was accepted long ago may have ended, or been judged, yesterday."""
        await self.accept(store, delivery("d1", "ada", accepted=NOW - 90 * DAY, expires=NOW - 80 * DAY))
        assert await self.claim(store) == ["d1"]
        assert await store.attempt([attempt("a-d1", "d1", "ada", 0)]) == [Grant.GRANTED]
        assert await store.settle([settled("d1", "ada", outcome=Outcome("a-d1", "accepted"))]) == [True]
        await self.accept(store, delivery("d2", "bob", accepted=NOW - 90 * DAY, expires=NOW + DAY))
        assert await store.put([self.dropped("d2", "bob")]) == [True]
        await store.create([("carl", [])], NOW)
        await self.accept(store, delivery("d3", "carl", accepted=NOW - 90 * DAY, expires=NOW - 80 * DAY))
        assert await self.claim(store) == ["d3"]
        assert await store.settle([settled("d3", "carl", State.DROPPED, decision='{"v":1}')]) == [True]
        assert await store.prune(NOW) == Pruned()
        assert await store.prune(NOW + 2 * DAY) == Pruned(3, 0, None)

    def dropped(self, id_: str, customer: str) -> Change:
        """Drop a waiting one."""
        return Change(customer, 0, moves=(Move(id_, State.DROPPED, "gone"),), now=NOW)

    async def test_it_goes_page_by_page(self, store: Store) -> None:
        """Each page says where the next begins; what stays is passed over."""
        await store.create([(f"c{n:02}", []) for n in range(10)], NOW)
        for number in range(10):
            await self.accept(store, delivery(f"d{number:02}", f"c{number:02}"))
        assert await store.put([self.dropped(f"d{n:02}", f"c{n:02}") for n in (0, 1, 2, 5, 8)]) == [True] * 5
        pages, after = [], ""
        while True:
            page = await store.prune(LATE, after=after, limit=4)
            pages.append(page)
            if page.after is None:
                break
            after = page.after
        assert pages == [Pruned(3, 0, "d03"), Pruned(1, 0, "d07"), Pruned(1, 0, None)]
        assert (await store.audit(NOW))["dropped"] == 5
        assert len(await self.claim(store)) == 5

    async def test_keys_go_before_their_deliveries(self, store: Store) -> None:
        """When their window is over; a delivery that still waits keeps waiting."""
        wishes = [Wish(f"k{n}", "x", (delivery(f"d{n}", "ada", key=f"k{n}"),)) for n in range(3)]
        young = Wish("k9", "x", (delivery("d9", "ada", key="k9", accepted=LATE),))
        await store.accept([*wishes, young])
        assert await store.forget_keys(NOW) == Pruned()
        assert await store.forget_keys(NOW + DAY, limit=2) == Pruned(0, 2, "d1")
        assert await store.forget_keys(NOW + DAY, after="d1", limit=2) == Pruned(0, 1, "d9")
        assert await store.forget_keys(NOW + DAY, after="d9", limit=2) == Pruned()
        answers = await store.accept([Wish(f"k{n}", "y", (delivery(f"e{n}", "ada"),)) for n in (0, 9)])
        assert [answer is not None for answer in answers] == [True, False]
        assert await self.state(store, "d0") is State.QUEUED

    async def test_expired_hand_overs_go_with_the_keys(self, store: Store) -> None:
        """Codes stay: whether one was redeemed is asked for longer."""
        await store.put_handover("old", "ada", NOW)
        await store.put_handover("new", "ada", LATE + DAY)
        await store.issue([CodeRow("h", "o", "ada")])
        await store.forget_keys(LATE)
        assert await store.claim_handover("old", NOW - DAY) is None
        assert await store.claim_handover("new", NOW) == "ada"
        assert await store.code("h") is not None


class RatesContract(StoreParts):
    """Tokens of a rate, shared by all who ask."""

    async def test_a_rate_is_never_exceeded(self, store: Store) -> None:
        """Whoever asks, however much at once: a burst, and then one an interval."""
        rate, got = read_rate("100/s"), 0
        assert rate == Rate(10_000, 10)
        for tenths in range(10):
            now = NOW + timedelta(seconds=tenths / 10)
            blocks = await asyncio.gather(*(store.tokens("sms/one", rate, 7, now=now) for _ in range(20)))
            got += sum(each.tokens for each in blocks)
            assert got <= rate.burst + tenths * 10
        assert got == 100, "and all of it is given"
        assert (await store.tokens("sms/two", rate, 3, now=NOW)).tokens == 3, "another one has its own"

    async def test_it_says_when_the_next_one_comes(self, store: Store) -> None:
        """Nought while there are any; else the seconds until then."""
        rate = read_rate("6/min")
        first = await store.tokens("sms/one", rate, 5, now=NOW)
        assert (first.tokens, first.wait) == (1, 10.0)
        later = await store.tokens("sms/one", rate, 1, now=NOW + timedelta(seconds=4))
        assert (later.tokens, later.wait) == (0, 6.0)
        assert (await store.tokens("sms/one", rate, 1, now=NOW + timedelta(seconds=10))).tokens == 1
        some = await store.tokens("sms/two", read_rate("100/s"), 3, now=NOW)
        assert (some.tokens, some.wait) == (3, 0.0)

    async def test_an_idle_time_saves_nothing_up(self, store: Store) -> None:
        """After a rest there is a burst, and no more."""
        rate = read_rate("100/s")
        await store.tokens("sms/one", rate, 10, now=NOW)
        assert (await store.tokens("sms/one", rate, 99, now=NOW + DAY)).tokens == rate.burst

    async def test_a_pause_moves_the_rate_for_everybody(self, store: Store) -> None:
        """By the store's own clock: no token comes while the provider rests."""
        rate = read_rate("1000/s")
        assert (await store.tokens("mail/one", rate, 1)).tokens == 1
        await store.pause("mail/one", NOW + timedelta(minutes=5), "429")
        block = await store.tokens("mail/one", rate, 1)
        assert block.tokens == 0
        assert 290 < block.wait < 301
        assert (await store.tokens("mail/two", rate, 1)).tokens == 1


class UpkeepContract(PruningContract, RatesContract):
    """Hold a store to all of it."""
