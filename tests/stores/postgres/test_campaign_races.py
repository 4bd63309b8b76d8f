"""Campaigns under two hands at once, each race a scripted interleaving of two connections; no chance, no waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from omnibus.model.campaign import Campaign, Standing
from omnibus.model.delivery import Delivery, State
from omnibus.store import Grant
from omnibus.stores.postgres import Postgres, campaigns, outbox
from omnibus.testing.contracts.roll import MAIL, SPRING, numbered
from omnibus.testing.contracts.store import NOW, attempt


@pytest.fixture
async def running(store: Postgres) -> Campaign:
    """A campaign to two people that runs."""
    await store.create([("c1", ()), ("c2", ())], NOW)
    await store.enrol(SPRING)
    assert await store.enlist(SPRING, ["c1", "c2"]) == [True, True]
    begun = await store.begin(SPRING)
    assert begun is not None
    return begun


def chunk(campaign: Campaign, size: int = 5) -> Any:
    return campaigns.Chunk(campaign, (MAIL,), numbered(size, campaign.accepted + 1), size, NOW)


async def in_hand(store: Postgres, campaign: Campaign) -> dict[str, Delivery]:
    """Expand a chunk and claim it; customer → delivery."""
    await store.expand(chunk(campaign))
    return {each.customer: each for each in await store.claim(NOW, limit=10, lease="w", term=60)}


async def pause(store: Postgres) -> None:
    """Pause, and let what waits follow."""
    await store.steer("spring", Standing.PAUSED, NOW)
    await store.follow("spring", NOW, 10)


async def test_a_stop_is_for_good_whoever_resumes_meanwhile(
    store: Postgres, running: Campaign, connect: Callable[[], Any], blocked: Callable[[], Any]
) -> None:
    await store.steer("spring", Standing.PAUSED, NOW)
    other = await connect()
    async with other.transaction():
        assert await campaigns.steer(other, "spring", Standing.STOPPED, NOW, "")
        resuming = asyncio.create_task(store.steer("spring", Standing.RUNNING, NOW))
        await blocked()
    steered = await resuming
    assert steered is not None
    assert steered.standing is Standing.STOPPED
    assert list(await store.pauses(NOW)) == ["campaign:spring"]


async def test_a_second_expander_waits_for_nobody(
    store: Postgres, running: Campaign, connect: Callable[[], Any]
) -> None:
    other = await connect()
    async with other.transaction():
        moved = await campaigns.expand(other, chunk(running, 1))
        assert moved is not None
        assert await store.expand(chunk(running)) is None
    assert await store.expand(chunk(running)) is None, "its cursor is an old one now"
    assert await store.expand(chunk(moved)) is not None


async def test_a_pause_waits_for_a_chunk_and_holds_it(
    store: Postgres, running: Campaign, connect: Callable[[], Any], blocked: Callable[[], Any]
) -> None:
    other = await connect()
    async with other.transaction():
        assert await campaigns.expand(other, chunk(running))
        pausing = asyncio.create_task(pause(store))
        await blocked()
    await pausing
    assert {each.state for each in await store.deliveries()} == {State.HELD}


async def test_a_pause_sees_the_attempt_that_was_faster(
    store: Postgres, running: Campaign, connect: Callable[[], Any], blocked: Callable[[], Any]
) -> None:
    """Its request may leave now: it stays under way, and is no other worker's."""
    taken = await in_hand(store, running)
    other = await connect()
    async with other.transaction():
        asked = attempt("a1", taken["c1"].id, "c1", 0, origin=SPRING.origin)
        assert await outbox.attempt(other, [asked], frozenset()) == [Grant.GRANTED]
        pausing = asyncio.create_task(pause(store))
        await blocked()
    await pausing
    told = {each.customer: each for each in await store.deliveries()}
    assert [(told[who].state, told[who].lease) for who in ("c1", "c2")] == [(State.SENDING, "w"), (State.HELD, "")]
    assert await store.attempt([attempt("a2", taken["c2"].id, "c2", 0, origin=SPRING.origin)]) == [Grant.LOST]


async def test_an_attempt_after_a_pause_is_lost(
    store: Postgres, running: Campaign, connect: Callable[[], Any], blocked: Callable[[], Any]
) -> None:
    taken = await in_hand(store, running)
    other = await connect()
    async with other.transaction():
        await campaigns.steer(other, "spring", Standing.PAUSED, NOW, "")
        await campaigns.follow(other, "spring", NOW, 10)
        trying = asyncio.create_task(store.attempt([attempt("a1", taken["c1"].id, "c1", 0, origin=SPRING.origin)]))
        await blocked()
    assert await trying == [Grant.LOST]
    assert await store.attempts(taken["c1"].id) == []


@pytest.mark.parametrize("standing", [Standing.PAUSED, Standing.STOPPED])
async def test_an_attempt_waits_for_a_pause_that_is_being_committed(
    store: Postgres, running: Campaign, connect: Callable[[], Any], blocked: Callable[[], Any], standing: Standing
) -> None:
    """Nothing was taken back yet, and its own look at who rests may be older: the commit decides."""
    taken = await in_hand(store, running)
    other = await connect()
    async with other.transaction():
        await campaigns.steer(other, "spring", standing, NOW, "")
        trying = asyncio.create_task(store.attempt([attempt("a1", taken["c1"].id, "c1", 0, origin=SPRING.origin)]))
        await blocked()
    assert await trying == [Grant.PAUSED]
    assert await store.attempts(taken["c1"].id) == []


async def test_a_pause_that_answered_waited_for_the_attempts_before_it(
    store: Postgres, running: Campaign, connect: Callable[[], Any], blocked: Callable[[], Any]
) -> None:
    taken = await in_hand(store, running)
    other = await connect()
    async with other.transaction():
        asked = attempt("a1", taken["c1"].id, "c1", 0, origin=SPRING.origin)
        assert await outbox.attempt(other, [asked], frozenset()) == [Grant.GRANTED]
        steering = asyncio.create_task(store.steer("spring", Standing.PAUSED, NOW))
        await blocked()
        assert await store.pauses(NOW) == {}
    assert await steering
    assert [each.id for each in await store.attempts(taken["c1"].id)] == ["a1"]
