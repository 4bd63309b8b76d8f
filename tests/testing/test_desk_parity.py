"""The fake desk and the real one answer alike, so that what a plugin proves on the one holds on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from omnibus import Cart, Consent, Forged, InputError, NotFound
from omnibus.build import open_bus
from omnibus.model.offer import Offer
from omnibus.server.desk import BusDesk
from omnibus.stores.migrate import migrate
from omnibus.testing import FakeClock, FakeDesk

CONFIG = """
[omnibus]
store = "sqlite:shop.db"
key = "file:shop.key"
[offers.comeback]
percent = 15
valid = "2d"
[offers.all]
kind = "shared"
code = "WINTER"
percent = 10
limit = 2
"""
OFFERS = (
    Offer("comeback", percent=15, valid=timedelta(days=2)),
    Offer("all", "shared", percent=10, code="WINTER", limit=2),
)
LINES = [{"sku": "boot", "name": "Boots", "quantity": 1, "price": "39.00"}]
CART = {"id": "c1", "currency": "EUR", "url": "https://acme.example/c1", "lines": LINES}


@dataclass
class Both:
    """One of the two desks, and what a test needs beside it."""

    desk: Any
    clock: FakeClock
    issue: Any


@pytest.fixture(params=["fake", "real"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Both]:
    clock = FakeClock()
    if request.param == "fake":
        desk = FakeDesk(clock=clock, offers=OFFERS)
        yield Both(desk, clock, desk.issue)
        return
    (tmp_path / "brand.toml").write_text('name = "Acme"\n')
    (tmp_path / "shop.key").write_text("ab" * 32)
    (tmp_path / "omnibus.toml").write_text(CONFIG)
    for folder in ("messages", "journeys"):
        (tmp_path / folder).mkdir()
    migrate(f"sqlite:///{tmp_path / 'shop.db'}")
    async with open_bus(tmp_path / "omnibus.toml", now=clock.now, environ={}) as bus:

        async def issue(customer: str, offer: str) -> Any:
            return await bus.parts.promises.issue(offer, customer)

        yield Both(BusDesk(bus, "web", asyncio.Event()), clock, issue)


async def test_identities_are_normalised_and_merged(both: Both) -> None:
    desk = both.desk
    ada = await desk.visitor("email", " Ada@Example.COM ")
    assert (await desk.find("email", "ada@example.com")).id == ada.id
    assert (await desk.visitor("email", "ada@example.com")).id == ada.id
    assert await desk.find("email", "bob@example.com") is None
    guest = await desk.visitor("web", "v1")
    await desk.track(guest.id, "cart.updated", CART, id="e1", source="web")
    one = await desk.identify(guest.id, "email", "ada@example.com", evidence="log-in", verified=True)
    assert (await desk.find("web", "v1")).id == (await desk.find("email", "ada@example.com")).id == one.id
    assert {(each.kind, each.value) for each in one.identities} == {("email", "ada@example.com"), ("web", "v1")}
    for former in (ada.id, guest.id):
        assert (await desk.context(former))[Cart].total.amount == 39
        assert (await desk.context(former)).customer.id == one.id
    with pytest.raises(InputError):
        await desk.visitor("email", "no address")


async def test_the_same_fact_is_told_once_and_a_wrong_one_is_refused(both: Both) -> None:
    desk = both.desk
    ada = await desk.visitor("email", "ada@example.com")
    assert await desk.track(ada.id, "cart.updated", CART, id="e1", source="web")
    assert not await desk.track(ada.id, "cart.updated", CART, id="e1", source="web")
    assert await desk.track(
        ada.id, "cart.cleared", {}, id="e1", source="till", at=both.clock.now() - timedelta(hours=1)
    )
    assert (await desk.context(ada.id))[Cart].open, "the older fact folds before the newer one"
    for type_, data in (("cart.updated", {"lines": ["rubbish"]}), ("cart.burnt", {}), ("nonsense", {})):
        with pytest.raises(InputError):
            await desk.track(ada.id, type_, data, id="e9", source="web")
    with pytest.raises(NotFound):
        await desk.context("0197f5a0-0000-7000-8000-00000000dead")
    types = [each.type for each in await desk.timeline(ada.id) if each.type.startswith("cart.")]
    assert types == ["cart.cleared", "cart.updated"]


async def test_one_basket_wins(both: Both) -> None:
    desk = both.desk
    ada, bob, eve = [await desk.visitor("email", f"{name}@example.com") for name in ("ada", "bob", "eve")]
    terms = await both.issue(ada.id, "comeback")
    assert [(each.code, each.percent) for each in await desk.offers(ada.id)] == [(terms.code, 15)]
    races = await asyncio.gather(*(desk.redeem(terms.code.lower(), basket=f"b{n}", source="till") for n in range(4)))
    (winner,) = [each.basket for each in races if each.won]
    assert {each.basket for each in races} == {winner}
    assert {each.reason for each in races} == {"", "already redeemed"}
    assert (await desk.redeem(terms.code, basket=winner, source="web")).won
    assert await desk.offers(ada.id) == []
    told = [
        await desk.redeem("winter", basket=f"s{n}", customer=who.id, source="web")
        for n, who in enumerate((ada, ada, bob, eve))
    ]
    assert [(each.won, each.reason) for each in told] == [
        (True, ""),
        (False, "already redeemed"),
        (True, ""),
        (False, "limit reached"),
    ]
    late = await both.issue(bob.id, "comeback")
    both.clock.advance(timedelta(days=2, seconds=1))
    assert (await desk.redeem(late.code, basket="b9", source="till")).reason == "expired"
    assert (await desk.redeem("NOTHING", basket="b9", source="till")).reason == "unknown code"


async def test_handovers_and_tokens(both: Both) -> None:
    desk = both.desk
    ada = await desk.visitor("email", "ada@example.com")
    made = await desk.issue_handover(ada.id)
    assert await desk.claim_handover(made.short.lower(), source="till-1") == ada.id
    again = await desk.issue_handover(ada.id)
    assert await desk.claim_handover(again.token, source="till-1") == ada.id
    with pytest.raises(NotFound):
        await desk.claim_handover("nonsense", source="till-1")
    sealed = desk.seal({"customer": ada.id}, 60)
    assert desk.unseal(sealed) == {"customer": ada.id}
    both.clock.advance(timedelta(seconds=61))
    for token in (sealed, "", "x", "é"):
        with pytest.raises(Forged):
            desk.unseal(token)


async def test_a_stream_follows(both: Both) -> None:
    desk = both.desk
    ada = await desk.visitor("email", "ada@example.com")
    stream = desk.stream(ada.id)
    assert not (await anext(stream))[Cart].open
    await desk.track(ada.id, "cart.updated", CART, id="e1", source="web")
    assert (await anext(stream))[Cart].open
    await desk.track(ada.id, "consent.granted", {"channel": "email", "purpose": "*"}, id="e2", source="web")
    assert (await anext(stream))[Consent].entries
    await stream.aclose()
