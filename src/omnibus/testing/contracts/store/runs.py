"""Journeys, in every store: what they hear, and how runs move."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from omnibus.model.run import Run
from omnibus.store import Change, Step, Store, Stride, Wish
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
        assert await store.step([Step(heard=tuple(stirred))]) == [True]
        assert await store.stirred(10) == []

    async def test_what_is_put_aside_is_heard_when_it_is_asked_for_again(self, store: Store) -> None:
        """And not before, whatever else is heard; beside it, a run of the same customer may be put off."""
        store.stir(["cart.updated"])
        told = [event(id_, who, type_="cart.updated") for id_, who in (("e1", "ada"), ("e2", "bob"))]
        assert await store.put([Change(each.subject, 0, (each,), {}, each.order) for each in told]) == [True, True]
        run = Run("r1", "ada", "welcome", "1", "cart-1", "0", due=NOW, started=NOW)
        assert await store.step([Step((Stride(run, None),))]) == [True]
        off = Stride(replace(run, due=NOW + MINUTE, revision=1), 0)
        assert await store.step([Step(aside=(told[0],)), Step((off,)), Step(heard=(told[1],))]) == [True] * 3
        assert (await store.stirred(10), await store.runs(due=NOW)) == ([], [])
        assert not await store.busy(NOW)
        await store.hear_again()
        assert await store.stirred(10) == [told[0]]
        assert await store.step([Step(heard=(told[0],))]) == [True]
        await store.hear_again()
        assert await store.stirred(10) == []

    async def test_timer_and_event_compete_by_revision(self, store: Store) -> None:
        """Exactly one moves the run, with all that follows."""
        run = Run(
            "r1", "ada", "welcome", "1", "cart-1", "0", due=NOW, waiting=("cart.updated",), values={"a": 1}, started=NOW
        )
        twin = replace(run, id="r2")
        assert await store.step([Step((Stride(run, None),)), Step((Stride(twin, None),))]) == [True, False], (
            "one run for each reason"
        )
        assert await store.runs(customer="ada") == [run]
        assert await store.runs(due=NOW - MINUTE) == []
        assert await store.next_due() == NOW
        moved = replace(run, node="", revision=1, due=None, waiting=(), reason="done")
        steps = [
            Step((Stride(moved, 0),), wishes=(Wish(f"k{n}", "x", (delivery(f"d{n}", "ada"),)),)) for n in range(10)
        ]
        answers = await asyncio.gather(*(store.step([each]) for each in steps))
        assert sorted(each[0] for each in answers) == [False] * 9 + [True]
        assert (await store.audit(NOW))["accepted"] == 1
        assert await store.runs(customer="ada") == []
        assert await store.runs(journey="welcome", live=False) == [moved]

    async def test_a_step_whose_key_is_taken_does_nothing(self, store: Store) -> None:
        """All or nothing."""
        await store.accept([Wish("k", "other", (delivery("d1", "ada"),))])
        run = Run("r1", "ada", "welcome", "1", "cart-1", "0", started=NOW)
        assert await store.step([Step((Stride(run, None),), wishes=(Wish("k", "x", (delivery("d2", "ada"),)),))]) == [
            False
        ]
        assert await store.runs(live=False) == []

    async def test_one_look_gives_journeys_all_they_need(self, store: Store) -> None:
        """What nobody heard, whose time has come, and who they are, by every name they have, with their live runs."""
        store.stir(["cart.updated"])
        one = event("e1", "ada", type_="cart.updated")
        await store.put([Change("ada", 0, (one,), {"cart": b"{}"}, one.order)])
        sleeps = Run("r1", "bob", "welcome", "1", "cart-1", "0", due=NOW, started=NOW)
        later = replace(sleeps, id="r2", entry="cart-2", due=NOW + MINUTE, started=NOW + MINUTE)
        left = replace(sleeps, id="r3", entry="cart-3", node="", due=None)
        assert await store.step([Step((Stride(each, None),)) for each in (sleeps, later, left)]) == [True] * 3
        assert await store.runs(due=NOW + MINUTE) == [sleeps, later], "whose time came first is first"
        assert await store.runs(due=NOW + MINUTE, last=1) == [sleeps]
        assert await store.busy(NOW)
        cues = await store.cues(NOW, 10)
        assert (list(cues.events), list(cues.due)) == ([one], [sleeps])
        assert {who: each.runs for who, each in cues.walkers.items()} == {"ada": (), "bob": (later, sleeps)}
        assert cues.walkers["ada"].loaded == (await store.load(["ada"]))["ada"]
        assert await store.merge("ada", "bob", [])
        found = await store.walkers(["ada", "nobody"])
        assert {who: (each.loaded.customer.id, each.runs) for who, each in found.items()} == {
            "ada": ("bob", (later, sleeps))
        }
        entries = [("bob", "welcome", "cart-1"), ("bob", "welcome", "cart-3"), ("bob", "welcome", "cart-4")]
        assert await store.entered(entries) == set(entries[:2]), "those that have left count"

    async def test_a_step_is_all_or_nothing(self, store: Store) -> None:
        """Runs, facts and what was heard; the steps beside it go on."""
        store.stir(["cart.updated"])
        told = [event(f"e{who}", who, type_="cart.updated") for who in ("ada", "bob")]
        assert await store.put([Change(each.subject, 0, (each,), {}, each.order) for each in told]) == [True, True]
        runs = [Run(f"r{n}", "ada", "welcome", "1", f"cart-{n}", "0", due=NOW, started=NOW) for n in range(2)]
        fact = event("f1", "ada", type_="journey.entered")
        twice = tuple(Stride(each, None) for each in (*runs, runs[0]))
        mine = Change("ada", 1, (fact,), {}, fact.order)
        stale = replace(mine, version=9)
        other = Step(heard=(told[1],))
        for wrong in (
            Step(twice, None),
            Step((Stride(runs[0], 7),), mine, heard=(told[0],)),
            Step(twice[:2], stale, heard=(told[0],)),
        ):
            assert await store.step([wrong]) == [False]
        assert [each.id for each in await store.stirred(10)] == ["eada", "ebob"]
        assert await store.step([Step(twice[:2], mine, heard=(told[0],)), other]) == [True, True]
        assert not await store.stirred(10)
        assert sorted(each.id for each in await store.runs(customer="ada")) == ["r0", "r1"]
        moved = tuple(Stride(replace(each, node="", due=None, revision=1, reason="done"), 0) for each in runs)
        again = replace(mine, version=2)
        next_ = event("f3", "ada", type_="journey.left")
        right = Change("ada", 2, (next_,), {}, next_.order)
        overtaken = Stride(replace(runs[1], node="1", revision=5), 4)
        for late in (overtaken, Stride(replace(runs[0], id="r9"), None)):
            assert await store.step([Step((moved[0], late), right)]) == [False], "a run moved on, or is there already"
        assert await store.step([Step(moved, again)]) == [False], "its fact is known"
        after = event("f2", "ada", type_="journey.left")
        assert await store.step([Step(moved, Change("ada", 2, (after,), {}, after.order))]) == [True]
        assert await store.runs(customer="ada") == []
        assert {each.reason for each in await store.runs(customer="ada", live=False)} == {"done"}
        assert (await store.load(["ada"]))["ada"].version == 3
        assert not await store.busy(NOW)

    async def test_parts_of_one_call_see_what_stands_before_them(self, store: Store) -> None:
        """Two facts of one customer, one fact told of two, and a run that another one's entry keeps out."""
        one, two, known = event("e1", "ada"), event("e2", "ada"), event("e3", "ada")
        first, second = Change("ada", 0, (one,), {}, one.order), Change("ada", 1, (two,), {}, two.order)
        assert await store.put([first, second]) == [True, True]
        mine, other = Change("ada", 2, (known,), {}, known.order), event("e3", "bob")
        assert await store.put([mine, Change("bob", 0, (other,), {}, other.order)]) == [True, False]
        assert [each.id for each in await store.events(["ada", "bob"])] == ["e1", "e2", "e3"]
        run = Run("r1", "ada", "welcome", "1", "cart-1", "0", due=NOW, started=NOW)
        for id_, version, done in (("r1", 3, True), ("r2", 4, False)):
            fact = event(f"f-{id_}", "ada", type_="journey.entered")
            change = Change("ada", version, (fact,), {}, fact.order)
            assert await store.step([Step((Stride(replace(run, id=id_), None),), change)]) == [done], "entered once"
        assert await store.runs(customer="ada") == [run]
        assert (await store.load(["ada"]))["ada"].version == 4
