"""Who watches a customer is told when their context moves, whichever way it moved."""

from __future__ import annotations

import asyncio
from typing import Any

from omnibus.bell import Bell

OFFERS = '[offers.launch]\nkind = "shared"\npercent = 10\ncode = "LAUNCH10"\n'


async def test_whatever_moves_a_context_rings(shop: Any) -> None:
    shop.offers = OFFERS
    shop.channel("mail")
    shop.message("hello", via=["mail"], purpose="service", topic="news")
    bus = await shop.open()
    ada = await bus.customers.upsert(email="ada@example.com")

    async def told(move: Any) -> bool:
        async with bus.parts.bell.watch(ada.id) as moved:
            await move
            return moved.is_set()

    assert await told(bus.track(ada, "product.viewed", {"sku": "b", "name": "Boots"}, id="v1"))
    assert await told(bus.redeem("LAUNCH10", basket="b1", customer=ada.id, source="till"))
    (sent,) = await bus.send("hello", ada)
    assert await told(bus.drain())
    assert (await shop.row(sent)).state.value == "sent"
    assert not await told(bus.context(ada)), "who only looks moves nothing"


async def test_what_rings_here_is_told_to_others_and_what_is_heard_is_not() -> None:
    out: list[list[str]] = []
    bell = Bell(lambda customers: out.append(list(customers)))
    async with bell.watch("ada") as ada, bell.watch("ben") as ben:
        bell.ring(["ada"])
        assert (ada.is_set(), ben.is_set(), out) == (True, False, [["ada"]])
        bell.hear(["ben"])
        assert (ben.is_set(), out) == (True, [["ada"]])
    async with asyncio.timeout(5):
        await bell.work(60)
    bell.ring()
    assert out[1:] == [[]]
