"""No provider gets more hand-overs at a time than it says it takes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omnibus import Receipt, TryLater
from omnibus.model.content import Content
from omnibus.testing import FakeClock, sample_attempt
from omnibus.testing.fakes import HANG, FakeKeep, fake_provider


def make(**members: Any) -> Any:
    kind = fake_provider(**members)
    return kind(kind.Settings(), now=FakeClock().now)


async def hand_over(provider: Any, number: int, *, deadline: float = 5.0) -> Receipt:
    attempt = sample_attempt(number, deadline=deadline)
    receipt: Receipt = await provider.send(Content(text="hi"), "ada@example.com", attempt, FakeKeep())
    return receipt


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_the_rest_wait_for_their_turn() -> None:
    provider = make(max_in_flight=2)
    provider.wire.answers(HANG, HANG)
    tasks = [asyncio.create_task(hand_over(provider, number)) for number in range(5)]
    await settled()
    assert len(provider.wire.handed) == 2
    provider.wire.release()
    assert len({each.provider_id for each in await asyncio.gather(*tasks)}) == 5
    assert len(provider.wire.handed) == 5


async def test_who_gets_no_turn_in_time_has_not_begun() -> None:
    provider = make(max_in_flight=1)
    provider.wire.answers(HANG)
    first = asyncio.create_task(hand_over(provider, 1))
    await settled()
    with pytest.raises(TryLater, match="no_turn"):
        await hand_over(provider, 2, deadline=1.0)
    provider.wire.release()
    await first
    assert len(provider.wire.handed) == 1
    await hand_over(provider, 3)  # the place is free again
    assert len(provider.wire.handed) == 2
