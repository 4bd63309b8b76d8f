from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from omnibus import (
    Absent,
    Content,
    Forged,
    Money,
    OmnibusError,
    Receipt,
    Refused,
    Report,
    Request,
    TryLater,
    Unknown,
    Unreachable,
)  # fmt: skip
from omnibus.http import Answer
from omnibus.testing import FakeClock, World
from omnibus.testing.clock import START as NOON
from omnibus.testing.contracts import ProviderContract
from omnibus.testing.drafts import sample_attempt
from omnibus.testing.faults import Reply
from omnibus_sms import SmsContent, Twilio
from omnibus_sms.sandbox import ACCOUNT, NUMBER, TOKEN, TwilioSandbox
from omnibus_sms.twilio import payload
from omnibus_sms.twilio_codes import ANSWERS
from omnibus_sms.twilio_lookup import read
from omnibus_sms.twilio_reports import reported
from omnibus_sms.twilio_signature import sign

HELLO = SmsContent(text="Acme: hi € 😀", encoding="ucs2", segments=1)
ADA = "+447700900123"
HOOK = "https://talk.example.com/hooks/sms/twilio"
ORACLE = json.loads((Path(__file__).parent / "oracles" / "twilio.json").read_text())


def attempt(**changes):
    return sample_attempt(**{"id": "a-1", "report_url": "", **changes})


async def test_a_message_is_handed_over_and_reported_back(sandbox, twilio, world, notes):
    provider = twilio()
    url = f"{HOOK}?attempt=a-1"
    receipt = await provider.send(HELLO, ADA, attempt(report_url=url), notes)
    (entry,) = world.of("sms")
    assert receipt == Receipt(entry.id, {"parts": 1, "encoding": "ucs2", "status": "queued"})
    assert (entry.to, entry.text, entry.attempt, entry.kind) == (ADA, "Acme: hi € 😀", "a-1", "message")
    assert entry.data == {"from": NUMBER, "parts": 1, "media": [], "callback": url}
    assert "hi €" in (world.folder / "sms" / f"{entry.id}.txt").read_text()
    await provider.aclose()
    await provider.aclose()
    with pytest.raises(TryLater):
        await provider.send(HELLO, ADA, attempt(), notes)


async def test_callbacks_are_signed_and_become_events(sandbox, twilio, world, notes, hooks, clock):
    provider = twilio()
    receipt = await provider.send(HELLO, ADA, attempt(report_url=f"{HOOK}?attempt=a-1"), notes)
    assert world.next_due == NOON + timedelta(seconds=1)
    clock.advance(timedelta(seconds=5))
    assert await world.pump() == 2
    told = [provider.receive(request) for request in hooks]
    delivered = Report(
        f"{receipt.provider_id}:delivered",
        "message.delivered",
        clock.now(),
        attempt="a-1",
        provider_id=receipt.provider_id,
    )
    assert told == [(), [delivered]]
    hooks[0].headers["x-twilio-signature"] = "AAAA"
    with pytest.raises(Forged):
        provider.receive(hooks[0])


async def test_a_dead_handset_bounces(sandbox, twilio, world, notes, hooks, clock):
    sandbox.dead[ADA] = "30005"
    provider = twilio()
    receipt = await provider.send(HELLO, ADA, attempt(report_url=f"{HOOK}?attempt=a-1"), notes)
    clock.advance(timedelta(seconds=5))
    await world.pump()
    (report,) = [each for request in hooks for each in provider.receive(request)]
    assert (report.type, report.provider_id) == ("message.bounced", receipt.provider_id)
    assert report.data == {"hard": True, "reason": "30005"}


async def test_replies_stop_and_start(sandbox, twilio, world, notes, hooks, clock):
    provider = twilio()
    await sandbox.reply(ADA, "Is it still there?")
    await sandbox.reply(ADA, "Stop!")
    with pytest.raises(Unreachable) as error:
        await provider.send(HELLO, ADA, attempt(), notes)
    assert (error.value.reason, error.value.opt_out) == ("21610", True)
    await sandbox.reply(ADA, "START")
    await provider.send(HELLO, ADA, attempt(id="a-2"), notes)
    told = [report for request in hooks for report in provider.receive(request)]
    scope = {"channel": "sms", "purpose": "marketing", "topic": "*"}
    assert [(each.type, each.identity, each.data) for each in told] == [
        ("conversation.received", ("phone", ADA), {"channel": "sms", "text": "Is it still there?"}),
        ("consent.withdrawn", ("phone", ADA), {**scope, "word": "Stop!"}),
        ("consent.granted", ("phone", ADA), {**scope, "word": "START"}),
    ]
    assert len({each.id for each in told}) == 3


async def test_the_stop_list_and_ids_outlive_the_process(sandbox, twilio, world, notes, hooks, clock, tmp_path):
    await sandbox.reply(ADA, "STOP")
    again = World(world.folder, clock.now)
    await again.start(TwilioSandbox)
    other = again.sandbox("sms")
    assert other.blocked(ADA)
    ids = [entry.id for entry in again.entries]
    assert other.new_id() not in ids
    await again.stop()


@pytest.mark.parametrize(
    ("address", "content", "settings", "error", "reason"),
    [
        ("+15005550001", HELLO, {}, Unreachable, "21211"),
        ("+15005550009", HELLO, {}, Unreachable, "21614"),
        (ADA, SmsContent(text="x" * 1601), {}, Refused, "21617"),
        (ADA, SmsContent(text=""), {}, Refused, "21602"),
        (ADA, HELLO, {"from": "+15005550001"}, TryLater, "21212"),
        (ADA, HELLO, {"from": "Name too long"}, TryLater, "21212"),
        (NUMBER, HELLO, {}, Refused, "21266"),
        (ADA, HELLO, {"auth_token": "wrong"}, TryLater, "20003"),
        ("07700900123", HELLO, {}, Unreachable, "not_e164"),
        (ADA, HELLO, {"countries": ["US", "+4930"]}, Refused, "country_not_allowed"),
        (ADA, Content(text="a letter"), {}, Refused, "no_sms"),
    ],
)
async def test_refusals(twilio, notes, address, content, settings, error, reason):
    with pytest.raises(error) as caught:
        await twilio(**settings).send(content, address, attempt(), notes)
    assert caught.value.reason == reason
    assert caught.value.account == (reason in {"20003", "21212"})


async def test_a_429_is_obeyed(sandbox, twilio, world, notes):
    sandbox.fault("429", retry_after=7)
    with pytest.raises(TryLater) as error:
        await twilio().send(HELLO, ADA, attempt(), notes)
    assert (error.value.reason, error.value.retry_after) == ("20429", 7.0)
    assert world.entries == []


@pytest.mark.parametrize(("fault", "arrived"), [("lost", True), ("timeout", True), ("garbage", True), ("500", False)])
async def test_a_lost_answer_is_unknown_and_looked_up(sandbox, twilio, world, notes, clock, fault, arrived):
    provider, lost = twilio(), attempt(deadline=0.5)
    sandbox.fault(fault)
    with pytest.raises(Unknown):
        await provider.send(HELLO, ADA, lost, notes)
    if not arrived:
        with pytest.raises(Unknown, match="too_early"):
            await provider.lookup(lost, ADA, notes)
    clock.advance(timedelta(seconds=120))
    found = await provider.lookup(lost, ADA, notes)
    assert found == (Receipt(world.entries[0].id, {"found": "lookup"}) if arrived else Absent())


async def test_a_lookup_never_takes_another_message_for_the_lost_one(sandbox, twilio, world, notes, clock):
    provider, lost = twilio(), attempt(deadline=0.5)
    await provider.send(HELLO, ADA, attempt(id="earlier"), notes)
    clock.advance(timedelta(seconds=600))
    lost = attempt(deadline=0.5, started=clock.now())
    sandbox.fault("500")
    with pytest.raises(Unknown):
        await provider.send(HELLO, ADA, lost, notes)
    await provider.send(SmsContent(text="other words"), ADA, attempt(id="a-2"), notes)
    await provider.send(HELLO, "+447700900124", attempt(id="a-3"), notes)
    clock.advance(timedelta(seconds=600))
    await provider.send(HELLO, ADA, attempt(id="later"), notes)
    assert await provider.lookup(lost, ADA, notes) == Absent()


async def test_two_equal_texts_cannot_be_told_apart(sandbox, twilio, notes, clock):
    provider = twilio()
    for name in ("a-1", "a-2"):
        await provider.send(HELLO, ADA, attempt(id=name), notes)
    clock.advance(timedelta(seconds=300))
    with pytest.raises(Unknown, match="several_fit"):
        await provider.lookup(attempt(), ADA, notes)


async def test_a_lookup_of_what_never_left_is_absent_and_reads_page_by_page(sandbox, twilio, notes, clock, monkeypatch):
    monkeypatch.setattr("omnibus_sms.twilio_lookup.PAGE", 20)
    provider = twilio()
    assert await provider.lookup(attempt(id="never"), ADA, notes) == Absent()
    receipt = await provider.send(HELLO, ADA, attempt(), notes)
    for n in range(60):
        await provider.send(SmsContent(text=f"{n}"), ADA, attempt(id=f"b-{n}"), notes)
    clock.advance(timedelta(seconds=300))
    assert await provider.lookup(attempt(), ADA, notes) == Receipt(receipt.provider_id, {"found": "lookup"})
    monkeypatch.setattr("omnibus_sms.twilio_lookup.PAGES", 3)
    with pytest.raises(Unknown, match="list_too_long"):
        await provider.lookup(attempt(), ADA, notes)


async def test_an_mms_and_what_it_may_cost(twilio, world, notes):
    picture = "https://acme.example/boots.jpg"
    content = SmsContent(text="Look", media=(picture,), cost=Money(Decimal("0.04"), "EUR"))
    receipt = await twilio(**{"from": "", "messaging_service_sid": "MG1"}).send(content, ADA, attempt(), notes)
    (entry,) = world.of("sms")
    assert entry.id.startswith("MM")
    assert (entry.data["media"], entry.data["from"]) == ([picture], "MG1")
    assert receipt.details == {"parts": 1, "encoding": "gsm7", "cost": "0.04 EUR", "status": "queued"}


async def test_unknown_parameters_and_paths_are_refused_by_the_sandbox(sandbox):
    from omnibus.http import Client

    client = Client(sandbox.base_url, auth=(ACCOUNT, TOKEN))
    messages = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    asked = [({"To": ADA, "Bdy": "x"}, 20001), ({"Body": "x"}, 21604), ({"To": ADA, "Body": "x"}, 21603)]
    for form, code in asked:
        answer = await client.request("POST", messages, data=form)
        assert (answer.status, answer.json()["code"]) == (400, code)
        assert set(answer.json()) == {"code", "message", "more_info", "status"}
    assert (await client.request("POST", messages.replace("AC", "AD"), data={})).status == 404
    await client.aclose()


async def test_check_proves_the_credentials(twilio):
    await twilio().check()
    with pytest.raises(TryLater):
        await twilio(auth_token="wrong").check()


@pytest.mark.parametrize("case", ORACLE["requests"], ids=["number", "service", "mms"])
def test_requests_are_those_of_the_sdk(case):
    given, account = case["given"], "AC" + "1" * 32
    settings = Twilio.Settings(**{
        "account_sid": account, "auth_token": "token", "from": given.get("from_", ""),
        "messaging_service_sid": given.get("messaging_service_sid", ""), "validity": given.get("validity_period"),
    })  # fmt: skip
    content = SmsContent(text=given["body"], media=tuple(given.get("media_url", ())))
    form = payload(settings, content, given["to"], attempt(report_url=given.get("status_callback", "")))
    assert {name: str(value) if isinstance(value, int) else value for name, value in case["form"].items()} == form
    assert case["url"] == f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json"
    assert (case["method"], case["auth"]) == ("POST", [account, "token"])


def test_a_sender_by_country():
    settings = Twilio.Settings(
        account_sid="AC1", auth_token="t", senders={"+1": "+15005550006", "GB": "Acme"}, messaging_service_sid="MG1"
    )
    told = [payload(settings, HELLO, to, attempt()) for to in ("+14155550123", ADA, "+4930123456")]
    assert [each.get("From", each.get("MessagingServiceSid")) for each in told] == ["+15005550006", "Acme", "MG1"]


def test_settings_by_dsn_and_their_faults():
    from omnibus.provider import read_dsn

    scheme, fields = read_dsn("twilio://AC1:se%2Fcret@api.ie1.twilio.com?from=%2B15005550006&countries=GB,US")
    provider = Twilio(Twilio.Settings(**fields), now=FakeClock().now)
    assert scheme == "twilio"
    assert (str(provider), repr(provider)) == ("twilio://AC1@api.ie1.twilio.com", "twilio://AC1@api.ie1.twilio.com")
    assert provider.settings.auth_token.get_secret_value() == "se/cret"
    assert provider.settings.countries == ("GB", "US")
    with pytest.raises(ValidationError) as error:
        Twilio.Settings(account_sid="AC1", auth_token="s3cret")
    assert "s3cret" not in str(error.value)
    assert "messaging_service_sid" in str(error.value)


@pytest.mark.parametrize(("code", "says"), sorted(ANSWERS.items()))
def test_every_code_has_its_answer(code, says):
    answer = Answer(400, {"retry-after": "9"}, json.dumps({"code": code, "message": "m", "status": 400}).encode())
    with pytest.raises(OmnibusError) as error:
        read(answer)
    assert type(error.value) is type(says(str(code), None))
    assert error.value.reason == str(code)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401, {}, b"<html>"), TryLater),
        (Answer(429, {"retry-after": "3"}, b""), TryLater),
        (Answer(400, {}, b'{"code":99999}'), Refused),
        (Answer(400, {}, b'{"code":"21610"}'), Refused),
        (Answer(503, {}, b'{"code":20429}'), Unknown),
        (Answer(500, {}, b"\xff"), Unknown),
        (Answer(201, {}, b"[]"), Unknown),
        (Answer(200, {}, b"<html>"), Unknown),
    ],
)
def test_what_no_table_explains_goes_by_status(answer, error):
    with pytest.raises(error):
        read(answer)


class TestTwilio(ProviderContract):
    provider_class = Twilio
    settings: ClassVar = {
        "account_sid": "AC" + "1" * 32, "auth_token": "first-signing-secret-0001", "from": NUMBER,
        "api_key": "SK" + "2" * 32, "api_secret": "t0p-s3cret",
    }  # fmt: skip
    address = ADA
    secret_field = "auth_token"
    folder = Path(__file__).parent / "webhooks" / "twilio"
    without: ClassVar = {"timestamp": "Twilio signs no time; event ids deduplicate"}

    def content(self):
        return SmsContent(text="Acme: your boots wait")

    def success(self, request):
        return Reply.of_json({"sid": "SM" + "3" * 32, "status": "queued", "num_segments": "1"}, 201)

    def sign(self, body, secret):
        url = f"{self.hook_url}?attempt=a-1"
        plain = Request("POST", url, {"content-type": "application/x-www-form-urlencoded"}, body)
        return Request("POST", url, {**plain.headers, "x-twilio-signature": sign(secret, url, plain.form)}, body)

    def found(self, request, attempt):
        row = {
            "sid": "SM1", "body": self.content().text, "direction": "outbound-api", "status": "sent",
            "date_created": format_datetime(attempt.started),
        }  # fmt: skip
        return Reply.of_json({"messages": [row], "next_page_uri": None})

    def absent(self, request):
        self.clock.advance(timedelta(minutes=2))  # an empty list proves nothing at once
        return Reply.of_json({"messages": [], "next_page_uri": None})


def test_a_callback_without_our_reference_names_the_message():
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    assert reported(form, None, NOON) == [Report("SM1:delivered", "message.delivered", NOON, provider_id="SM1")]
