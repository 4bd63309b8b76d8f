"""Promise 3: the same key has the same effect, once, whoever races; the same fact counts once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omnibus import Conflict, InputError

pytestmark = pytest.mark.promise


async def test_fifty_at_once_have_one_effect(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    answers = await asyncio.gather(*(bus.send("hello", ada, key="k1") for _ in range(50)))
    assert len({each[0].id for each in answers}) == 1
    await bus.drain()
    assert len(shop.wire("mail").handed) == 1
    assert (await bus.audit())["accepted"] == 1


async def test_the_key_survives_a_restart_and_its_delivery_the_end(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    (first,) = await bus.send("hello", ada, key="k1", sku="A1")
    await bus.drain()
    bus = await shop.reopen()
    (again,) = await bus.send("hello", ada, key="k1", sku="A1")
    assert (again.id, again.state.value) == (first.id, "sent")
    await bus.drain()
    assert len(shop.wire("mail").handed) == 1


@pytest.mark.parametrize("other", [{"sku": "B2"}, {"message": "bye"}, {"customer": "bob"}])
async def test_another_wish_under_the_key_is_a_conflict(shop: Any, other: dict[str, str]) -> None:
    shop.channel("mail")
    for name in ("hello", "bye"):
        shop.message(name, via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    bob = await bus.customers.upsert(email="bob@example.com")
    await bus.send("hello", ada, key="k1", sku="A1")
    to = bob if "customer" in other else ada
    with pytest.raises(Conflict) as error:
        await bus.send(other.get("message", "hello"), to, key="k1", sku=other.get("sku", "A1"))
    assert "A1" not in str(error.value)
    assert (await bus.audit())["accepted"] == 1


async def test_keys_of_many_are_each_customers_own(shop: Any) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    people = [await bus.customers.upsert(email=f"p{n}@example.com") for n in range(5)]
    for _ in range(2):
        sent = [each async for each in bus.send_many("hello", people, key="launch")]
        assert len({each[0].id for each in sent}) == 5
    assert (await bus.audit())["accepted"] == 5


async def test_a_publication_repeats_nothing(shop: Any) -> None:
    shop.channel("posts", identity=None, audience="public")
    shop.message("launch", via=["posts"], purpose="marketing", audience="public")
    bus = await shop.open()
    first = await bus.publish("launch", key="l1")
    assert await bus.publish("launch", key="l1") == first
    await bus.drain()
    assert len(shop.wire("posts").handed) == 1


async def test_the_same_fact_counts_once_in_any_hurry(shop: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    ada = await shop.ada()
    told = {"id": "o1", "currency": "EUR", "total": "5.00", "lines": []}
    news = await asyncio.gather(*(bus.track(ada, "order.placed", told, id="o1", source="till") for _ in range(20)))
    assert sum(news) == 1
    assert (await bus.context(ada)).named("orders").count == 1


async def test_a_refused_fact_stores_nothing(shop: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    ada = await shop.ada()
    before = await shop.types(ada)
    with pytest.raises(InputError):
        await bus.track(ada, "cart.updated", {"lines": [{"quantity": 1}]}, id="c1")
    with pytest.raises(InputError, match=r"did you mean `cart.updated`"):
        await bus.track(ada, "cart.updatet", {}, id="c2")
    assert await shop.types(ada) == before
