import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from omnibus import Endpoint, Event, Receipt, Refused, Request, Response, TryLater, Unknown
from omnibus.testing import (
    ChannelContract,
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
from omnibus_pos import Display, Pole, StripeReader
from omnibus_pos.commands import Ink, Page
from omnibus_pos.pole import frame
from omnibus_pos.sandbox import PoleSandbox
from omnibus_pos.stripe import form, shown
from omnibus_pos.stripe_hooks import signature
from omnibus_pos.stripe_sandbox import READER, StripeSandbox

LINES = [
    {"sku": "S1", "name": "Trail Boots", "quantity": 1, "price": "39.00"},
    {"sku": "S2", "name": "Laces", "quantity": 2, "price": "1.75"},
]
WORDS = {"cta": None, "headline": "Welcome back, Ada", "paragraphs": ("Your boots: €39.00",)}


def content(**changes):
    cart = {"id": "c-77", "currency": "EUR", "lines": LINES}
    events = [Event("c-77", "web", "cart.updated", START - timedelta(hours=1), "c1", cart)]
    return Display().compose(sample_draft("display", **{**WORDS, **changes}), None, sample_context(events=events))


class TestDisplay(ChannelContract):
    def channel(self):
        return Display()


class TestPole(ProviderContract):
    provider_class = Pole
    settings: ClassVar = {"host": "127.0.0.1", "port": 1, "codepage": "cp858", "seconds": 0}
    faults = (Fault.REFUSED, Fault.RESET)
    without: ClassVar = {
        "http": "a byte stream", "webhooks": "a pole display tells nothing", "identity": "it stands in the store",
    }  # fmt: skip

    def content(self):
        return content()

    @asynccontextmanager
    async def faulty(self, fault):
        async def served(reader, writer):
            await reader.read(10)
            writer.transport.abort()

        server = await asyncio.start_server(served, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if fault is Fault.REFUSED:
            server.close()
            await server.wait_closed()
        provider = self.provider(port=port)
        yield provider
        await provider.aclose()
        server.close()

    async def _same_key(self):
        async with good_pole() as port:
            provider = self.provider(port=port)
            first, again = await self.handed(provider), await self.handed(provider, sample_attempt(resent=True))
            assert isinstance(first, Receipt)
            assert first == again


@asynccontextmanager
async def good_pole():
    async def served(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


class TestStripe(ProviderContract):
    provider_class = StripeReader
    settings: ClassVar = {
        "key": "sk_live_t0p-s3cret", "reader": "tmr_ours", "webhook_secret": "first-signing-secret-0001",
    }  # fmt: skip
    folder = Path(__file__).parent / "webhooks" / "stripe"
    without: ClassVar = {"identity": "it stands in the store"}

    def content(self):
        return content()

    def success(self, request):
        return Reply.of_json({"id": "tmr_ours", "object": "terminal.reader"})

    def sign(self, body, secret):
        stamp = str(int(self.clock.now().timestamp()))
        headers = {"stripe-signature": f"t={stamp},v1={signature(secret, stamp, body)}"}
        return Request("POST", self.hook_url, headers, body)


def test_frames_are_two_lines_of_twenty():
    assert content().frames == (
        ("Welcome back, Ada", "Your boots: €39.00"), ("15 % off with code", "ADA7-K2M9-3QXT until"),
        ("24 November 2026", "Your Acme team"), ("Acme Ltd, 1 High", "Street, London"),
    )  # fmt: skip


def test_a_frame_byte_for_byte():
    ink = Ink((Page("cp858", 19),))
    assert frame("Total", "€39\x1b@\n.00", ink) == b"\x0c\x1bt\x13Total\x1f$\x01\x02\xd539@ .00"


@pytest.fixture
async def world(tmp_path):
    clock = FakeClock()
    world = World(tmp_path / "world", clock.now)
    world.clock = clock
    world.tables = await world.start(PoleSandbox)
    yield world
    await world.stop()


def pole(world, **changes):
    table = world.tables["display"]
    port = int(table["provider"].rpartition(":")[2])
    told = {"host": "127.0.0.1", "port": port, "codepage": table["codepage"], "seconds": 0, **changes}
    return Pole(Pole.Settings(**told), now=world.now)


async def test_a_pole_shows_every_frame_and_the_last_stays(world):
    provider = pole(world)
    receipt = await provider.send(content(), "", sample_attempt(), FakeKeep())
    assert receipt.details == {"frames": 4, "replaced": 0}
    frames = [each.text for each in world.of("display")]
    assert frames == ["\n".join(each) for each in content().frames]
    assert world.sandbox("display").rows == ["Acme Ltd, 1 High", "Street, London"]
    await provider.withdraw(receipt, FakeKeep())
    assert world.sandbox("display").rows == ["", ""]
    await provider.check()
    with pytest.raises(Refused, match="unprintable"):
        await pole(world, codepage="cp437").send(content(), "", sample_attempt(), FakeKeep())


async def test_a_reset_after_any_byte_of_a_frame_is_unknown(world):
    for k in range(1, 60, 4):
        world.sandbox("display").reset_after = k
        with pytest.raises(Unknown):
            await pole(world).send(content(), "", sample_attempt(), FakeKeep())


def test_the_readers_cart_whole():
    assert form(shown(content(), "usd")) == {
        "type": "cart", "cart[currency]": "eur", "cart[total]": "4250",
        "cart[line_items][0][description]": "Trail Boots", "cart[line_items][0][amount]": "3900",
        "cart[line_items][0][quantity]": "1", "cart[line_items][1][description]": "Laces",
        "cart[line_items][1][amount]": "175", "cart[line_items][1][quantity]": "2",
        **{
            f"cart[line_items][{number}][{name}]": value
            for number, words in enumerate(
                ("Welcome back, Ada", "Your boots: €39.00", "15 % off with code ADA7-K2M9-3QXT until 24 November 2026",
                 "Your Acme team", "Acme Ltd, 1 High Street, London"), 2)
            for name, value in {"description": words, "amount": "0", "quantity": "1"}.items()
        },
    }  # fmt: skip
    bare = Display().compose(sample_draft("display", **WORDS), None, sample_context())
    assert (shown(bare, "usd")["currency"], shown(bare, "usd")["total"]) == ("usd", 0)


# Source: reference vectors, cross-checked with the stripe SDK's WebhookSignature
def test_the_signature_is_the_published_one():
    signed = signature("whsec_test", "1614265330", b'{"hello":"world"}')
    assert signed == "370abcc63ee408619d1dd780cd9b9048eb80d890ba26536834941e29beeb04ec"


@pytest.fixture
async def stripe(tmp_path):
    clock = FakeClock()
    world = World(tmp_path / "stripe", clock.now)
    world.clock = clock
    world.tables = await world.start(StripeSandbox)
    yield world
    await world.stop()


def reader(world, **changes):
    told = {key: value for key, value in world.tables["display"].items() if key != "provider"}
    return StripeReader(StripeReader.Settings(**{**told, **changes}), now=world.now)


async def test_a_reader_shows_the_cart_once_and_says_so(stripe):
    provider, box, heard = reader(stripe), stripe.sandbox("display"), []
    receipt = await provider.send(content(), "", sample_attempt(), FakeKeep())
    assert receipt.provider_id.startswith(f"{READER}:")
    assert await provider.send(content(), "", sample_attempt(resent=True), FakeKeep()) == receipt
    with pytest.raises(Refused, match="idempotency_error"):
        await provider.send(content(headline="Hi"), "", sample_attempt(resent=True), FakeKeep())
    assert (box.cart["total"], len(stripe.of("display"))) == (4250, 1)

    async def hook(request, desk):
        heard.extend(provider.receive(request))
        return Response()

    async with serve([Endpoint("hooks", "POST", "/display/stripe", hook)], FakeDesk()) as url:
        stripe.public_url = url
        stripe.clock.advance(timedelta(seconds=2))
        assert await stripe.pump() == 1
    assert [(each.type, each.provider_id) for each in heard] == [("message.delivered", receipt.provider_id)]
    await provider.withdraw(receipt, FakeKeep())
    assert box.cart is None
    await provider.check()
    await provider.aclose()


CODES = [
    ("terminal_reader_offline", TryLater, False), ("terminal_reader_busy", TryLater, False),
    ("terminal_reader_timeout", TryLater, False), ("terminal_reader_hardware_fault", TryLater, False),
    ("terminal_reader_invalid_location_for_payment", TryLater, True), ("parameter_unknown", Refused, False),
    ("something_new", Refused, False),
]  # fmt: skip


@pytest.mark.parametrize(("code", "error", "account"), CODES)
async def test_each_code_has_its_meaning(stripe, code, error, account):
    provider = reader(stripe)
    stripe.sandbox("display").trouble = code
    with pytest.raises(error) as caught:
        await provider.send(content(), "", sample_attempt(), FakeKeep())
    assert caught.value.account is account
    assert stripe.entries == []
    await provider.aclose()


async def test_should_retry_decides_over_the_status():
    test = TestStripe()
    async with FaultyServer(lambda _: Reply(500, b"{}", {"stripe-should-retry": "true"})) as server:
        provider = test.provider(server.base_url)
        with pytest.raises(TryLater, match="should_retry"):
            await provider.send(content(), "", sample_attempt(), FakeKeep())
        await provider.aclose()


async def test_the_sandbox_refuses_a_wrong_key(stripe):
    provider = reader(stripe, key="sk_wrong")
    with pytest.raises(TryLater) as caught:
        await provider.send(content(), "", sample_attempt(), FakeKeep())
    assert caught.value.account
    await provider.aclose()
