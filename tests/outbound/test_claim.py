"""What is claimed ahead of its room: it goes like all else, never twice, never unasked, and is given back where it stood."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from omnibus import State
from omnibus.errors import StoreFull
from omnibus.testing.fakes import HANG

MANY = 150  # some batches


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may be slow."""
    monkeypatch.setattr("omnibus.outbound.claim.SOON", 60.0)


@pytest.fixture
async def bus(shop: Any) -> Any:
    shop.channel("mail")
    shop.message("news", via=["mail"], topic="news", purpose="service")
    shop.message("code", via=["mail"], topic="account", purpose="transactional")
    return await shop.open()


async def waiting(shop: Any, count: int = MANY) -> list[Any]:
    """Accept one message for each of so many people."""
    people = [await shop.ada(email=f"p{number}@example.com") for number in range(count)]
    return [(await shop.bus.send("news", each))[0] for each in people]


async def ahead(bus: Any) -> list[Any]:
    """Work two rounds; gives what is in hand and not on its way."""
    await bus.parts.dispatcher.round()
    await bus.parts.dispatcher.round()
    claims = bus.parts.dispatcher.claims
    if claims._ahead is not None:
        await claims._ahead
    return list(claims._ours)


def handed(shop: Any) -> list[str]:
    """List the deliveries that were handed over."""
    return [each.attempt.delivery for each in shop.wire("mail").handed]


async def all_go(shop: Any, rows: Sequence[Any]) -> None:
    """Work to the end: each was handed over once, and the books balance."""
    await shop.bus.drain()
    assert sorted(handed(shop)) == sorted(each.id for each in rows)
    await shop.balanced()


async def test_each_goes_once_and_in_order(bus: Any, shop: Any) -> None:
    rows = await waiting(shop)
    assert len(await ahead(bus)) == bus.parts.dispatcher.senders.slots - bus.parts.dispatcher.senders.kept
    await bus.drain()
    assert handed(shop) == [each.id for each in rows]
    await shop.balanced()


async def test_a_claim_shares_the_commit_of_attempts(bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await waiting(shop)
    engine, commits = bus.parts.store.engine, list[set[str]]()
    usual = engine._commit

    def commit(db: Any, jobs: Sequence[Any], **told: Any) -> list[Any]:
        commits.append({each.__qualname__.split(".")[1] for each in jobs})
        return usual(db, jobs, **told)

    monkeypatch.setattr(engine, "_commit", commit)
    monkeypatch.setattr("omnibus.stores.sqlite.engine.PATIENCE", 0.2)  # the machine may be slow
    await bus.drain()
    assert [each for each in commits if {"claim", "attempt"} <= each]


async def test_what_finds_no_room_waits_for_it(bus: Any, shop: Any) -> None:
    """As many go as slots are free, and the others with the next round."""
    rows = await waiting(shop, 200)
    wire, slow = shop.wire("mail"), 20
    assert len(await ahead(bus)) > slow
    while bus.parts.dispatcher.senders.tasks:
        await asyncio.wait(bus.parts.dispatcher.senders.tasks)
    wire.answers(*[HANG] * slow)
    await bus.parts.dispatcher.round()
    await bus.parts.dispatcher.round()
    claims = bus.parts.dispatcher.claims
    assert len(claims._ours) == slow
    wire.release()
    await all_go(shop, rows)


async def test_what_is_given_back_keeps_its_place(bus: Any, shop: Any) -> None:
    rows = await waiting(shop)
    shop.clock.advance(timedelta(minutes=1))
    held = await ahead(bus)
    await bus.parts.dispatcher.finish()
    left = [await shop.row(each) for each in rows if each.id in {each.id for each in held}]
    assert {(each.state, each.lease) for each in left} == {(State.QUEUED, "")}
    assert [each.due for each in left] == [each.due for each in held]
    assert not {each.id for each in held} & set(handed(shop))
    (again,) = await bus.send("news", left[0].customer)
    await bus.drain()
    assert handed(shop).index(left[0].id) < handed(shop).index(again.id)
    assert sorted(handed(shop)) == sorted([*[each.id for each in rows], again.id])
    await shop.balanced()


async def test_it_is_judged_when_it_goes(bus: Any, shop: Any) -> None:
    await waiting(shop)
    held = await ahead(bus)
    said = {"channel": "mail", "purpose": "service", "topic": "*"}
    await bus.track(held[0].customer, "consent.withdrawn", said)
    await bus.drain()
    assert await shop.state(held[0]) is State.DROPPED
    assert len(handed(shop)) == MANY - 1
    await shop.balanced()


async def test_what_is_urgent_does_not_wait_for_room(bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was accepted elsewhere, and came into our hands by the claim that went ahead."""
    await waiting(shop)
    ada, store = await shop.ada(email="late@example.com"), bus.parts.store
    usual, code = store.claim, list[Any]()

    async def claim(*args: Any, patient: bool, **told: Any) -> Any:
        if patient and not code:
            code.append(None)
            bus.parts.dispatcher.working = False  # as if another process accepted it
            code[0] = (await bus.send("code", ada))[0].id
            bus.parts.dispatcher.working = True
        return await usual(*args, patient=patient, **told)

    monkeypatch.setattr(store, "claim", claim)
    held = await ahead(bus)
    assert code
    assert code[0] not in [each.id for each in held]
    await asyncio.wait(bus.parts.dispatcher.senders.tasks, timeout=10)
    assert code[0] in handed(shop)
    assert held[0].id not in handed(shop)
    await bus.drain()
    assert len(handed(shop)) == MANY + 1


async def test_a_store_that_goes_away_takes_it_out_of_our_hands(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim that went ahead was committed, and not answered: its rows are freed, and go once."""
    rows = await waiting(shop)
    store, usual = bus.parts.store, bus.parts.store.claim
    dispatcher = bus.parts.dispatcher

    async def claim(*args: Any, patient: bool = False, **told: Any) -> Any:
        found = await usual(*args, patient=patient, **told)
        if patient:
            monkeypatch.setattr(store, "claim", usual)
            raise StoreFull("the line went dead")
        return found

    monkeypatch.setattr(store, "claim", claim)
    with pytest.raises(StoreFull):
        await bus.drain()
    dispatcher.let_go()
    await dispatcher.finish()
    await all_go(shop, rows)


async def test_what_is_ahead_when_the_store_goes_away_is_freed(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = await waiting(shop)
    held = await ahead(bus)
    assert held
    bus.parts.dispatcher.let_go()
    assert bus.parts.dispatcher.claims._ours == [], "a lease that ends may not be sent under"
    await all_go(shop, rows)


@pytest.mark.parametrize("when", ["before it is committed", "before it is answered"])
async def test_a_claim_that_is_on_its_way_when_the_store_goes_away_is_freed(
    when: str, bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it brings is held under a lease that was let go of: it is not sent under that, and is due again once it came."""
    rows = await waiting(shop)
    dispatcher, store, goes = bus.parts.dispatcher, bus.parts.store, asyncio.Event()
    usual, begun = store.claim, asyncio.Event()

    async def claim(*args: Any, patient: bool = False, **told: Any) -> Any:
        if not patient:
            return await usual(*args, patient=patient, **told)
        monkeypatch.setattr(store, "claim", usual)
        if when == "before it is committed":
            begun.set()
            await goes.wait()
            return await usual(*args, patient=patient, **told)
        found = await usual(*args, patient=patient, **told)
        begun.set()
        await goes.wait()
        return found

    monkeypatch.setattr(store, "claim", claim)
    await dispatcher.round()
    await dispatcher.round()
    await asyncio.wait_for(begun.wait(), 10)
    ahead_ = dispatcher.claims._ahead
    assert ahead_ is not None
    dispatcher.let_go()
    while dispatcher.senders.tasks:
        await asyncio.wait(dispatcher.senders.tasks)
    settling = bus.parts.road.settling
    while len(settling):
        settling.flush()
        await settling.work
    await dispatcher.claims.free()
    goes.set()
    await ahead_
    assert dispatcher.claims._ours == []
    await all_go(shop, rows)


async def test_nothing_is_claimed_ahead_where_answers_are_slow(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may be quicker."""
    monkeypatch.setattr("omnibus.outbound.claim.SOON", 0.0)
    await waiting(shop)
    assert await ahead(bus) == []
    await bus.drain()
    assert len(handed(shop)) == MANY


async def test_it_makes_way_for_what_is_urgent(bus: Any, shop: Any) -> None:
    """Nothing was done with it yet: it waits again, in its place, and is not in the way of its own person's code."""
    rows = await waiting(shop)
    held = await ahead(bus)
    (code,) = await bus.send("code", held[0].customer)
    left = await shop.row(held[0])
    assert (left.state, left.lease, left.due) == (State.QUEUED, "", held[0].due)
    assert (await shop.row(code)).state is State.SENDING
    await bus.drain()
    assert handed(shop).index(code.id) < handed(shop).index(held[0].id)
    assert sorted(handed(shop)) == sorted([*[each.id for each in rows], code.id])
    await shop.balanced()


async def test_it_stays_in_hand_when_what_is_urgent_is_refused(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = await waiting(shop)
    store, held = bus.parts.store, await ahead(bus)
    usual = store.accept

    async def refuses(*_: Any, **__: Any) -> Any:
        raise LookupError("no such one")

    monkeypatch.setattr(store, "accept", refuses)
    with pytest.raises(LookupError):
        await bus.send("code", held[0].customer)
    monkeypatch.setattr(store, "accept", usual)
    assert (await shop.row(held[0])).state is State.SENDING
    await bus.drain()
    assert sorted(handed(shop)) == sorted([each.id for each in rows])
    await shop.balanced()
