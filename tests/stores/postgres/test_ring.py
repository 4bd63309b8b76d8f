"""The ring turns on PostgreSQL as on SQLite: the promises, unchanged, and what both stores must agree on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from omnibus import State


async def test_accepted_judged_sent_reported_and_told(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", purpose="marketing", topic="news", via=["mail"])
    await shop.open()
    ada = await shop.ada()
    (delivery,) = await shop.bus.send("hello", ada, key="once")
    assert (await shop.bus.send("hello", ada, key="once"))[0].id == delivery.id
    await shop.bus.drain()
    assert await shop.state(delivery) is State.SENT
    (handed,) = shop.wire("mail").handed
    told = {"id": "r1", "type": "message.delivered", "attempt": handed.attempt.id}
    assert (await shop.report("mail", told)).status == 204
    assert (await shop.report("mail", told)).status == 204
    assert await shop.state(delivery) is State.DELIVERED
    assert await shop.types(ada, "message") == ["message.sent", "message.delivered"]
    assert await shop.bus.rebuild(ada.id)
    await shop.balanced()


async def test_what_is_accepted_survives_the_process(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", purpose="marketing", topic="news", via=["mail"])
    await shop.open()
    ada = await shop.ada()
    deliveries = [(await shop.bus.send("hello", ada, at=shop.clock.now() + timedelta(minutes=n)))[0] for n in range(5)]
    await shop.reopen()
    await shop.until(timedelta(hours=1))
    assert [await shop.state(each) for each in deliveries] == [State.SENT] * 5
    assert [each.attempt.delivery for each in shop.wire("mail").handed] == [each.id for each in deliveries]
    await shop.balanced()
