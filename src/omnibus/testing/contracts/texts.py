"""What every store must say of texts that are hard to store, as tests to inherit beside ``StoreContract``, unchanged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omnibus.errors import InputError
from omnibus.model.customer import Identity
from omnibus.model.delivery import State
from omnibus.model.event import Event
from omnibus.model.run import Run
from omnibus.store import Change, CodeRow, Move, Outcome, Step, Store, Stride, Wish
from omnibus.testing.contracts.store import NOW, StoreParts, delivery, settled

HARD = "a\0b"  #: PostgreSQL's text has no room for it
ODD = "\x01\x1f\x7f\u2028\ufeff\uffff\U0010ffff e\u0301 \u202e'\"\\%s{}"


class TextsContract(StoreParts):
    """A NUL is refused where a text is stored as it is, and kept where people said it."""

    @pytest.mark.parametrize("text", [HARD, ODD])
    async def test_what_was_said_comes_back(self, store: Store, text: str) -> None:
        """Events, contexts, values: JSON holds everything."""
        told = Event("e1", "contract", "conversation.received", NOW, "ada", {"text": text, text: [text]})
        assert await store.put([Change("ada", 0, (told,), {"talk": b'"\\u0000"'}, told.order)]) == [True]
        assert await store.events(["ada"]) == [told]
        assert (await store.load(["ada"]))["ada"].bodies == {"talk": b'"\\u0000"'}
        made = delivery("d1", "ada", values={"name": text, text: 1}, inline=text)
        await self.accept(store, made)
        assert await store.delivery("d1") == made

    async def test_odd_texts_are_stored_as_they_are(self, store: Store) -> None:
        """Every other character may stand in an id, a key, a name."""
        told = Event(ODD, ODD, "cart.updated", NOW, "ada")
        assert await store.put([Change("ada", 0, (told,), {}, told.order)]) == [True]
        assert await store.known([(ODD, ODD)]) == {(ODD, ODD)}
        assert await store.accept([Wish(ODD, "d", (delivery("d1", "ada", origin=ODD),))])
        assert await store.accept([Wish(ODD, "other", (delivery("d2", "ada"),))]) == [None]
        assert await store.note(ODD, ODD, ODD) == ODD
        assert await store.note(ODD, ODD) == ODD

    @pytest.mark.parametrize("place", ["id", "source", "subject"])
    async def test_an_event_with_a_nul_is_refused(self, store: Store, place: str) -> None:
        """All of its call; what comes after it is stored again."""
        good = Event("e1", "contract", "cart.updated", NOW, "ada")
        bad = replace(good, **{"id": "e2", place: HARD})  # type: ignore[arg-type]
        with pytest.raises(InputError, match="NUL"):
            await store.put([Change("ada", 0, (good, bad), {}, good.order)])
        assert await store.events(["ada"]) == []
        assert await store.put([Change("ada", 0, (good,), {}, good.order)]) == [True]

    async def test_keys_names_and_baskets_are_refused(self, store: Store) -> None:
        """Nothing of the call is stored."""
        code = CodeRow("h", "comeback", "ada")
        await store.issue([code])
        told = {"customer": "ada", "single": True, "limit": None, "now": NOW, "change": None}
        run = Run("r1", "ada", "welcome", "1", HARD, "0", started=NOW)
        for call in (
            store.create([("carl", []), (HARD, [])], NOW),
            store.create([("carl", [Identity("x", HARD, "x:1")])], NOW),
            store.accept([Wish("fine", "d", (delivery("d1", "ada"),)), Wish(HARD, "d", (delivery("d2", "ada"),))]),
            store.accept([Wish("fine", "d", (delivery("d1", "ada", origin=HARD),))]),
            store.redeem(code, basket=HARD, **told),  # type: ignore[arg-type]
            store.note("scope", "name", HARD),
            store.note(HARD, "name", "value"),
            store.put_handover(HARD, "ada", NOW),
            store.define(HARD, "1", "body"),
            store.step([Step((Stride(run, None),))]),
        ):
            with pytest.raises(InputError, match="NUL"):
                await call
        assert await store.load(["carl"]) == {}
        assert await store.deliveries() == []
        assert await store.note("scope", "name") is None
        assert await store.runs(live=False) == []
        assert (await store.audit(NOW))["accepted"] == 0

    async def test_a_nul_in_an_answer_stops_nobody(self, store: Store) -> None:
        """What a provider said is written down; without the NUL where there is no room for it."""
        await self.sending(store)
        told = Outcome("a-d1", "accepted", HARD, HARD, details='"\\u0000"')
        assert await store.settle([settled("d1", "ada", reason=HARD, provider_id=HARD, outcome=told)]) == [True]
        found = await store.delivery("d1")
        assert found is not None
        assert (found.state, found.reason.replace("\0", ""), found.provider_id.replace("\0", "")) == (
            State.SENT, "ab", "ab",
        )  # fmt: skip
        move = Move("d1", State.BOUNCED, HARD, attempt="a-d1")
        assert await store.put([Change("ada", 0, moves=(move,), now=NOW)]) == [True]
        assert await self.state(store, "d1") is State.BOUNCED

    async def test_nobody_is_found_by_a_nul(self, store: Store) -> None:
        """Nothing that is stored holds one."""
        assert await store.load([HARD, "ada"]) == await store.load(["ada"])
        assert await store.find([HARD, "email:a"]) == {"email:a": "ada"}
        assert await store.now_called([HARD, "ada"]) == {"ada": "ada"}
        assert await store.known([(HARD, "e1"), ("contract", HARD)]) == set()
        assert await store.events([HARD]) == []
        assert await store.delivery(HARD) is None
        assert await store.deliveries(customer=HARD) == []
        assert await store.attempts(HARD) == []
        assert await store.attempt_of(id_=HARD) is None
        assert await store.attempt_of(provider="one", provider_id=HARD) is None
        assert await store.decisions(HARD) == []
        assert await store.code(HARD) is None
        assert await store.claim_handover(HARD, NOW) is None
        assert await store.note(HARD, "name") is None
        assert await store.definition(HARD, "1") is None
        assert await store.runs(customer=HARD) == []
