"""Promise 9, as far as it stands: merging is reversible, and consent only gets stricter by it.

Erasing and exporting a person have no code yet, so nothing here speaks of them.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from omnibus import State

pytestmark = pytest.mark.promise
ALL = {"channel": "*", "purpose": "marketing", "topic": "*"}
MINUTE = timedelta(minutes=1)


async def two(shop: Any, *said: tuple[str, str]) -> tuple[Any, Any, Any]:
    """Make ada (mail) and bob (text); *said* is (who, granted or withdrawn), a minute apart."""
    shop.channel("mail")
    shop.channel("text", identity="phone")
    for name in ("mail", "text"):
        shop.message(f"by-{name}", via=[name])
    bus = await shop.open()
    ada = await bus.customers.upsert(email="ada@example.com", name="Ada Byron")
    bob = await bus.customers.upsert(phone="+442079460000")
    for number, (who, word) in enumerate(said):
        shop.clock.advance(MINUTE)
        await bus.track({"ada": ada, "bob": bob}[who], f"consent.{word}", ALL, id=f"said-{number}")
    shop.clock.advance(MINUTE)
    return bus, ada, bob


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ((("ada", "granted"),), True),
        ((("ada", "granted"), ("bob", "granted")), True),
        ((("ada", "granted"), ("bob", "withdrawn")), False),
        ((("bob", "withdrawn"), ("ada", "granted")), False),
        ((("ada", "withdrawn"), ("bob", "granted")), False),
        ((), False),
    ],
)
@pytest.mark.parametrize("winner", ["ada", "bob"])
async def test_consent_after_a_merge_is_the_stricter_one(shop: Any, said: Any, allowed: bool, winner: str) -> None:
    bus, ada, bob = await two(shop, *said)
    stays, goes = (ada, bob) if winner == "ada" else (bob, ada)
    one = await bus.customers.merge(goes.id, stays.id)
    sent = [(await bus.send(f"by-{name}", one))[0] for name in ("mail", "text")]
    await bus.drain()
    assert {await shop.state(each) for each in sent} == {State.SENT if allowed else State.DROPPED}
    shop.clock.advance(MINUTE)
    await bus.track(one, "consent.granted", ALL, id="after")
    (again,) = await bus.send("by-mail", one)
    await bus.drain()
    assert await shop.state(again) is State.SENT, "a yes after the merge speaks for the whole person"


async def bytes_of(bus: Any, customer: str) -> dict[str, bytes]:
    return (await bus.parts.store.load([customer]))[customer].bodies


async def test_unmerging_gives_each_their_own_again(shop: Any) -> None:
    bus, ada, bob = await two(shop, ("ada", "granted"), ("bob", "withdrawn"))
    cart = {"id": "c1", "lines": [{"sku": "A1", "quantity": 1, "price": "5"}]}
    await bus.track(bob, "cart.updated", cart, id="c1")
    waits = {who.id: (await bus.send("by-mail", who, at=shop.clock.now() + timedelta(days=1)))[0] for who in (ada, bob)}
    before = {who.id: await bytes_of(bus, who.id) for who in (ada, bob)}
    await bus.customers.merge(ada.id, bob.id)
    merged = await bus.context(ada.id)
    assert merged.customer.id == bob.id
    assert merged.named("cart").open
    assert merged.named("profile").full_name == "Ada Byron"
    assert {(await shop.row(each)).customer for each in waits.values()} == {bob.id}
    winner, loser = await bus.customers.unmerge(ada.id)
    assert (winner.id, loser.id) == (bob.id, ada.id)
    assert {who: await bytes_of(bus, who) for who in before} == before
    assert {who: (await shop.row(each)).customer for who, each in waits.items()} == {ada.id: ada.id, bob.id: bob.id}
    assert [each.kind for each in loser.identities] == ["email"]
    assert [each.kind for each in winner.identities] == ["phone"]
    for who in (ada.id, bob.id):
        assert await bus.rebuild(who)
    await shop.until(timedelta(days=2))
    await shop.balanced()


async def test_a_no_said_while_merged_binds_both_afterwards(shop: Any) -> None:
    bus, ada, bob = await two(shop, ("ada", "granted"), ("bob", "granted"))
    one = await bus.customers.merge(ada.id, bob.id)
    shop.clock.advance(MINUTE)
    await bus.track(one, "consent.withdrawn", ALL, id="stop")
    shop.clock.advance(MINUTE)
    await bus.customers.unmerge(ada.id)
    sent = [(await bus.send("by-mail", ada))[0], (await bus.send("by-text", bob))[0]]
    await bus.drain()
    assert [await shop.state(each) for each in sent] == [State.DROPPED, State.DROPPED]
    for who in (ada.id, bob.id):
        assert await bus.rebuild(who)


async def test_a_chain_of_merges_is_taken_back_link_by_link(shop: Any) -> None:
    bus, ada, bob = await two(shop)
    carl = await bus.customers.upsert(x="1234567")
    before = {who.id: await bytes_of(bus, who.id) for who in (ada, bob, carl)}
    await bus.customers.merge(ada.id, bob.id)
    shop.clock.advance(MINUTE)
    await bus.customers.merge(bob.id, carl.id)
    assert (await bus.customers.get(ada.id)).id == carl.id
    shop.clock.advance(MINUTE)
    await bus.customers.unmerge(bob.id)
    assert (await bus.customers.get(ada.id)).id == bob.id
    shop.clock.advance(MINUTE)
    await bus.customers.unmerge(ada.id)
    assert {who: await bytes_of(bus, who) for who in before} == before


async def test_a_merge_both_ways_at_once_has_one_winner(shop: Any) -> None:

    bus, ada, bob = await two(shop)
    done = await asyncio.gather(
        bus.customers.merge(ada.id, bob.id), bus.customers.merge(bob.id, ada.id), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["Customer", "InputError"]
    assert (await bus.customers.get(ada.id)).id == (await bus.customers.get(bob.id)).id


async def test_runs_move_along_and_back(shop: Any) -> None:
    shop.journey("welcome", "trigger: cart.updated\nsteps:\n  - wait: 1d\n  - send: by-mail\n")
    bus, ada, bob = await two(shop, ("ada", "granted"), ("bob", "granted"))
    for who in (ada, bob):
        await bus.track(who, "cart.updated", {"id": "c"}, id=f"cart-{who.id}")
    await bus.drain()
    await bus.customers.merge(ada.id, bob.id)
    runs = await bus.parts.store.runs(live=False)
    assert sorted((each.node != "", each.reason) for each in runs) == [(False, "merged"), (True, "")]
    await shop.until(timedelta(days=2))
    assert len(shop.wire("mail").handed) == 1, "one person goes through it once"
    await shop.balanced()
