"""What lies ready, in every store: codes, hand-overs to the till, notes, pauses."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from omnibus.store import Change, CodeRow, Store
from omnibus.testing.contracts.store.parts import MINUTE, NOW, StoreParts, event


class ShelfContract(StoreParts):
    """Codes, hand-overs, notes, pauses."""

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
