"""The fake desk keeps the promises of the real one."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from omnibus import Cart, Consent, Endpoint, Event, Facet, Forged, InputError, NotFound, Profile, Request, Response
from omnibus.model.offer import Offer
from omnibus.testing import FakeClock, FakeDesk, serve

LINES = [{"sku": "boot", "name": "Boots", "quantity": 1, "price": "39.00"}]
CART = {"id": "c1", "currency": "EUR", "url": "https://acme.example/c1", "lines": LINES}


@dataclass(frozen=True, slots=True)
class Cards(Facet):
    name = "cards"
    hears = ("message.sent", "card.dismissed")
    shown: tuple[str, ...] = ()

    def after(self, event: Event) -> "Cards":
        if event.type == "card.dismissed":
            return Cards(tuple(each for each in self.shown if each != event.data["delivery"]))
        return Cards((*self.shown, str(event.data["delivery"])))


async def test_a_visitor_becomes_the_known_customer() -> None:
    desk = FakeDesk()
    ada = await desk.add(name="Ada", email="Ada@Example.com", phone="+44 20 7946-0000")
    assert (await desk.find("email", " ADA@example.COM ")) == ada
    assert [each.value for each in ada.identities] == ["ada@example.com", "+442079460000"]
    visitor = await desk.visitor("web", "v1")
    assert visitor.id != ada.id
    await desk.track(visitor.id, "cart.updated", CART, id="e1", source="web")
    known = await desk.identify(visitor.id, "email", "ada@example.com", evidence="web form")
    assert known.id == ada.id == (await desk.find("web", "v1")).id
    context = await desk.context(visitor.id)
    assert context[Cart].total.amount == 39
    assert context[Profile].first_name == "Ada"
    assert "customer.merged" in [each.type for each in await desk.timeline(visitor.id, 3)]


async def test_any_order_of_arrival_ends_in_the_same_context() -> None:
    bodies = set()
    told = [("cart.updated", CART, 1), ("cart.cleared", {}, 2), ("cart.updated", {**CART, "id": "c2"}, 3)]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        desk = FakeDesk()
        ada = await desk.add(id="ada")
        start = desk.now() - timedelta(hours=1)
        for index in order:
            type_, data, minute = told[index]
            at = start + timedelta(minutes=minute)
            assert await desk.track(ada.id, type_, data, id=f"e{index}", at=at, source="web")
            assert not await desk.track(ada.id, type_, data, id=f"e{index}", at=at, source="web")
        context = await desk.context(ada.id)
        assert context.version == 3
        bodies.add(context.bodies()["cart"])
    assert len(bodies) == 1


async def test_what_cannot_be_read_is_refused_before_it_is_stored() -> None:
    desk = FakeDesk()
    ada = await desk.add()
    for type_, data in (("cart.updated", {"lines": ["rubbish"]}), ("card.dismissed", {}), ("cart.burnt", {})):
        with pytest.raises(InputError):
            await desk.track(ada.id, type_, data, id="e1", source="web")
    with pytest.raises(NotFound):
        await desk.context("nobody")
    assert await desk.timeline(ada.id) == []


async def test_a_plugins_facet_folds_and_a_late_event_keeps_the_version_rising() -> None:
    desk = FakeDesk(facets=[Cards])
    ada = await desk.add()
    await desk.sent(ada.id, "web", "d1", card={"title": "Hello"})
    before = (await desk.context(ada.id)).version
    early = desk.now() - timedelta(days=1)
    await desk.track(ada.id, "card.dismissed", {"delivery": "d0"}, id="x", at=early, source="web")
    context = await desk.context(ada.id)
    assert context[Cards].shown == ("d1",)
    assert context.version > before
    await desk.track(ada.id, "card.dismissed", {"delivery": "d1"}, id="y", source="web")
    assert (await desk.context(ada.id))[Cards].shown == ()


async def test_one_basket_wins_a_personal_code() -> None:
    clock = FakeClock()
    desk = FakeDesk(
        clock=clock, offers=[Offer("comeback", valid=timedelta(days=2)), Offer("all", "shared", code="X", limit=2)]
    )
    ada, bob, eve = [await desk.add() for _ in range(3)]
    terms = await desk.issue(ada.id, "comeback")
    assert (await desk.issue(ada.id, "comeback")).code == terms.code
    assert await desk.offers(ada.id) == [terms]
    races = await asyncio.gather(*(desk.redeem(terms.code, basket=f"b{n}", source="till") for n in range(5)))
    assert [each.won for each in races] == [True, False, False, False, False]
    assert {each.basket for each in races} == {"b0"}
    assert (await desk.redeem(terms.code.lower(), basket="b0", source="till")).won
    assert await desk.offers(ada.id) == []
    shared = [
        await desk.redeem("X", basket=f"s{n}", customer=who.id, source="web")
        for n, who in enumerate((ada, ada, bob, eve))
    ]
    assert [(each.won, each.reason) for each in shared] == [
        (True, ""),
        (False, "already redeemed"),
        (True, ""),
        (False, "limit reached"),
    ]
    late = await desk.issue(bob.id, "comeback")
    clock.advance(timedelta(days=2))
    assert (await desk.redeem(late.code, basket="b9", source="till")).reason == "expired"
    assert (await desk.redeem("nothing", basket="b9", source="till")).reason == "unknown code"


async def test_handovers_and_tokens_are_short_lived_and_signed() -> None:
    clock = FakeClock()
    desk = FakeDesk(clock=clock)
    ada = await desk.add()
    made = await desk.issue_handover(ada.id)
    assert await desk.claim_handover(made.short.lower(), source="till-1") == ada.id
    assert await desk.claim_handover(made.token, source="till-1") == ada.id
    for wrong in (made.token, "nonsense"):
        with pytest.raises(NotFound):
            await desk.claim_handover(wrong, source="till-2")
    token = desk.seal({"customer": ada.id}, 60)
    assert desk.unseal(token) == {"customer": ada.id}
    other = "B" if token[0] == "A" else "A"
    for wrong in ("", "x", token[:-2], other + token[1:], token + "x", "é.é"):
        with pytest.raises(Forged):
            desk.unseal(wrong)
    clock.advance(timedelta(seconds=61))
    with pytest.raises(Forged):
        desk.unseal(token)


async def _show(request: Request, desk: FakeDesk) -> Response:
    return Response.of_json({"url": request.url, "query": request.query, "sent": request.body.decode()})


async def _fail(request: Request, desk: FakeDesk) -> Response:
    raise {"forged": Forged("secret reason"), "lost": NotFound("no such card"), "bad": InputError("bad")}[
        request.query["how"]
    ]


async def _follow(request: Request, desk: FakeDesk) -> Response:
    async def pieces():
        async for context in desk.stream(request.query["who"]):
            yield f"data: {context[Cart].open}\n\n".encode()

    return Response(headers={"content-type": "text/event-stream"}, stream=pieces())


ENDPOINTS = [
    Endpoint("web", "POST", "/show/{name}", _show),
    Endpoint("web", "GET", "/fail/{how}", _fail),
    Endpoint("web", "GET", "/stream", _follow),
]


async def test_endpoints_are_served_over_real_http() -> None:
    desk = FakeDesk()
    async with serve(ENDPOINTS, desk) as base, httpx.AsyncClient(base_url=base) as client:
        told = (await client.post("/web/show/a%20b?name=c&x=", content=b"hi")).json()
        assert told == {
            "url": f"{base}/web/show/a%20b?name=c&x=&name=a+b",
            "query": {"name": "a b", "x": ""},
            "sent": "hi",
        }
        assert (await client.post("/web/show/x", content=b"x" * 1_000_001)).status_code == 413
        answers = [await client.get(f"/web/fail/{how}") for how in ("forged", "lost", "bad")]
        assert [(each.status_code, each.json()["error"]) for each in answers] == [
            (401, "not allowed"),
            (404, "no such card"),
            (400, "bad"),
        ]


async def test_a_stream_follows_the_context_and_ends_with_the_server() -> None:
    desk = FakeDesk()
    ada = await desk.add()
    got = []
    async with httpx.AsyncClient() as client:
        async with serve(ENDPOINTS, desk) as base:
            stream = client.stream("GET", f"{base}/web/stream", params={"who": ada.id})
            answer = await stream.__aenter__()
            lines = answer.aiter_lines()
            got.append(await anext(lines))
            await anext(lines)
            await desk.track(ada.id, "cart.updated", CART, id="e1", source="web")
            got.append(await anext(lines))
        assert [each async for each in lines] == [""]
        await stream.__aexit__(None, None, None)
    assert got == ["data: False", "data: True"]


async def test_consent_of_a_merged_person_is_the_stricter_one() -> None:
    desk = FakeDesk()
    ada, other = await desk.add(email="ada@example.com"), await desk.add(web="v1")
    await desk.track(ada.id, "consent.granted", {"channel": "*", "purpose": "marketing"}, id="c1", source="t")
    await desk.track(other.id, "consent.withdrawn", {"channel": "*", "purpose": "marketing"}, id="c2", source="t")
    made = await desk.identify(other.id, "email", "ada@example.com", evidence="login")
    answer = (await desk.context(made.id))[Consent].answer("Acme", "email", "marketing", "x")
    assert answer is not None
    assert not answer.granted
