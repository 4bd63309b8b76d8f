"""A worker that cannot go on says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


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


async def test_draining_tells_what_went_wrong_before_though_nothing_is_due(shop: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    bus.parts.dispatcher.senders.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await bus.drain()
    assert await bus.drain() == 0
