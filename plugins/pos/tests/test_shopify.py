import json
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from omnibus import Absent, Endpoint, Event, Forged, Receipt, Refused, Request, Response, TryLater, Unknown
from omnibus.testing import (
    FakeClock,
    FakeDesk,
    ProviderContract,
    World,
    sample_attempt,
    sample_context,
    sample_draft,
    serve,
)
from omnibus.testing.clock import START
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import Fault, FaultyServer, Reply
from omnibus_pos import Pos, Shopify
from omnibus_pos.shopify_calls import discount, draft, throttled
from omnibus_pos.shopify_hooks import SHOP, SIGNATURE, TOPIC, TRIGGERED, signature
from omnibus_pos.shopify_sandbox import ShopifySandbox

CART = {
    "id": "c-77", "currency": "EUR", "lines": [{"sku": "S1", "name": "Trail Boots", "quantity": 2, "price": "39.00"}],
}  # fmt: skip
ADA = "gid://shopify/Customer/1"


def card(**changes):
    events = [Event("c-77", "web", "cart.updated", START - timedelta(hours=1), "c1", CART)]
    return Pos().compose(sample_draft("pos", **changes), None, sample_context(events=events))


def signed(body, secret, topic, shop="acme.myshopify.com"):
    headers = {SIGNATURE: signature(secret, body), TOPIC: topic, SHOP: shop, TRIGGERED: "2026-11-21T12:00:00Z"}
    return Request("POST", "https://talk.example.com/hooks/pos/shopify", headers, body)


class TestShopify(ProviderContract):
    provider_class = Shopify
    settings: ClassVar = {
        "token": "shpat-t0p-s3cret", "shop": "acme.myshopify.com", "webhook_secret": "first-signing-secret-0001",
    }  # fmt: skip
    folder = Path(__file__).parent / "webhooks" / "shopify"
    # a connection that is reset before the first query was read created nothing: TryLater, not Unknown
    faults = tuple(each for each in Fault if each is not Fault.RESET_BEFORE)
    without: ClassVar = {
        "timestamp": "Shopify's is not signed; webhook ids deduplicate", "identity": "a card needs no address",
    }  # fmt: skip

    def content(self):
        return card()

    def submits(self, request):
        return b"discountCodeBasicCreate(" in request.body

    def success(self, request):
        answers = {
            b"customerByIdentifier": None, b"draftOrders(": {"nodes": []}, b"codeDiscountNodeByCode": None,
            b"draftOrderCreate": {"draftOrder": {"id": "gid://shopify/DraftOrder/1"}, "userErrors": []},
            b"discountCodeBasicCreate": {"codeDiscountNode": {"id": "gid://shopify/D/1"}, "userErrors": []},
        }  # fmt: skip
        name = next(each for each in answers if each in request.body)
        return Reply.of_json({"data": {name.decode().strip("("): answers[name]}})

    def found(self, request, attempt):
        return Reply.of_json({"data": {"codeDiscountNodeByCode": {"id": "gid://shopify/D/1"}}})

    def absent(self, request):
        return Reply.of_json({"data": {"codeDiscountNodeByCode": None}})

    def sign(self, body, secret):
        topic = "orders/updated"
        if b"marketing_consent" in body:
            topic = "customers/update"
        if b"orders_to_redact" in body:
            topic = "customers/redact"
        return signed(body, secret, topic)


# Source: reference vectors, cross-checked with @shopify/shopify-api
def test_the_signature_is_the_published_one():
    assert signature("shpss_secret", b'{"hello":"world"}') == "XVPvXRVq0pqtvpnZDFuVER8kpPOlBKZFV1aZvN7q80s="


def test_another_shop_is_forged_and_data_requests_are_no_news():
    shop = Shopify(
        Shopify.Settings(token="t", shop="acme.myshopify.com", webhook_secret=["a", "b"]), now=FakeClock().now
    )
    assert shop.receive(signed(b"{}", "b", "customers/data_request")) == []
    assert shop.receive(signed(b"{}", "a", "shop/redact")) == []
    with pytest.raises(Forged):
        shop.receive(signed(b"{}", "a", "shop/redact", shop="evil.myshopify.com"))
    for wrong in ("acme.example.com", "acme.myshopify.com.evil.example", ""):
        with pytest.raises(ValidationError):
            Shopify.Settings(token="t", shop=wrong)


def test_a_draft_and_a_code_whole():
    attempt = sample_attempt()
    tag = "omnibus-0197f5a0000070008000000000000001"
    assert draft(card(), attempt, ADA) == {
        "lineItems": [{
            "title": "Trail Boots", "sku": "S1", "quantity": 2,
            "originalUnitPriceWithCurrency": {"amount": "39.00", "currencyCode": "EUR"},
        }],
        "presentmentCurrencyCode": "EUR",
        "tags": ["omnibus", tag],
        "customAttributes": [
            {"key": "omnibus_delivery", "value": attempt.delivery}, {"key": "omnibus_code", "value": "ADA7-K2M9-3QXT"},
        ],
        "note": "15 % off ADA7-K2M9-3QXT",
        "purchasingEntity": {"customerId": ADA},
    }  # fmt: skip
    assert len(tag) <= 40
    assert discount(card(), ADA, "2026-11-21T12:00:00+00:00") == {
        "title": "15 % off ADA7-K2M9-3QXT", "code": "ADA7-K2M9-3QXT", "startsAt": "2026-11-21T12:00:00+00:00",
        "endsAt": "2026-11-24T12:00:00+00:00", "usageLimit": 1, "appliesOncePerCustomer": True,
        "context": {"customers": {"add": [ADA]}},
        "customerGets": {"value": {"percentage": 0.15}, "items": {"all": True}},
    }  # fmt: skip
    assert discount(card(), "", "x")["context"] == {"all": "ALL"}


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path / "world", FakeClock().now)
    world.tables = await world.start(ShopifySandbox)
    world.sandbox("pos").people[ADA] = {"emailAddress": "ada@example.com"}
    yield world
    await world.stop()


def provider(world, **changes):
    told = {key: value for key, value in world.tables["pos"].items() if key != "provider"}
    return Shopify(Shopify.Settings(**{**told, **changes}), now=world.now)


async def test_a_cart_becomes_a_draft_and_a_code_once(world):
    shop, keep, box = provider(world), FakeKeep(), world.sandbox("pos")
    receipt = await shop.send(card(), "", sample_attempt(), keep)
    assert receipt.details["shopify"] == {
        "draft": "gid://shopify/DraftOrder/1001", "customer": ADA, "code": "gid://shopify/DiscountCodeNode/1002",
    }  # fmt: skip
    assert receipt.provider_id == "gid://shopify/DraftOrder/1001"
    assert await shop.lookup(sample_attempt(), "", keep) == Receipt(receipt.provider_id)
    assert await shop.send(card(), "", sample_attempt(resent=True), keep) == receipt
    assert await shop.send(card(), "", sample_attempt(resent=True), FakeKeep()) == receipt
    other = await shop.send(card(), "", sample_attempt(2), FakeKeep())
    assert other.details["shopify"]["code"] == receipt.details["shopify"]["code"]
    assert (len(box.drafts), len(box.codes)) == (2, 1)
    await shop.withdraw(receipt, keep)
    await shop.withdraw(receipt, keep)
    assert (len(box.drafts), len(box.codes)) == (1, 1)
    await shop.check()
    await shop.aclose()


async def test_without_a_code_the_draft_is_looked_up_by_its_tag(world):
    shop, keep = provider(world), FakeKeep()
    plain = card(offer=None)
    assert await shop.lookup(sample_attempt(), "", keep) == Absent()
    made = await shop.send(plain, "", sample_attempt(), keep)
    assert await shop.lookup(sample_attempt(), "", FakeKeep()) == Receipt(made.provider_id)
    assert world.sandbox("pos").codes == {}
    nothing = Pos().compose(sample_draft("pos", offer=None), None, sample_context())
    assert (await shop.send(nothing, "", sample_attempt(3), keep)).provider_id == sample_attempt(3).delivery
    await shop.aclose()


async def test_a_full_bucket_says_how_long(world):
    shop = provider(world)
    world.sandbox("pos").throttle = 1
    with pytest.raises(TryLater) as caught:
        await shop.send(card(), "", sample_attempt(), FakeKeep())
    assert (caught.value.reason, caught.value.retry_after) == ("THROTTLED", 0.5)
    assert throttled({}) is None
    await shop.aclose()


ERRORS = [
    ({"errors": [{"message": "m", "extensions": {"code": "ACCESS_DENIED"}}]}, 200, TryLater, "ACCESS_DENIED", True),
    ({"errors": [{"message": "m", "extensions": {"code": "SHOP_INACTIVE"}}]}, 200, TryLater, "SHOP_INACTIVE", True),
    ({"errors": [{"message": "m", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}, 200, Refused, "MAX_COST_EXCEEDED", False),
    ({"errors": [{"extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}, 200, Unknown, "INTERNAL_SERVER_ERROR", False),
    ({"errors": [{"message": "new"}]}, 200, Unknown, "graphql_error", False),
    ({}, 402, TryLater, "http_402", True),
    ({}, 423, TryLater, "http_423", True),
    ({}, 430, TryLater, "http_430", True),
    ({"data": {"draftOrderCreate": {"userErrors": [{"field": ["input", "x"], "message": "Ada"}]}}}, 200, Refused,
     "user_error:input.x", False),
    ({"data": {"draftOrderCreate": {"userErrors": [{"field": None, "code": "TAKEN"}]}}}, 200, Refused,
     "user_error:TAKEN", False),
    ({"data": {"draftOrderCreate": {"userErrors": [{"code": "Ada's street 1"}]}}}, 200, Refused, "user_error:unnamed",
     False),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "error", "reason", "account"), ERRORS)
async def test_each_answer_has_its_meaning(body, status, error, reason, account):
    test = TestShopify()

    def script(request):
        return Reply.of_json(body, status) if b"draftOrderCreate" in request.body else test.success(request)

    async with FaultyServer(script) as server:
        shop = test.provider(server.base_url)
        with pytest.raises(error) as caught:
            await shop.send(card(), "", sample_attempt(), FakeKeep())
        assert (caught.value.reason, caught.value.account) == (reason, account)
        await shop.aclose()


async def test_a_payment_comes_back_signed(world):
    shop, heard = provider(world), []
    made = await shop.send(card(), "", sample_attempt(), FakeKeep())

    async def hook(request, desk):
        heard.extend(shop.receive(request))
        return Response()

    async with serve([Endpoint("hooks", "POST", "/pos/shopify", hook)], FakeDesk()) as url:
        world.public_url = url
        world.sandbox("pos").pay(made.provider_id, "ada@example.com", ("ADA7-K2M9-3QXT",))
        assert await world.pump() == 1
    (told,) = heard
    assert (told.type, told.identity, told.data["total"], told.data["codes"]) == (
        "order.placed", ("email", "ada@example.com"), "78.00", ["ADA7-K2M9-3QXT"],
    )  # fmt: skip
    assert json.dumps(told.data)
    await shop.aclose()


async def test_the_sandbox_refuses_a_wrong_token(world):
    shop = provider(world, token="wrong")
    with pytest.raises(TryLater) as caught:
        await shop.send(card(), "", sample_attempt(), FakeKeep())
    assert caught.value.account
    assert world.entries == []
    await shop.aclose()
