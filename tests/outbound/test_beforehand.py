"""What is prepared before it is accepted: what may leave with that commit, and nothing that the commit would not take."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omnibus.outbound.beforehand import beforehand


@pytest.fixture
async def bus(shop: Any) -> Any:
    shop.channel("mail")
    shop.message("code", via=["mail"], topic="account", purpose="transactional")
    return await shop.open()


async def wished(bus: Any, who: Any) -> Any:
    (delivery,) = bus.parts.wishes.wish("code", await bus.customers.who(who.id), {}).deliveries
    return delivery


async def prepared(bus: Any, *deliveries: Any) -> list[tuple[str, str]]:
    return [(each.parcel.delivery.id, each.wish.lease) for each in await beforehand(bus.parts.road, deliveries, "mine")]


async def test_what_is_due_is_prepared_under_the_lease_it_will_have(bus: Any, shop: Any) -> None:
    one = await wished(bus, await shop.ada())
    assert await prepared(bus, one) == [(one.id, "mine")]


async def test_what_is_due_later_is_not(bus: Any, shop: Any) -> None:
    one = await wished(bus, await shop.ada())
    assert await prepared(bus, replace(one, due=one.due + timedelta(seconds=1))) == []


async def test_of_one_person_the_first_alone_is(bus: Any, shop: Any) -> None:
    ada, ben = [await shop.ada(email=f"{name}@example.com") for name in ("ada", "ben")]
    first, second, other = [await wished(bus, who) for who in (ada, ada, ben)]
    assert await prepared(bus, first, second, other) == [(first.id, "mine"), (other.id, "mine")]


async def test_whoever_was_merged_meanwhile_is_left_to_the_rounds(bus: Any, shop: Any) -> None:
    """The commit accepts it for who they are now, and their lane is another."""
    ada, ben = [await shop.ada(email=f"{name}@example.com") for name in ("ada", "ben")]
    one = await wished(bus, ada)
    await bus.customers.merge(ada.id, ben.id)
    assert await prepared(bus, one) == []
