"""Subscribing over real HTTP."""

from typing import Any

import pytest

from omnibus import Consent
from omnibus_web import Subscriptions, public_text
from omnibus_web.push_sandbox import HOST, ORIGIN, PRIVATE_KEY
from omnibus_web.subscriptions import read, subscription

from .conftest import Shop
from .test_endpoints import call, owner
from .test_push import KEYS


def told(name: str) -> dict[str, Any]:
    return {"endpoint": f"{ORIGIN}/wp/{name}", "expirationTime": None, "keys": KEYS}


def mine(name: str) -> Any:
    return subscription(told(name), [HOST], public_text(PRIVATE_KEY))


async def visit(shop: Shop) -> tuple[str, str]:
    _, page, _ = await call(shop, "visit", {})
    return page["token"], (await owner(shop, page["visitor"])).id


async def test_a_subscription_becomes_an_identity_and_a_consent(shop: Shop) -> None:
    token, me = await visit(shop)
    assert (await call(shop, "push/key", b"", "GET"))[1] == {"key": public_text(PRIVATE_KEY)}
    body = {"token": token, "subscription": told("ada"), "purposes": ["marketing", "service"]}
    for _ in range(2):
        assert (await call(shop, "push/subscribe", body))[:2] == (200, {"subscribed": True})
    context = await shop.desk.context(me)
    [identity] = context.customer.reached_by("push")
    assert (identity.value, identity.verified) == (mine("ada").id, True)
    assert read(context[Subscriptions].held[identity.value], [HOST]) == mine("ada")
    consent = context[Consent]
    for purpose in ("marketing", "service"):
        entry = consent.answer("acme", "push", purpose, "cart")
        assert entry is not None
        assert entry.granted
    assert consent.answer("acme", "email", "marketing", "cart") is None
    told_twice = [event.type for event in await shop.desk.timeline(me)]
    assert told_twice.count("push.subscribed") == 1


async def test_permission_alone_is_no_consent_to_marketing(shop: Shop) -> None:
    token, me = await visit(shop)
    await call(shop, "push/subscribe", {"token": token, "subscription": told("ada")})
    consent = (await shop.desk.context(me))[Consent]
    assert consent.answer("acme", "push", "marketing", "cart") is None
    assert consent.answer("acme", "push", "service", "cart") is not None


async def test_a_shared_browser_merges_nobody(shop: Shop) -> None:
    token, ada = await visit(shop)
    await call(shop, "push/subscribe", {"token": token, "subscription": told("shared")})
    token, bob = await visit(shop)
    status, answer, _ = await call(shop, "push/subscribe", {"token": token, "subscription": told("shared")})
    assert (status, answer["subscribed"]) == (409, False)
    assert (await shop.desk.context(bob)).customer.reached_by("push") == ()
    assert (await shop.desk.find("push", mine("shared").id)).id == ada  # type: ignore[union-attr]


async def test_a_browser_that_changed_its_subscription_stays_its_persons(shop: Shop) -> None:
    token, me = await visit(shop)
    await call(shop, "push/subscribe", {"token": token, "subscription": told("old")})
    status, answer, _ = await call(shop, "push/renew", {"old": told("old"), "new": told("new")})
    assert (status, answer) == (200, {"subscribed": True})
    assert set((await shop.desk.context(me))[Subscriptions].held) == {mine("old").id, mine("new").id}
    assert (await call(shop, "push/renew", {"old": told("nobody"), "new": told("new2")}))[0] == 404
    _, bob = await visit(shop)
    await shop.desk.identify(bob, "push", mine("bobs").id, evidence="test")
    assert (await call(shop, "push/renew", {"old": told("old"), "new": told("bobs")}))[0] == 404
    assert (await shop.desk.find("push", mine("bobs").id)).id == bob  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "change",
    [
        {"subscription": {**told("x"), "endpoint": "https://127.0.0.1/x"}}, {"subscription": None}, {"purposes": "marketing"},
        {"purposes": ["everything"]}, {"purposes": [1]},
    ],
)  # fmt: skip
async def test_what_is_wrong_is_refused_whole(shop: Shop, change: dict[str, Any]) -> None:
    token, me = await visit(shop)
    before = await shop.desk.timeline(me)
    status, _, _ = await call(shop, "push/subscribe", {"token": token, "subscription": told("ada"), **change})
    assert status == 400
    assert await shop.desk.timeline(me) == before


async def test_without_a_key_there_are_no_notifications(shop: Shop) -> None:
    shop.desk.settings = shop.desk.settings.model_copy(update={"push_key": ""})
    assert (await call(shop, "push/key", b"", "GET"))[0] == 404


async def test_the_worker_knows_the_bus(shop: Shop) -> None:
    status, text, headers = await call(shop, "worker.js", b"", "GET")
    assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert text.startswith(f'const OMNIBUS = "{shop.root}/web/";\n')
    assert (await call(shop, "worker.js", b"", "GET", **{"If-None-Match": headers["etag"]}))[0] == 304
