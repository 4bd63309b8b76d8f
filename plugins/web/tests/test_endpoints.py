"""Pages over real HTTP: visits, events, identity, cards, and nobody's data for anybody else."""

import asyncio
import hmac
import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from omnibus import Cart, Engagement, Refused
from omnibus.testing import World
from omnibus_web import Cards, assertion
from omnibus_web.sandbox import SECRET, ShopSandbox
from omnibus_web.vapid import url64
from omnibus_web.visitors import reference

from .conftest import FACE, Shop


async def call(shop: Shop, path: str, body: Any, method: str = "POST", **headers: str) -> tuple[int, Any, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body)
    async with (
        asyncio.timeout(20),  # a stream that should not open must fail, not hang
        aiohttp.ClientSession() as client,
        client.request(method, f"{shop.root}/web/{path}", data=data, headers=headers) as answer,
    ):
        text = await answer.text()
        told = json.loads(text) if answer.content_type == "application/json" else text
        return answer.status, told, answer.headers


async def owner(shop: Shop, secret: str) -> Any:
    found = await shop.desk.find("web", reference(secret))
    assert found is not None
    return found


async def test_a_new_page_is_a_new_visitor_and_comes_back_as_the_same(shop: Shop) -> None:
    status, first, _ = await call(shop, "visit", {})
    assert status == 200
    assert set(first) == {"visitor", "token", "seconds"}
    assert len(first["visitor"]) == 22
    _, again, _ = await call(shop, "visit", {"visitor": first["visitor"]})
    assert again["visitor"] == first["visitor"]
    _, other, _ = await call(shop, "visit", {"visitor": "x" * 22})
    assert other["visitor"] != "x" * 22
    assert (await owner(shop, other["visitor"])).id != (await owner(shop, first["visitor"])).id


async def test_the_stored_identity_does_not_open_the_visit(shop: Shop) -> None:
    ada = await shop.desk.add(web="u-17", email="ada@example.com")
    for told in ("u-17", reference("u-17"), ada.id, 17, None, ["u-17"]):
        _, answer, _ = await call(shop, "visit", {"visitor": told})
        assert (await owner(shop, answer["visitor"])).id != ada.id


async def test_events_of_the_page_move_the_context_once(shop: Shop) -> None:
    page = shop.sandbox.visitor("ada")
    await page.arrive()
    await page.view("B1", "Boots", price="129.00", currency="EUR", url="https://acme.example/b1")
    await page.fill("c1", [{"sku": "B1", "name": "Boots", "quantity": 1, "price": "129.00"}])
    ada = await owner(shop, page.secret)
    context = await shop.desk.context(ada.id)
    assert context[Engagement].visiting == "web"
    assert [view.sku for view in context[Engagement].views] == ["B1"]
    assert str(context[Cart].total) == "129.00 EUR"
    assert await page.track("cart.cleared", id="one-and-only") is True
    assert await page.track("cart.cleared", id="one-and-only") is False
    assert not (await shop.desk.context(ada.id))[Cart].open
    await page.leave()
    assert not (await shop.desk.context(ada.id))[Engagement].visiting


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("order.placed", {"id": "o1"}),
        ("message.delivered", {}),
        ("consent.granted", {}),
        (None, {}),
        (["cart.cleared"], {}),
        ("product.viewed", {}),
        ("product.viewed", {"sku": ""}),
        ("product.viewed", {"sku": 7}),
        ("product.viewed", {"sku": "x" * 301}),
        ("product.viewed", {"sku": "B1", "url": "javascript:alert(1)"}),
        ("product.viewed", {"sku": "B1", "image": "data:text/html,x"}),
        ("product.viewed", {"sku": "B1", "price": "free"}),
        ("product.viewed", {"sku": "B1", "price": "-1"}),
        ("product.viewed", {"sku": "B1", "price": "NaN"}),
        ("product.viewed", {"sku": "B1", "currency": "euro"}),
        ("product.viewed", []),
        ("cart.updated", {}),
        ("cart.updated", {"lines": [{"sku": "B1"}] * 101}),
        ("cart.updated", {"lines": ["B1"]}),
        ("cart.updated", {"lines": [{"sku": "B1", "quantity": 0}]}),
        ("cart.updated", {"lines": [{"sku": "B1", "quantity": 1.5}]}),
        ("cart.updated", {"lines": [{"sku": "B1", "quantity": True}]}),
        ("cart.updated", {"lines": [{"sku": "B1", "price": True}]}),
    ],
)
async def test_what_a_page_may_not_tell_is_refused_and_changes_nothing(shop: Shop, type_: Any, data: Any) -> None:
    _, page, _ = await call(shop, "visit", {})
    ada = await owner(shop, page["visitor"])
    before = await shop.desk.timeline(ada.id)
    status, told, _ = await call(
        shop, "track", {"token": page["token"], "id": "a-good-id", "type": type_, "data": data}
    )
    assert (status, set(told)) == (400, {"error"})
    assert await shop.desk.timeline(ada.id) == before


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'"x"', b"{", b"[" * 20_000, b"{" + b" " * 70_000 + b"}"])
@pytest.mark.parametrize("path", ["visit", "track", "identify", "seen", "click", "dismiss"])
async def test_rubbish_is_a_400(shop: Shop, path: str, body: bytes) -> None:
    status, told, _ = await call(shop, path, body)
    assert (status, set(told)) == (400, {"error"})


@pytest.mark.parametrize("name", [None, 7, "", "short", "x" * 65, "white space here", "ünicode-id"])
async def test_an_event_needs_a_proper_id(shop: Shop, name: Any) -> None:
    _, page, _ = await call(shop, "visit", {})
    status, _, _ = await call(shop, "track", {"token": page["token"], "id": name, "type": "cart.cleared"})
    assert status == 400


# ---- identity


async def test_a_signed_word_joins_the_visitor_and_their_events_to_the_customer(shop: Shop) -> None:
    ada = await shop.desk.add(name="Ada", email="ada@example.com")
    page = shop.sandbox.visitor("ada")
    await page.arrive()
    await page.view("B1", "Boots")
    token = page.token
    assert await page.log_in("email", "Ada@Example.com") is True
    joined = await owner(shop, page.secret)
    assert joined == await shop.desk.find("email", "ada@example.com")
    assert [view.sku for view in (await shop.desk.context(ada.id))[Engagement].views] == ["B1"]
    assert page.token != token
    await page.view("C1", "Coat")
    assert [view.sku for view in (await shop.desk.context(ada.id))[Engagement].views] == ["B1", "C1"]
    assert await page.log_in("email", "ada@example.com") is True


async def test_a_mere_claim_joins_nobody(shop: Shop) -> None:
    ada = await shop.desk.add(email="ada@example.com")
    await shop.desk.sent(ada.id, "web", "d1", card=FACE)
    page = shop.sandbox.visitor("mallory")
    await page.arrive()
    for claim in ({"email": "ada@example.com"}, {"assertion": None}, {"kind": "email", "value": "ada@example.com"}):
        assert await page.post("identify", claim) == {"identified": False}
    assert await page.look() == []
    assert (await owner(shop, page.secret)).id != ada.id


def signed(header: Any, claims: Any) -> str:
    """Sign whatever it is with the right secret."""
    head = ".".join(url64(json.dumps(each).encode()) for each in (header, claims))
    return f"{head}.{url64(hmac.digest(SECRET.encode(), head.encode(), 'sha256'))}"


async def test_a_forged_stale_or_over_long_assertion_joins_nobody(shop: Shop) -> None:
    ada = await shop.desk.add(email="ada@example.com")
    now = shop.desk.now()
    good = assertion(SECRET, "email", "ada@example.com", now=now)
    head, body, mac = good.split(".")
    none = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    claims = {"aud": "omnibus", "kind": "email", "value": "ada@example.com", "exp": now.timestamp() + 60}
    bad = [
        assertion("wrong", "email", "ada@example.com", now=now),
        assertion("", "email", "ada@example.com", now=now),
        assertion(SECRET, "email", "ada@example.com", now=now - timedelta(seconds=301)),
        assertion(SECRET, "email", "ada@example.com", now=now, seconds=3601),
        assertion(SECRET, "web", reference("x"), now=now),
        assertion(SECRET, "email", "", now=now),
        signed({"alg": "HS512"}, claims), signed({}, claims), signed([], claims), signed({"alg": "HS256"}, []),
        *(signed({"alg": "HS256"}, {**claims, **change}) for change in (
            {"aud": "another"}, {"aud": None}, {"exp": None}, {"exp": "9999999999"}, {"exp": True}, {"kind": 7}, {"value": ["x"]},
            {"kind": "push"},
        )),
        f"{none}.{body}.", f"{none}.{body}.{mac}", f"{head}.{body}.", f"{head}..{mac}", "", ".", "..", "ä.ö.ü",
    ]  # fmt: skip
    _, page, _ = await call(shop, "visit", {})
    for each in bad:
        status, _, _ = await call(shop, "identify", {"token": page["token"], "assertion": each})
        assert status == 401, each
    assert (await owner(shop, page["visitor"])).id != ada.id
    assert (await call(shop, "identify", {"token": page["token"], "assertion": good}))[0] == 200


async def test_without_a_secret_nobody_is_joined(shop: Shop) -> None:
    shop.desk.settings = shop.desk.settings.model_copy(update={"identify_secret": None})
    _, page, _ = await call(shop, "visit", {})
    for key in (SECRET, "", "None"):
        signed = assertion(key, "email", "ada@example.com", now=shop.desk.now())
        assert (await call(shop, "identify", {"token": page["token"], "assertion": signed}))[0] == 401


async def test_the_secret_can_be_changed_without_a_gap(shop: Shop) -> None:
    from pydantic import SecretStr

    new = {"identify_secret": SecretStr("new"), "previous_identify_secret": SecretStr(SECRET)}
    shop.desk.settings = shop.desk.settings.model_copy(update=new)
    for key in ("new", SECRET):
        _, page, _ = await call(shop, "visit", {})
        signed = assertion(key, "email", "ada@example.com", now=shop.desk.now())
        told = (await call(shop, "identify", {"token": page["token"], "assertion": signed}))[1]
        assert told["identified"] is True


async def test_a_second_person_at_the_same_browser_is_not_merged_with_the_first(shop: Shop) -> None:
    ada = await shop.desk.add(email="ada@example.com")
    bob = await shop.desk.add(email="bob@example.com")
    page = shop.sandbox.visitor("shared")
    await page.arrive()
    await page.log_in("email", "ada@example.com")
    secret = page.secret
    await page.log_in("email", "bob@example.com")
    assert page.secret != secret
    assert (await owner(shop, page.secret)).id == bob.id
    assert await shop.desk.find("email", "ada@example.com") != await shop.desk.find("email", "bob@example.com")
    assert ada.id != bob.id


# ---- cards


async def test_a_card_is_shown_seen_clicked_and_dismissed_for_good(shop: Shop) -> None:
    page = shop.sandbox.visitor("ada")
    await page.arrive()
    ada = await owner(shop, page.secret)
    assert await page.look() == []
    await shop.desk.sent(ada.id, "web", "d1", card=FACE)
    assert await page.look() == [{**FACE, "id": "d1"}]
    await page.look()
    await page.click("d1")
    told = [
        event for event in await shop.desk.timeline(ada.id) if event.type in {"message.delivered", "message.clicked"}
    ]
    about = {
        "delivery": "d1", "message": "test", "topic": "general", "purpose": "marketing", "channel": "web",
        "audience": "person", "provider": "web", "attempt": "d1-1", "identity": "",
    }  # fmt: skip
    assert [(e.id, e.type, e.source, dict(e.data)) for e in told] == [
        ("d1:clicked", "message.clicked", "web", about),
        ("d1:shown", "message.delivered", "web", about),
    ]
    await page.dismiss("d1")
    await page.dismiss("d1")
    assert await page.look() == []
    assert (await shop.desk.context(ada.id))[Cards].ended == {"d1": "dismissed"}


async def test_all_open_pages_lose_a_card_that_is_dismissed_or_withdrawn(shop: Shop) -> None:
    ada = await shop.desk.add(email="ada@example.com")
    phone, laptop = shop.sandbox.visitor("phone"), shop.sandbox.visitor("laptop")
    for page in (phone, laptop):
        await page.arrive()
        await page.log_in("email", "ada@example.com")
        await page.watch()
    await shop.desk.sent(ada.id, "web", "d1", card=FACE)
    await shop.desk.sent(ada.id, "web", "d2", card={**FACE, "kind": "inbox"})
    async with asyncio.timeout(10):
        for page in (phone, laptop):
            await page.until(lambda cards: len(cards) == 2)
        await laptop.dismiss("d1")
        for page in (phone, laptop):
            assert [card["id"] for card in await page.until(lambda cards: len(cards) == 1)] == ["d2"]
        await shop.desk.track(
            ada.id, "message.withdrawn", {"delivery": "d2", "channel": "web"}, id="w", source="omnibus"
        )
        for page in (phone, laptop):
            await page.until(lambda cards: not cards)


async def test_an_expired_card_is_not_shown(shop: Shop) -> None:
    page = shop.sandbox.visitor("ada")
    await page.arrive()
    ada = await owner(shop, page.secret)
    ends = shop.desk.now() + timedelta(hours=1)
    await shop.desk.sent(ada.id, "web", "d1", card={**FACE, "expires": ends.isoformat()})
    assert len(await page.look()) == 1
    shop.desk.clock.advance(timedelta(hours=1))
    assert await page.look() == []


async def test_the_ledger_tells_what_visitors_saw_and_survives_a_restart(shop: Shop) -> None:
    page = shop.sandbox.visitor("ada")
    await page.arrive()
    ada = await owner(shop, page.secret)
    await shop.desk.sent(ada.id, "web", "d1", card=FACE)
    await page.look()
    await page.look()
    [seen] = shop.world.of("web", kind="card")
    assert (seen.id, seen.to, seen.text.splitlines()[0]) == ("d1", "ada", FACE["headline"])
    again = World(shop.world.folder, shop.desk.now, shop.root)
    reborn = ShopSandbox(again)
    reborn._saw("ada", [{**FACE, "id": "d1"}])
    assert len(again.of("web", kind="card")) == 1
    reborn._saw("ada", [])
    assert [entry.id for entry in again.of("web", kind="card-gone")] == ["d1"]
    assert "No card is on show" in (again.folder / "web" / "ada.html").read_text()
    await again.stop()


# ---- the wire


async def test_foreign_origins_are_refused_and_allowed_ones_may_read(shop: Shop) -> None:
    status, _, headers = await call(shop, "visit", {}, Origin="https://evil.example")
    assert (status, headers.get("access-control-allow-origin")) == (403, None)
    for origin in (shop.sandbox.base_url, shop.root):
        status, _, headers = await call(shop, "visit", {}, Origin=origin)
        assert (status, headers["access-control-allow-origin"], headers["vary"]) == (200, origin, "origin")
    status, _, headers = await call(shop, "track", {"token": "x"}, Origin=shop.sandbox.base_url)
    assert (status, headers["access-control-allow-origin"]) == (401, shop.sandbox.base_url)
    status, _, headers = await call(shop, "track", b"", "OPTIONS", Origin=shop.sandbox.base_url)
    assert (status, headers["access-control-allow-headers"]) == (204, "content-type, last-event-id")
    assert (await call(shop, "track", b"", "OPTIONS", Origin="null"))[0] == 403


async def test_the_module_is_served_once_and_then_from_the_cache(shop: Shop) -> None:
    status, text, headers = await call(shop, "omnibus.js", b"", "GET")
    assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "customElements.define" in text
    status, text, _ = await call(shop, "omnibus.js", b"", "GET", **{"If-None-Match": headers["etag"]})
    assert (status, text) == (304, "")


async def test_a_visitor_reports_a_refusal(shop: Shop) -> None:
    page = shop.sandbox.visitor("ada")
    with pytest.raises(Refused, match="http_404"):
        await page.dismiss("nothing")
