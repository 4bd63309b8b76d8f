"""Journeys, in every store: what they hear, and how runs move."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from omnibus.model.run import Run
from omnibus.store import Change, Step, Store, Wish
from omnibus.testing.contracts.store.parts import MINUTE, NOW, StoreParts, delivery, event


class RunsContract(StoreParts):
    """What journeys hear, and how runs move."""

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
