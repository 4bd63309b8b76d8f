from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from smpp34 import DeliverSm, Server, Tlv, decode

from omnibus import Content, Receipt, Refused, Report, Request, TryLater, Unknown, Unreachable
from omnibus.testing import FakeClock
from omnibus.testing.clock import START as NOON
from omnibus.testing.contracts import ProviderContract
from omnibus.testing.drafts import sample_attempt
from omnibus.testing.faults import Fault, FaultyServer, Reply
from omnibus_sms import Smpp, SmsContent, own_hook
from omnibus_sms.smpp_ids import Ids, spellings
from omnibus_sms.smpp_pdu import Piece, lasting, numbering, pieces, receipt_of, submit, told
from omnibus_sms.smpp_sandbox import SmppSandbox
from omnibus_sms.smpp_session import BIND, bind_body, pdu

ADA = "+447700900123"
HELLO, LONG = SmsContent(text="Acme: hi €"), SmsContent(text="a" * 152 + "€" + "b" * 152, segments=3)


def attempt(**changes):
    return sample_attempt(**{"id": "a-1", **changes})


async def until(happened):
    for _ in iter(happened, True):
        await asyncio.sleep(0)


@pytest.fixture
async def sandbox(world):
    await world.start(SmppSandbox)
    return world.sandbox("sms")


@pytest.fixture
async def hook():
    async with FaultyServer(lambda _: Reply(204)) as server:
        yield server


@pytest.fixture
async def smpp(sandbox, clock, hook):
    made = []

    def make(*, hook_url=f"{hook.base_url}/hooks/sms/smpp", **more) -> Smpp:
        table = {k: v for k, v in sandbox.table()["sms"].items() if k != "provider"} | more
        made.append(Smpp(Smpp.Settings(**table), now=clock.now, hook_url=hook_url))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


# ---- bytes


def test_published_pdus():
    """Made alike by npm smpp 0.5.1 and smpp34 1.5.0."""
    assert pdu(BIND["transceiver"], 0, 1, bind_body("u", "secret", "")).hex() == (
        "0000001e0000000900000000000000017500736563726574000034000000"
    )
    (piece,) = pieces("Hi €", 1)
    assert submit(piece, "ACME", "+15551234567", receipt=True, sequence=2).hex() == (
        "0000003500000004000000000000000200050041434d45000101313535353132333435363700000000000001000000054869201b65"
    )
    second = Piece(bytes.fromhex("0500032a0201") + "пр".encode("utf-16-be"), 8, 0x40)
    assert submit(second, "+15550001111", "+15551234567", receipt=False, sequence=3).hex() == (
        "00000041000000040000000000000003000101313535353030303131313100010131353535313233343536370040000000000000"
        "08000a0500032a0201043f0440"
    )


def test_a_published_receipt():
    octets = bytes.fromhex(
        "000000a0000000050000000000000007000101313535353132333435363700050041434d45000400000000000000006269643a6162"
        "6331207375623a30303120646c7672643a303031207375626d697420646174653a3236313132313138333020646f6e652064617465"
        "3a3236313132313138333120737461743a44454c49565244206572723a30303020746578743a4869001e0005616263310004270001"
        "02"
    )
    assert told(decode(octets), "gsm7") == {"from": "+15551234567", "receipt": "abc1", "stat": "DELIVRD", "err": "000"}


@pytest.mark.parametrize(
    ("text", "tlvs", "read"),
    [
        (
            "id:7 sub:001 dlvrd:001 submit date:1 done date:2 stat:DELIVRD err:000 text:stat:UNDELIV",
            {},
            ("7", "DELIVRD", "000"),
        ),
        ("ID:7 STAT:undeliv ERR:0A5", {}, ("7", "UNDELIV", "0A5")),
        ("err:1 stat:EXPIRED id:AbC", {}, ("AbC", "EXPIRED", "1")),
        ("id:7 stat:DELIVRD", {0x001E: b"9\0", 0x0427: b"\x05"}, ("9", "UNDELIV", "")),
        ("", {}, ("", "", "")),
        ("nonsense \xff", {0x0427: b""}, ("", "", "")),
    ],
)
def test_receipts_in_any_case_and_order_and_tlvs_win(text, tlvs, read):
    assert tuple(receipt_of(text, tlvs).values()) == read


def test_long_messages_three_ways():
    text = "a" * 152 + "€" + "b" * 152
    udh = pieces(text, 0x2A)
    assert [each.octets[:6].hex() for each in udh] == ["0500032a0301", "0500032a0302", "0500032a0303"]
    assert [each.octets[6:] for each in udh] == [b"a" * 152, b"\x1b\x65" + b"b" * 151, b"b"]
    assert {each.esm_class for each in udh} == {0x40}
    (payload,) = pieces(text, 0x2A, long="payload")
    assert payload == Piece(b"", 0, tlvs=((0x0424, b"a" * 152 + b"\x1b\x65" + b"b" * 152),))
    sar = pieces(text, 0x2A, long="sar")
    assert sar[1] == Piece(
        b"\x1b\x65" + b"b" * 151, 0, tlvs=((0x020C, b"\x00\x2a"), (0x020E, b"\x03"), (0x020F, b"\x02"))
    )
    assert pieces("п", 1)[0] == Piece("п".encode("utf-16-be"), 8)
    assert pieces("é@", 1, alphabet="latin1")[0] == Piece(b"\xe9@", 0)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, ""), (60, "000000000100000R"), (90_061, "000001010101000R"), (2_592_000, "000100000000000R")],
)
def test_validity(seconds, written):
    assert lasting(seconds) == written
    assert len(written) in {0, 16}


def test_numbering():
    assert [numbering(each) for each in ("+4477", "12345", "Acme")] == [(1, 1, "4477"), (3, 0, "12345"), (5, 0, "Acme")]


@pytest.mark.parametrize(
    ("octets", "more", "read"),
    [
        (b"Hi \x1b\x65", {}, {"text": "Hi €"}),
        ("größer 😀".encode("utf-16-be"), {"data_coding": 8}, {"text": "größer 😀"}),
        (b"caf\xe9", {"data_coding": 3}, {"text": "café"}),
        (b"abc", {"data_coding": 1}, {"text": "abc"}),
        (b"\x05\x00\x03\x07\x02\x01Hi", {"esm_class": 0x40}, {"text": "Hi", "concat_ref": 7, "concat_part": 1, "concat_total": 2}),
        (b"\x06\x08\x04\x01\x07\x02\x01Hi", {"esm_class": 0x40}, {"text": "Hi", "concat_ref": 263, "concat_part": 1, "concat_total": 2}),
        (b"\x20", {"esm_class": 0x40}, {"text": ""}),
        (b"", {"tlvs": [Tlv(0x0424, b"long")]}, {"text": "long"}),
        (b"Hi", {"tlvs": [Tlv(0x020C, b"\0\7"), Tlv(0x020E, b"\2"), Tlv(0x020F, b"\1")]},
         {"text": "Hi", "concat_ref": 7, "concat_part": 1, "concat_total": 2}),
    ],
)  # fmt: skip
def test_what_a_person_wrote(octets, more, read):
    heard = DeliverSm("447700900123", "12345", octets, source_addr_ton=1, **more)
    assert told(heard, "gsm7") == {"from": ADA, **read}


# ---- against an SMSC of other hands


@asynccontextmanager
async def other_smsc():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server("127.0.0.1", port)
    await server.start()
    try:
        yield server, port
    finally:
        await server.stop()


async def test_with_smpp34s_server(hook, clock):
    async with other_smsc() as (server, port):
        settings = Smpp.Settings(
            system_id="u", password="p", host="127.0.0.1", port=port, webhook_secret="s", **{"from": "ACME"}
        )
        provider = Smpp(settings, now=clock.now, hook_url=f"{hook.base_url}/h")
        sending = asyncio.create_task(provider.send(LONG, ADA, attempt(), None))
        esme = await server.next()
        assert (esme.system_id, esme.can_receive) == ("u", True)
        seen = []
        for number in range(3):
            event = await server.next()
            seen.append(event)
            if number == 2:  # the receipt overtakes the response
                early = asyncio.ensure_future(
                    esme.deliver_sm(
                        "ACME", b"id:M2 stat:DELIVRD err:000", source_addr=ADA[1:], source_addr_ton=1, esm_class=4
                    )
                )
                await asyncio.sleep(0)
            event.accept(f"M{number}")
        assert await sending == Receipt("M2", {"parts": 3, "encoding": "gsm7"})
        assert (await early).command_status == 0
        assert [(each.source_addr, each.destination_addr, each.esm_class, each.registered_delivery) for each in seen] == [
            ("ACME", ADA[1:], 0x40, 0), ("ACME", ADA[1:], 0x40, 0), ("ACME", ADA[1:], 0x40, 1),
        ]  # fmt: skip
        assert b"".join(each.short_message[6:] for each in seen) == b"a" * 152 + b"\x1b\x65" + b"b" * 152
        assert len({each.short_message[3] for each in seen}) == 1
        (request,) = hook.requests
        assert provider.receive(request) == [
            Report("M2:DELIVRD", "message.delivered", clock.now(), attempt=attempt().id, provider_id="M2")
        ]
        for status, error in ((0x58, TryLater), (0x0B, Unreachable), (0x0A, TryLater), (0x45, TryLater)):
            sending = asyncio.create_task(provider.send(HELLO, ADA, attempt(), None))
            (await server.next()).reject(status)
            with pytest.raises(error) as caught:
                await sending
            assert caught.value.reason == f"0x{status:02X}"
        await provider.aclose()
        assert type(await server.next()).__name__ == "Unbound"


# ---- against our own SMSC, which can fail


async def test_a_message_its_receipt_and_replies(sandbox, smpp, world, hook, clock):
    provider = smpp()
    receipt = await provider.send(LONG, ADA, attempt(), None)
    (entry,) = world.of("sms", kind="message")
    assert (entry.id, entry.to, entry.text) == (receipt.provider_id, ADA, LONG.text)
    clock.advance(timedelta(seconds=5))
    assert await world.pump() == 1
    await sandbox.reply(ADA, "Größer 😀?")
    await sandbox.reply(ADA, "STOP")
    told = [report for request in hook.requests for report in provider.receive(request)]
    assert [(each.type, each.attempt, each.identity, dict(each.data)) for each in told] == [
        ("message.delivered", "a-1", None, {}),
        ("conversation.received", None, ("phone", ADA), {"channel": "sms", "text": "Größer 😀?"}),
        ("consent.withdrawn", None, ("phone", ADA), {"channel": "sms", "purpose": "marketing", "topic": "*", "word": "STOP"}),
    ]  # fmt: skip
    with pytest.raises(Refused, match="0x66"):
        await provider.send(HELLO, ADA, attempt(), None)
    with pytest.raises(Unreachable):
        await smpp(statuses={"0x66": "opt_out"}).send(HELLO, ADA, attempt(), None)


async def test_a_receipt_is_acknowledged_only_when_it_is_stored(sandbox, smpp, world, hook, clock):
    provider = smpp()
    await provider.send(HELLO, ADA, attempt(), None)
    clock.advance(timedelta(seconds=5))
    hook.script = lambda _: Reply(503)
    with pytest.raises(RuntimeError, match="did not store"):
        await world.pump()
    hook.script = lambda _: Reply(204)
    assert await world.pump() == 1


async def test_a_receipt_before_its_response_and_in_decimal(sandbox, smpp, world, hook, monkeypatch):
    monkeypatch.setattr(SmppSandbox, "decimal", True)
    sandbox.fault("early")
    provider = smpp()
    receipt = await provider.send(HELLO, ADA, attempt(), None)
    await until(lambda: bool(hook.requests))
    (report,) = provider.receive(hook.requests[0])
    assert report == Report(
        f"{int(receipt.provider_id, 16)}:DELIVRD",
        "message.delivered",
        NOON,
        attempt="a-1",
        provider_id=report.provider_id,
    )
    other = smpp(receipt_ids="decimal")
    said = {"from": ADA, "receipt": str(int("7F3A", 16)), "stat": "DELIVRD", "err": ""}
    body = json.dumps(said).encode()
    request = Request(
        "POST", "https://talk.example.com/h", own_hook.headers(body, "sandbox-webhook-secret", NOON), body
    )
    assert [each.provider_id for each in other.receive(request)] == ["7F3A"]


@pytest.mark.parametrize(
    ("fault", "content", "error", "reason"),
    [
        ("429", HELLO, TryLater, "0x58"),
        ("500", HELLO, TryLater, "0x08"),
        ("lost", HELLO, Unknown, "disconnected"),
        ("timeout", HELLO, Unknown, "deadline"),
        ("garbage", HELLO, Unknown, "disconnected"),
    ],
)
async def test_faults(sandbox, smpp, fault, content, error, reason):
    provider = smpp()
    sandbox.fault(fault)
    with pytest.raises(error) as caught:
        await provider.send(content, ADA, attempt(deadline=0.6), None)
    assert caught.value.reason == reason
    assert (await provider.send(HELLO, ADA, attempt(), None)).provider_id  # by a new session where the old one is gone


async def test_a_later_part_refused_is_unknown_and_never_repeated(sandbox, smpp, world):
    sandbox.fault("")
    sandbox.fault("429")
    with pytest.raises(Unknown, match="partly_sent"):
        await smpp().send(LONG, ADA, attempt(), None)
    assert [entry.kind for entry in world.entries] == ["part"]


@pytest.mark.parametrize(("wrong", "reason"), [({"system_id": "nobody"}, "0x0F"), ({"password": "wrong"}, "0x0E")])
async def test_a_refused_bind_pauses_the_account(smpp, wrong, reason):
    with pytest.raises(TryLater) as error:
        await smpp(**wrong).send(HELLO, ADA, attempt(), None)
    assert (error.value.reason, error.value.account) == (reason, True)
    with pytest.raises(TryLater):
        await smpp(**wrong).check()


async def test_without_hook_or_secret_it_only_transmits(sandbox, smpp, world, clock):
    for provider in (smpp(hook_url=""), smpp(webhook_secret="")):
        await provider.check()
        await provider.send(HELLO, ADA, attempt(), None)
    assert [command for _, command in sandbox.binds] == [BIND["transmitter"]] * 2
    assert world.next_due is None


async def test_open_submits_end_unknown_when_the_session_is_cut(sandbox, smpp):
    provider = smpp()
    sandbox.fault("timeout", times=3)
    sending = [asyncio.create_task(provider.send(HELLO, ADA, attempt(id=f"a-{n}"), None)) for n in range(3)]
    await until(lambda: len(sandbox.world.entries) == 3)
    await sandbox.drop()
    assert [type(each) for each in await asyncio.gather(*sending, return_exceptions=True)] == [Unknown] * 3


@pytest.mark.parametrize(
    ("address", "content", "settings", "error", "reason"),
    [
        ("07700900123", HELLO, {}, Unreachable, "not_e164"),
        (ADA, SmsContent(text="x", media=("https://a.example/1.png",)), {}, Refused, "no_mms"),
        (ADA, HELLO, {"from": "Grüße"}, TryLater, "bad_sender"),
        (ADA, HELLO, {"from": "A name so long"}, TryLater, "0x0A"),
        (ADA, HELLO, {"countries": ["US"]}, Refused, "country_not_allowed"),
        (ADA, Content(text="a letter"), {}, Refused, "no_sms"),
    ],
)
async def test_refusals(smpp, address, content, settings, error, reason):
    with pytest.raises(error) as caught:
        await smpp(**settings).send(content, address, attempt(), None)
    assert caught.value.reason == reason


async def test_whose_waits_only_for_what_was_open():
    ids = Ids()
    assert await ids.whose("7") is None
    async with ids.submitting():
        asked = asyncio.create_task(ids.whose("255"))
        await asyncio.sleep(0)
        assert not asked.done()
        ids.learn("FF", "a-1")
    assert await asked == "a-1"
    assert spellings("FF") == {"FF", "ff", "255", "0000000255"}
    assert spellings("x-1") == {"x-1", "X-1"}
    assert "ff" in spellings("255")


# ---- the contract


class RawSmsc:
    """Bind well, then do *fault* at the first submit."""

    def __init__(self, fault: Fault) -> None:
        self.fault, self.tasks = fault, set()

    async def talk(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            if self.fault is Fault.RESET_BEFORE:
                return
            while True:
                length, command, _, sequence = struct.unpack(">IIII", await reader.readexactly(16))
                await reader.readexactly(length - 16)
                if command == 4:
                    break
                writer.write(pdu(command | 0x80000000, 0, sequence, b"x\0"))
            if self.fault is Fault.GARBAGE:
                writer.write(b"\xff" * 64)
            elif self.fault in {Fault.TRUNCATED, Fault.HALF_HEAD}:
                writer.write(pdu(0x80000004, 0, sequence, b"id\0")[: 17 if self.fault is Fault.TRUNCATED else 5])
            elif self.fault is Fault.HANG:
                await asyncio.Event().wait()
            elif self.fault is Fault.DRIP:
                for octet in pdu(0x80000004, 0, sequence, b"i" * 60):
                    writer.write(bytes([octet]))
                    await asyncio.sleep(0.05)
        except EOFError:
            pass
        finally:
            writer.transport.abort()


class TestSmpp(ProviderContract):
    provider_class = Smpp
    settings: ClassVar = {
        "system_id": "acme", "password": "t0p-s3cr", "host": "127.0.0.1", "port": 1, "from": "Acme",
        "webhook_secret": "first-signing-secret-0001",
    }  # fmt: skip
    address = ADA
    folder = Path(__file__).parent / "webhooks" / "smpp"
    without: ClassVar = {"http": "SMPP over TCP"}
    faults = (
        Fault.REFUSED, Fault.RESET_BEFORE, Fault.RESET, Fault.CLOSED, Fault.HALF_HEAD, Fault.GARBAGE, Fault.HANG,
        Fault.TRUNCATED, Fault.DRIP,
    )  # fmt: skip
    meanings: ClassVar = {Fault.RESET_BEFORE: TryLater}  # not even bound: nothing was submitted

    def content(self):
        return SmsContent(text="Acme: your boots wait")

    def provider(self, base_url="", **changes):
        errors = {"001": "hard", "006": "soft", "0B1": "opt_out", "0A5": "account"}
        return super().provider(**{"errors": errors, **changes})

    @asynccontextmanager
    async def faulty(self, fault):
        smsc = RawSmsc(fault)
        server = await asyncio.start_server(smsc.talk, "127.0.0.1", 0)
        port = 1 if fault is Fault.REFUSED else server.sockets[0].getsockname()[1]
        provider = self.provider(port=port)
        yield provider
        await provider.aclose()
        server.close()
        for each in smsc.tasks:
            each.cancel()
        await asyncio.gather(*smsc.tasks, return_exceptions=True)

    def sign(self, body, secret):
        return Request("POST", self.hook_url, own_hook.headers(body, secret, self.clock.now()), body)


def test_its_dsn():
    from omnibus.provider import read_dsn

    fields = read_dsn("smpp://acme:s3cret@smsc.example:2776?from=Acme&tls=true")[1]
    provider = Smpp(Smpp.Settings(**fields), now=FakeClock().now)
    assert str(provider) == "smpp://acme@smsc.example:2776"
    assert provider.settings.tls


def test_as_many_go_on_at_a_time_as_the_window_takes():
    settings = {"system_id": "id", "password": "pw", "host": "smsc.example", "from": "Acme", "window": 3}
    assert Smpp(Smpp.Settings.model_validate(settings), now=FakeClock().now).at_once == 3


def test_the_words_that_a_receipt_quotes_do_not_speak_for_it():
    text = (
        "id:7 sub:001 dlvrd:001 submit date:2611211200 done date:2611211201 stat:DELIVRD err:000 Text:id:9 stat:UNDELIV"
    )
    assert receipt_of(text, {}) == {"receipt": "7", "stat": "DELIVRD", "err": "000"}
