"""No request shows or changes anything of somebody else: every endpoint against every kind of foreign token."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from omnibus_web import Cards
from omnibus_web.endpoints import ENDPOINTS
from omnibus_web.visitors import reference, seal

from .conftest import FACE, Shop
from .test_endpoints import call
from .test_push_endpoints import told

#: what Mallory posts, with a token that is not hers to use; {card} is Ada's
BODIES: dict[str, dict[str, Any]] = {
    "/visit": {},
    "/track": {"id": "12345678", "type": "cart.cleared"},
    "/identify": {"assertion": "x.y.z"},
    "/seen": {"card": "ada-card"},
    "/click": {"card": "ada-card"},
    "/dismiss": {"card": "ada-card"},
    "/push/subscribe": {"subscription": told("mallory"), "purposes": ["marketing"]},
    "/push/renew": {"old": told("mallory"), "new": told("mallory-2")},
}
NAMING = ("customer", "subject", "id", "user", "visitor", "email", "identity")


async def scene(shop: Shop) -> tuple[str, str, str]:
    """Ada has a card and a known browser; returns her id, Mallory's id and Mallory's token."""
    ada = await shop.desk.add(id="ada", name="Ada", email="ada@example.com", web=reference("A" * 22), push="ada-push")
    await shop.desk.sent(ada.id, "web", "ada-card", card=FACE)
    mallory = await shop.desk.add(id="mallory", web=reference("M" * 22))
    return ada.id, mallory.id, seal(shop.desk, mallory.id, "M" * 22)


def bad_tokens(shop: Shop, good: str) -> dict[str, Any]:
    desk = shop.desk
    old = seal(desk, "ada", "A" * 22)
    middle = len(good) // 2
    return {
        "none": None, "empty": "", "her id": "ada", "her visitor reference": reference("A" * 22), "a number": 1, "a list": [good],
        "an object": {"customer": "ada"}, "changed": good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :],
        "cut": good[:-1], "twice": good + good, "another purpose": desk.seal({"customer": "ada", "page": "x"}, 600),
        "handover": desk.seal({"handover": "0", "customer": "ada"}, 600), "expired": old,
    }  # fmt: skip


def test_every_endpoint_is_tried() -> None:
    posts = {each.path for each in ENDPOINTS if each.method == "POST"}
    assert posts == set(BODIES)
    assert {each.path for each in ENDPOINTS if each.method == "GET"} == {
        "/omnibus.js",
        "/stream",
        "/worker.js",
        "/push/key",
    }


@pytest.mark.parametrize("path", sorted(set(BODIES) - {"/visit", "/push/renew"}))
async def test_a_token_that_is_none_of_hers_does_nothing(shop: Shop, path: str) -> None:
    ada, _, token = await scene(shop)
    tokens = bad_tokens(shop, token)
    shop.desk.clock.advance(timedelta(seconds=601))
    before = await shop.desk.timeline(ada, 100)
    people = len(shop.desk.people.events)
    for what, bad in tokens.items():
        status, answer, _ = await call(shop, path[1:], {**BODIES[path], "token": bad})
        assert (status, set(answer)) == (401, {"error"}), what
    assert await shop.desk.timeline(ada, 100) == before
    assert len(shop.desk.people.events) == people


@pytest.mark.parametrize("path", sorted(BODIES))
async def test_her_own_token_reaches_only_herself_whatever_she_names(shop: Shop, path: str) -> None:
    ada, _, token = await scene(shop)
    before = await shop.desk.timeline(ada, 100)
    for name in NAMING:
        for value in (ada, "ada@example.com", reference("A" * 22), {"kind": "email", "value": "ada@example.com"}):
            body = {**BODIES[path], "token": token, name: value}
            status, answer, _ = await call(shop, f"{path[1:]}?customer=ada&subject=ada", body)
            assert "boots" not in str(answer), "a card of hers was shown"
            assert status in {200, 400, 401, 404}
    assert await shop.desk.timeline(ada, 100) == before
    assert (await shop.desk.context(ada))[Cards].ended == {}
    assert (await shop.desk.find("email", "ada@example.com")).id == ada  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["/seen", "/click", "/dismiss"])
async def test_a_foreign_card_is_as_unknown_as_none(shop: Shop, path: str) -> None:
    ada, mallory, token = await scene(shop)
    foreign = await call(shop, path[1:], {"token": token, "card": "ada-card"})
    nothing = await call(shop, path[1:], {"token": token, "card": "no-card"})
    assert foreign[:2] == nothing[:2] == (404, {"error": "card: no such card here"})
    assert [event.type for event in await shop.desk.timeline(mallory)] == ["customer.identified"]
    assert (await shop.desk.context(ada))[Cards].cards["ada-card"].shown is None


async def test_the_stream_shows_only_the_tokens_customer(shop: Shop) -> None:
    _, _, token = await scene(shop)
    tokens = bad_tokens(shop, token)
    hers = seal(shop.desk, "ada", "A" * 22)
    async with aiohttp.ClientSession() as client:
        for query in ({"token": token, "customer": "ada"}, {"token": token, "last": "x", "subject": "ada"}):
            async with client.get(f"{shop.root}/web/stream", params=query, headers={"Last-Event-ID": "ada"}) as answer:
                told_ = b"".join([await answer.content.readline() for _ in range(5)])
            assert b'"cards":[]' in told_
        async with client.get(f"{shop.root}/web/stream", params={"token": hers}) as answer:
            told_ = b"".join([await answer.content.readline() for _ in range(5)])
        assert b"ada-card" in told_, "the test itself must be able to see it"
    shop.desk.clock.advance(timedelta(seconds=601))
    for what, bad in tokens.items():
        assert (await call(shop, f"stream?token={bad}", b"", "GET"))[0] == 204, what


async def test_an_event_id_of_hers_does_not_block_ada(shop: Shop) -> None:
    ada, _, token = await scene(shop)
    hers = seal(shop.desk, ada, "A" * 22)
    body = {"id": "the-same-id", "type": "cart.cleared"}
    assert (await call(shop, "track", {**body, "token": token}))[1] == {"new": True}
    assert (await call(shop, "track", {**body, "token": hers}))[1] == {"new": True}
    assert (await call(shop, "track", {**body, "token": hers}))[1] == {"new": False}
