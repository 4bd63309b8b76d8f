"""A worker that cannot go on says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omnibus.timeline import TRIES
from omnibus.work import SEEN


async def test_a_worker_whose_leases_cannot_be_renewed_says_so(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else than a store without room: it would look as if it worked, and lose what it holds."""
    shop.channel("mail")
    bus = await shop.open()
    bus.parts.road.lease_term = 0.01

    async def renew(*told: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(bus.parts.store, "renew", renew)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(20) as bound:
            await bus.work()
    assert not bound.expired(), "it was told at once, not when the work was ended"


async def test_a_worker_goes_on_when_somebody_is_always_faster(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A customer of whom more is told than journeys can follow: theirs waits, and nobody else's work ends with it."""
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    shop.journey("greet", "trigger: cart.updated\nsteps:\n  - send: hello\n")
    bus = await shop.open()
    await bus.track(await shop.ada(), "cart.updated", {"id": "c"}, id="c")
    store, usual, rounds = bus.parts.store, bus.parts.store.step, list[None]()
    followed = asyncio.Event()

    async def faster(steps: Any) -> Any:
        rounds.append(None)
        if len(rounds) <= TRIES:
            return [False for _ in steps]
        followed.set()
        return await usual(steps)

    monkeypatch.setattr(store, "step", faster)
    working = asyncio.create_task(bus.work())
    waiting = asyncio.create_task(followed.wait())
    await asyncio.wait([working, waiting], timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert not working.done()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await bus.drain()
    assert (waiting.done(), len(shop.wire("mail").handed)) == (True, 1)


async def test_draining_tells_what_went_wrong_before_though_nothing_is_due(shop: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    bus.parts.dispatcher.senders.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await bus.drain()
    assert await bus.drain() == 0


async def test_a_worker_lets_others_see_that_it_works(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times within a lease."""
    shop.channel("mail")
    bus = await shop.open()
    bus.parts.road.lease_term = 0.03
    store, usual, noted, thrice = bus.parts.store, bus.parts.store.note, list[Any](), asyncio.Event()

    async def note(*told: Any) -> Any:
        noted.append(told)
        if len(noted) == 3:
            thrice.set()
        return await usual(*told)

    monkeypatch.setattr(store, "note", note)
    assert await usual(*SEEN) is None
    working = asyncio.create_task(bus.work())
    async with asyncio.timeout(20):
        await thrice.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert await usual(*SEEN) == shop.clock.now().isoformat()
    assert set(noted) == {(*SEEN, shop.clock.now().isoformat())}
