"""The bus over HTTP: hooks, unsubscribing, health."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from starlette.exceptions import HTTPException

from omnibus import State
from omnibus.errors import FacetError, StoreFull
from omnibus.server import make_app
from omnibus.testing import fake_report
from omnibus.testing.serving import read_body

BASE = "https://t.example"


@pytest.fixture
async def web(shop: Any) -> AsyncIterator[httpx.AsyncClient]:
    shop.core += f'public_url = "{BASE}"\n'
    shop.channel("mail")
    shop.message("hello", via=["mail"], topic="cart")
    shop.message("news", via=["mail"], topic="news")
    bus = await shop.open()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app(bus)), base_url=BASE) as client:
        yield client


async def sent(shop: Any) -> Any:
    (one,) = await shop.bus.send("hello", await shop.ada())
    await shop.bus.drain()
    return one


def link(shop: Any, one: Any) -> str:
    return str(shop.bus.parts.links.opt_out(one).url)


async def test_a_hook_is_stored_before_it_is_answered(shop: Any, web: httpx.AsyncClient) -> None:
    one = await sent(shop)
    (attempt,) = await shop.bus.parts.store.attempts(one.id)
    told = {"id": "r1", "type": "message.opened", "attempt": attempt.id, "at": shop.clock.now()}
    request = fake_report(f"{BASE}/hooks/mail/mailone", told)
    answer = await web.post(request.url, content=request.body, headers=dict(request.headers))
    assert answer.status_code == 204
    assert await shop.state(one) is State.OPENED
    assert (await web.post(request.url, content=request.body)).status_code == 401
    assert (await web.post(f"{BASE}/hooks/mail/other", content=b"")).status_code == 404
    assert (await web.post(request.url, content=b"{", headers={"x-fake-secret": "fake"})).status_code == 400


async def test_the_attempt_names_where_to_report(shop: Any, web: httpx.AsyncClient) -> None:
    await sent(shop)
    (handed,) = shop.wire("mail").handed
    assert handed.attempt.report_url == f"{BASE}/hooks/mail/mailone?attempt={handed.attempt.id}"


async def test_a_huge_body_is_refused_as_it_comes(shop: Any, web: httpx.AsyncClient) -> None:
    pieces: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for number in range(1000):
            pieces.append(number)
            yield b"x" * 100_000

    answer = await web.post(f"{BASE}/hooks/mail/mailone", content=endless())
    assert answer.status_code == 413


async def test_the_opt_out_form_has_a_limit_too(shop: Any, web: httpx.AsyncClient) -> None:
    one = await sent(shop)
    answer = await web.post(link(shop, one), content=b"topic=all&" + b"x" * 20_000)
    assert (answer.status_code, answer.text) == (413, "the body is too big")
    assert "message.unsubscribed" not in await shop.types(one.customer)


async def test_who_trickles_a_body_is_let_go() -> None:
    class Trickle:
        async def stream(self) -> AsyncIterator[bytes]:
            yield b"x"
            await asyncio.Event().wait()

    with pytest.raises(HTTPException) as raised:
        await read_body(cast("Any", Trickle()), seconds=0)
    assert raised.value.status_code == 408


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_at_the_link_changes_nothing(shop: Any, web: httpx.AsyncClient, method: str) -> None:
    one = await sent(shop)
    answer = await web.request(method, link(shop, one))
    assert answer.status_code == 200
    assert "message.unsubscribed" not in await shop.types(one.customer)
    if method == "GET":
        assert re.search(r'<form method="post">', answer.text)
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("body", "topics"), [(b"List-Unsubscribe=One-Click", ["news"]), (b"topic=one", ["news"]), (b"topic=all", [])]
)
async def test_posting_acts_once(shop: Any, web: httpx.AsyncClient, body: bytes, topics: list[str]) -> None:
    one = await sent(shop)
    form = {"content-type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        assert (await web.post(link(shop, one), content=body, headers=form)).status_code == 200
    assert (await shop.types(one.customer)).count("message.unsubscribed") == 1
    after = [(await shop.bus.send(name, one.customer))[0] for name in ("hello", "news")]
    await shop.bus.drain()
    assert [each.topic for each in after if (await shop.state(each)) is State.SENT] == topics


async def test_a_changed_link_is_none(shop: Any, web: httpx.AsyncClient) -> None:
    one = await sent(shop)
    good = link(shop, one)
    swapped = good[:-3] + ("AAA" if good[-3:] != "AAA" else "BBB")
    for wrong in (swapped, f"{BASE}/u/x", f"{BASE}/u/%C3%A9", good[:-10]):
        assert (await web.post(wrong, content=b"topic=all")).status_code == 404
    sealed = shop.bus.parts.tokens.seal({"handover": one.customer}, 60)
    assert (await web.post(f"{BASE}/u/{sealed}")).status_code == 404, "a token for something else"
    assert "message.unsubscribed" not in await shop.types(one.customer)


async def down(*told: Any, **more: Any) -> Any:
    """Be a store that is away."""
    raise StoreFull("down")


async def test_stopping_while_the_store_is_away_is_asked_for_again(
    shop: Any, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await sent(shop)

    with monkeypatch.context() as patch:
        patch.setattr(shop.bus.parts.store, "put", down)
        answer = await web.post(link(shop, one), content=b"topic=all")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert (await web.post(link(shop, one), content=b"topic=all")).status_code == 200


async def test_a_page_that_asks_what_is_not_known_is_asked_for_again(
    shop: Any, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A facet that could not be folded is no fault of whoever asks."""
    one = await sent(shop)

    async def unknown(*told: Any) -> Any:
        raise FacetError("points", one.customer, "ValueError")

    monkeypatch.setattr(shop.bus.parts.store, "put", unknown)
    answer = await web.post(link(shop, one), content=b"topic=all")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


SHOP = "https://acme.example/boots"


def click(shop: Any, delivery: str, customer: str) -> str:
    return f"{BASE}/c/{shop.bus.parts.tokens.seal({'c': customer, 'd': delivery, 'l': SHOP}, 0)}"


async def test_a_click_is_noted_once_and_leads_on(shop: Any, web: httpx.AsyncClient) -> None:
    one = await sent(shop)
    for _ in range(2):
        answer = await web.get(click(shop, one.id, one.customer))
        assert (answer.status_code, answer.headers["location"]) == (302, SHOP)
    assert (await shop.types(one.customer)).count("message.clicked") == 1
    assert (await shop.state(one)).value == "clicked"


async def test_a_machine_that_looks_has_not_clicked(shop: Any, web: httpx.AsyncClient) -> None:
    one = await sent(shop)
    assert (await web.head(click(shop, one.id, one.customer))).headers["location"] == SHOP
    assert "message.clicked" not in await shop.types(one.customer)


async def test_a_changed_link_leads_nowhere(shop: Any, web: httpx.AsyncClient) -> None:
    one = await sent(shop)
    for wrong in (click(shop, one.id, one.customer)[:-3] + "AAA", link(shop, one).replace("/u/", "/c/")):
        answer = await web.get(wrong)
        assert (answer.status_code, "location" in answer.headers) == (404, False)


async def test_a_link_leads_on_though_nobody_can_note_it(
    shop: Any, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await sent(shop)

    assert (await web.get(click(shop, one.id, "erased"))).headers["location"] == SHOP
    monkeypatch.setattr(shop.bus.parts.store, "put", down)
    assert (await web.get(click(shop, one.id, one.customer))).headers["location"] == SHOP


async def test_health(shop: Any, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await web.get("/health")).text == "ok"

    async def down() -> Any:
        raise StoreFull("down")

    monkeypatch.setattr(shop.bus.parts.store, "next_due", down)
    assert (await web.get("/health")).status_code == 503
