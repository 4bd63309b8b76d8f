"""Promises 1, 2, 4 and 6, however often the store goes away on the road out: all is sent, once, and in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from omnibus.errors import StoreFull

pytestmark = pytest.mark.promise

CALLS = ("accept", "claim", "load", "pauses", "attempt", "settle", "renew", "rescue", "next_due", "tokens")
PEOPLE, EACH = 60, 3  # more than fit into one batch


class Weather:
    """Let the store go away before a call or after its commit, by chance, until it clears up."""

    def __init__(self, store: Any, chance: random.Random, often: float) -> None:
        self.chance, self.often, self.bad, self.ahead = chance, often, 0, 0
        for name in CALLS:
            setattr(store, name, self._under(getattr(store, name)))

    def _under(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def told(*args: Any, **named: Any) -> Any:
            luck = self.chance.random()
            self.ahead += bool(named.get("patient"))
            if luck < self.often / 2:
                self.bad += 1
                raise StoreFull("away before the call")
            answer = await call(*args, **named)
            if luck < self.often:
                self.bad += 1
                raise StoreFull("away before it was answered")
            return answer

        return told


def slowly(take: Callable[[Any], Awaitable[Any]], chance: random.Random) -> Callable[[Any], Awaitable[Any]]:
    """Let a few answers come late, so that batches are not done at once."""

    async def taken(handed: Any) -> Any:
        answer = await take(handed)
        await asyncio.sleep(chance.choice([0, 0, 0, 0.02]))
        return answer

    return taken


@pytest.mark.parametrize("seed", range(12))
async def test_all_is_sent_once_and_in_order_in_bad_weather(
    shop: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("omnibus.outbound.claim.SOON", 60.0)  # batches are claimed ahead, however slow the machine
    chance = random.Random(seed)
    shop.channel("mail")
    shop.message("news", via=["mail"], topic="news", purpose="service")
    shop.message("code", via=["mail"], topic="account", purpose="transactional")
    bus = await shop.open()
    bus.parts.road.rest = bus.parts.road.settling.rest = lambda _: asyncio.sleep(0)
    wire = shop.wire("mail")
    monkeypatch.setattr(wire, "take", slowly(wire.take, chance))
    people = [await shop.ada(email=f"p{number}@example.com") for number in range(PEOPLE)]
    wanted = [(who, number) for number in range(EACH) for who in people]
    weather = Weather(bus.parts.store, chance, chance.choice([0.02, 0.1, 0.25]))

    async def send(message: str, who: Any, key: str) -> Any:
        while True:
            try:
                return (await bus.send(message, who, key=key))[0]
            except StoreFull:
                await asyncio.sleep(0)

    async def work(turns: int) -> None:
        for _ in range(turns):
            try:
                if not await bus.drain():
                    return
            except StoreFull:
                bus.parts.dispatcher.let_go()

    sent: dict[str, list[str]] = {each.id: [] for each in people}
    for who, number in wanted:
        sent[who.id].append((await send("news", who, f"{who.id}:{number}")).id)
        if chance.random() < 0.02:
            shop.clock.advance(timedelta(seconds=1))
            await work(2)
    urgent = [send("code", who, f"code:{who.id}") for who in people]
    codes, _ = await asyncio.gather(asyncio.gather(*urgent), work(30))
    weather.often = 0.0
    await work(1000)
    assert weather.bad > 0
    assert (weather.ahead > 0) is bus.parts.store.shares
    handed = [each.attempt.delivery for each in wire.handed]
    assert sorted(handed) == sorted([*(each.id for each in codes), *(id_ for ids in sent.values() for id_ in ids)])
    place = {id_: at for at, id_ in enumerate(handed)}
    assert [ids for ids in sent.values() if sorted(ids, key=place.__getitem__) != ids] == []
    rows = await bus.parts.store.deliveries(last=10_000)
    assert {(each.state.value, each.reason, each.flagged, each.lease) for each in rows} == {
        ("sent", "accepted", False, "")
    }
    await shop.balanced()
