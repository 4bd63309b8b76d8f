import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from omnibus import Orders
from omnibus.model.offer import Offer
from omnibus.testing import Entry, FakeClock, FakeDesk, World, sample_attempt, sample_context, sample_draft, serve
from omnibus_pos import Passes, Points, Pos, TillCards, TillScreen
from omnibus_pos.cards import TillCard
from omnibus_pos.counter import endpoints
from omnibus_pos.sandbox import TillSandbox
from omnibus_pos.till import Till, TillRefusal

LINES = [
    {"sku": "S1", "name": "Trail Boots", "quantity": 1, "price": "39.00"},
    {"sku": "S2", "name": "Laces", "quantity": 2, "price": "1.75"},
]
OFFERS = (Offer("comeback", percent=15), Offer("launch", "shared", 10, code="LAUNCH10", limit=2))


class Store:
    def __init__(self, desk, world, ada):
        self.desk, self.world, self.ada = desk, world, ada
        self.till, self.other = world.sandbox("pos").till(), world.sandbox("pos").till("till-2")


@asynccontextmanager
async def opened(folder, **settings):
    clock = FakeClock()
    world = World(folder, clock.now)
    tables = await world.start(TillSandbox)
    told = {key: value for key, value in tables["pos"].items() if key != "provider"}
    desk = FakeDesk(
        clock=clock, settings=Pos.Settings(**told, **settings), facets=[TillCards, Points, Passes], offers=OFFERS
    )
    ada = await desk.add(name="Ada Byron", email="ada@example.com", phone="+442079460000", loyalty="L-1")
    cart = {"id": "c-77", "currency": "EUR", "url": "https://acme.example/c/77", "lines": LINES}
    await desk.track(ada.id, "cart.updated", cart, id="c-77", source="web")
    async with serve(endpoints(), desk) as url:
        world.public_url = url
        yield Store(desk, world, ada)
    await world.stop()


@pytest.fixture
async def store(tmp_path):
    async with opened(tmp_path / "world") as store:
        yield store


async def refused(awaitable):
    with pytest.raises(TillRefusal) as caught:
        await awaitable
    return caught.value.status, caught.value.told


def types(events):
    return [each.type for each in events]


# ---- who calls


async def test_only_known_terminals_may_call(store):
    for key in ("wrong", "till-1", "Bearer"):
        status, told = await refused(Till(store.world, "x", key).find(email="ada@example.com"))
        assert (status, told["where"]) == (401, "Authorization")
    answer = await store.world.post("/pos/sale", headers={"authorization": "Basic x"}, body=b"{}")
    assert answer.status_code == 401


async def test_without_terminals_nobody_may(tmp_path):
    async with opened(tmp_path / "world") as store:
        store.desk.settings = Pos.Settings(terminals={"t": ""})
        answer = await store.world.post("/pos/card/x", headers={"authorization": "Bearer"}, body=b"", method="GET")
        assert answer.status_code == 401


async def test_a_terminal_may_guess_only_so_often(tmp_path):
    async with opened(tmp_path / "world", guesses=3, guess_window=60) as store:
        assert (await refused(store.till.find(phone="+442079460001")))[0] == 404
        assert (await refused(store.till.claim("ZZZZZZZZ")))[0] == 404
        assert not (await store.till.redeem("NO-SUCH", "B-1"))["won"]
        for call in (store.till.find(phone="+442079460000"), store.till.claim("ZZZZ"), store.till.redeem("X", "B-1")):
            status, told = await refused(call)
            assert (status, told["where"]) == (429, "terminal till-1")
        assert (await store.other.find(phone="+442079460000"))["customer"] == store.ada.id
        store.desk.clock.advance(timedelta(seconds=60))
        assert (await store.till.find(phone="+442079460000"))["customer"] == store.ada.id


# ---- who stands there


async def test_the_card_says_what_a_clerk_needs(store):
    terms = await store.desk.issue(store.ada.id, "comeback")
    await store.desk.sent(store.ada.id, "email", "d0")
    found = await store.till.find(phone="+44 20 7946 0000")
    assert found == {
        "customer": store.ada.id, "name": "A•• B••", "confirmed": False, "prefers": "", "points": None,
        "cart": {
            "id": "c-77", "currency": "EUR", "total": "42.50", "open": True,
            "lines": [{**line, "url": "", "image": ""} for line in LINES],
        },
        "offers": [{
            "offer": "comeback", "code": terms.code, "label": "15 % off", "percent": 15, "expires": None, "deadline": "",
        }],
        "cards": [],
        "contacts": [{"at": "2026-11-21T12:00:00+00:00", "what": "sent", "channel": "email", "message": "test"}],
        "avoid": {"bought": [], "redeemed": []},
        "orders": [],
    }  # fmt: skip
    assert (await store.till.card(store.ada.id, confirmed=True))["name"] == "Ada Byron"
    for kind, value in {"email": "Ada@Example.com", "loyalty": "L-1"}.items():
        assert (await store.till.find(**{kind: value}))["customer"] == store.ada.id


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?phone=", 400), ("?phone=1&email=2", 400), ("?name=Ada", 400), ("?email=nobody@example.com", 404)],
)
async def test_a_look_up_names_one_identity(store, query, status):
    assert (await refused(store.till.call("GET", f"/customer{query}")))[0] == status


async def test_nobody_is_masked_as_nothing_and_unknown_ids_are_not_found(store):
    stranger = await store.desk.visitor("loyalty", "L-2")
    assert (await store.till.card(stranger.id))["name"] == ""
    assert (await refused(store.till.card("no-such")))[0] == 404
    assert (await refused(store.till.call("GET", f"/card/{store.ada.id}?confirmed=maybe")))[1]["where"] == "confirmed"


async def test_a_handover_confirms_and_is_claimed_by_one_till(store):
    handover = await store.desk.issue_handover(store.ada.id)
    card = await store.till.claim(handover.token)
    assert (card["name"], card["confirmed"], card["cart"]["id"]) == ("Ada Byron", True, "c-77")
    assert (await store.till.call("POST", "/handover", {"code": handover.short}))["customer"] == store.ada.id
    assert (await refused(store.other.claim(handover.short)))[0] == 404
    assert "handover.claimed" in types(await store.desk.timeline(store.ada.id))


# ---- cards


async def test_a_card_placed_is_shown_once_and_dismissed(store):
    content = Pos().compose(sample_draft("pos"), None, sample_context())
    screen = TillScreen(TillScreen.Settings(), now=store.desk.now)
    receipt = await screen.send(content, "", sample_attempt(), None)
    assert receipt.provider_id == sample_attempt().delivery
    await store.desk.sent(store.ada.id, "pos", "d1", **receipt.details)
    for _ in range(2):
        (card,) = (await store.till.find(email="ada@example.com"))["cards"]
    assert (card["headline"], card["code"]) == ("Ada, your Trail Boots are waiting", "ADA7-K2M9-3QXT")
    await store.other.find(email="ada@example.com")
    (shown,) = [each for each in await store.desk.timeline(store.ada.id) if each.type == "message.delivered"]
    assert (shown.source, shown.id) == ("pos", "d1:shown")
    assert shown.data == {
        "delivery": "d1", "message": "test", "topic": "general", "purpose": "marketing", "channel": "pos",
        "audience": "person", "provider": "pos", "attempt": "d1-1", "place": "till", "terminal": "till-1",
    }  # fmt: skip
    assert [(each.kind, each.id) for each in store.world.of("pos")] == [("card", "card-d1")]
    assert (await store.till.dismiss(store.ada.id, "d1"))["cards"] == []
    assert (await store.till.find(email="ada@example.com"))["cards"] == []


# ---- money


async def test_a_sale_redeems_first_and_is_one_order(store):
    terms = await store.desk.issue(store.ada.id, "comeback")
    card = await store.till.find(email="ada@example.com")
    face = {"headline": "h", "text": "t", "code": terms.code, "offer": "comeback"}
    await store.desk.sent(store.ada.id, "pos", "d1", card=face)
    assert len((await store.till.card(store.ada.id))["cards"]) == 1
    store.desk.clock.advance(timedelta(seconds=30))
    sold = await store.till.sell_cart(card, "B-1", [terms.code])
    code = {"code": terms.code, "won": True, "offer": "comeback", "percent": 15, "reason": "", "customer": store.ada.id}
    assert sold == {
        "basket": "B-1", "customer": store.ada.id, "currency": "EUR", "total": "42.50", "discount": "6.37",
        "due": "36.13", "paid": "36.13", "codes": [code], "order": "B-1", "repeated": False,
    }  # fmt: skip
    assert await store.till.sell_cart(card, "B-1", [terms.code]) == {**sold, "repeated": True}
    assert await store.other.sell_cart(card, "B-1", [terms.code]) == {**sold, "repeated": True}
    events = [
        each for each in await store.desk.timeline(store.ada.id) if each.type in ("code.redeemed", "order.placed")
    ]
    assert [(each.type, each.source) for each in events] == [
        ("order.placed", "till:till-1"), ("code.redeemed", "till:till-1"),
    ]  # fmt: skip
    assert events[0].id == "B-1"
    assert events[0].data == {
        "id": "B-1", "place": "till", "currency": "EUR", "total": "36.13", "discount": "6.37", "lines": LINES,
        "codes": [terms.code],
    }  # fmt: skip
    after = await store.till.card(store.ada.id)
    assert (after["cart"]["open"], after["offers"], after["cards"]) == (False, [], [])
    assert [each["sku"] for each in after["avoid"]["bought"]] == ["S1", "S2"]
    assert [each["offer"] for each in after["avoid"]["redeemed"]] == ["comeback"]


async def test_of_two_tills_exactly_one_wins(store):
    terms = await store.desk.issue(store.ada.id, "comeback")
    card = await store.till.find(email="ada@example.com")
    sold = await asyncio.gather(
        store.till.sell_cart(card, "B-1", [terms.code]), store.other.sell_cart(card, "B-2", [terms.code])
    )
    assert sorted(each["codes"][0]["won"] for each in sold) == [False, True]
    (lost,) = [each for each in sold if not each["codes"][0]["won"]]
    assert (lost["discount"], lost["due"]) == ("0.00", "42.50")
    assert lost["codes"][0]["reason"]
    assert (await store.desk.context(store.ada.id))[Orders].count == 2


async def test_a_basket_sold_with_other_lines_is_a_conflict(store):
    await store.till.sell("B-1", LINES, "EUR", customer=store.ada.id)
    status, told = await refused(store.till.sell("B-1", LINES[:1], "EUR", customer=store.ada.id))
    assert (status, told["where"]) == (409, "/sale")
    assert (await store.desk.context(store.ada.id))[Orders].count == 1


async def test_a_stranger_buys_without_a_timeline_unless_a_code_names_them(store):
    sold = await store.till.sell("B-1", LINES, "EUR", paid="40")
    assert (sold["order"], sold["customer"], sold["paid"]) == (None, "", "40.00")
    terms = await store.desk.issue(store.ada.id, "comeback")
    sold = await store.till.sell("B-2", LINES, "EUR", codes=[terms.code, terms.code], paid="36.13")
    assert (sold["order"], sold["customer"], len(sold["codes"])) == ("B-2", store.ada.id, 1)


async def test_redeem_is_idempotent_by_basket(store):
    terms = await store.desk.issue(store.ada.id, "comeback")
    first = await store.till.redeem(terms.code, "B-1", store.ada.id)
    assert first["won"]
    assert await store.till.redeem(terms.code, "B-1", store.ada.id) == first
    assert not (await store.other.redeem(terms.code, "B-2", store.ada.id))["won"]
    assert (await store.till.sell("B-1", LINES, "EUR", customer=store.ada.id, codes=[terms.code]))["discount"] == "6.37"


async def test_goods_come_back_once(store):
    await store.till.sell("B-1", LINES, "EUR", customer=store.ada.id)
    back = await store.till.take_back("R-1", "B-1", store.ada.id)
    assert back == {"return": "R-1", "order": "B-1", "customer": store.ada.id, "repeated": False}
    assert (await store.till.take_back("R-1", "B-1", store.ada.id))["repeated"]
    assert (await store.desk.context(store.ada.id))[Orders].returns == 1
    assert (await store.till.card(store.ada.id))["avoid"]["bought"] == []
    status, told = await refused(store.till.take_back("R-2", "B-1", store.ada.id, [{"sku": "S9", "price": "1"}]))
    assert (status, told["where"]) == (400, "lines.0.sku")


async def test_visits_begin_and_end(store):
    await store.till.visit(store.ada.id, "V-1")
    await store.till.visit(store.ada.id, "V-1", "ended")
    assert (await store.till.visit(store.ada.id, "V-1", "ended"))["repeated"]
    events = [each for each in await store.desk.timeline(store.ada.id) if each.type.startswith("visit.")]
    assert [(each.id, each.data["place"]) for each in events] == [("V-1:ended", "till"), ("V-1:started", "till")]


WRONG = [
    ("/sale", {}, "basket"),
    ("/sale", {"basket": "B", "currency": "euro", "lines": [{"sku": "s", "price": "1"}]}, "currency"),
    ("/sale", {"basket": "B", "currency": "EUR", "lines": []}, "lines"),
    ("/sale", {"basket": "B", "currency": "EUR", "lines": [{"sku": "s"}]}, "lines.0.price"),
    ("/sale", {"basket": "B", "currency": "EUR", "lines": [{"sku": "s", "price": "-1"}]}, "lines.0.price"),
    ("/sale", {"basket": "B", "currency": "EUR", "lines": [{"sku": "s", "price": "NaN"}]}, "lines.0.price"),
    (
        "/sale",
        {"basket": "B", "currency": "EUR", "lines": [{"sku": "s", "price": 1, "quantity": 0}]},
        "lines.0.quantity",
    ),
    ("/sale", {"basket": "B", "currency": "EUR", "lines": [{"sku": "s", "price": 1}], "tip": 1}, "tip"),
    ("/redeem", {"code": "X"}, "basket"),
    ("/return", {"order": "B-1", "customer": "c"}, "return"),
    ("/visit", {"customer": "c", "visit": "v", "state": "left"}, "state"),
    ("/handover", {"token": 7}, "token"),
    ("/sale", [1], "body"),
]


@pytest.mark.parametrize(("path", "told", "where"), WRONG)
async def test_wrong_input_names_place_and_fix_and_changes_nothing(store, path, told, where):
    before = await store.desk.timeline(store.ada.id)
    status, answer = await refused(store.till.call("POST", path, told))
    assert (status, answer["where"]) == (400, where)
    assert answer["error"]
    assert answer["fix"].startswith("fields: ")
    assert await store.desk.timeline(store.ada.id) == before


async def test_rubbish_is_no_json_and_unknown_customers_cost_no_code(store):
    headers = {"authorization": f"Bearer {store.till._key}"}
    assert (await store.world.post("/pos/sale", headers=headers, body=b"{")).status_code == 400
    terms = await store.desk.issue(store.ada.id, "comeback")
    for call in (
        store.till.sell("B-1", LINES, "EUR", customer="no-such", codes=[terms.code]),
        store.till.redeem(terms.code, "B-1", "no-such"), store.till.take_back("R", "B", "no-such"),
        store.till.visit("no-such", "V"), store.till.dismiss("no-such", "d"),
    ):  # fmt: skip
        assert (await refused(call))[0] == 404
    assert (await store.till.redeem(terms.code, "B-2", store.ada.id))["won"]


async def test_the_ledger_and_the_keys_survive(store, tmp_path):
    await store.till.sell("B-1", LINES, "EUR", customer=store.ada.id)
    again = World(tmp_path / "world", store.desk.now)
    tables = await again.start(TillSandbox)
    assert tables["pos"]["terminals"]["till-1"] == store.till._key
    assert [each.kind for each in again.entries] == ["sale"]
    assert isinstance(again.entries[0], Entry)
    await again.stop()


async def test_the_page_has_no_data_and_a_strict_policy(store):
    for path, media_type in {"": "text/html", "till.js": "text/javascript", "till.css": "text/css"}.items():
        answer = await store.world.post(f"/pos/{path}", headers={}, body=b"", method="GET")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media_type)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "%" not in answer.text.replace("100%", "").replace("% off", "")
        assert "Ada" not in answer.text


def test_a_card_shows_its_words_to_no_log():
    card = TillCard("d1", FakeClock().now(), "Ada's boots", "Ada's boots", "ADA7-BOOTS")
    assert [each for each in ("boots", "ADA7") if each in repr(card) + repr(TillCards((card,)))] == []
