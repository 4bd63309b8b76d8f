from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import pytest

from omnibus import Content, Forged, Receipt, Refused, Report, Request, TryLater, Unknown, Unreachable
from omnibus.http import Answer
from omnibus.testing import FakeClock
from omnibus.testing.clock import START as NOON
from omnibus.testing.contracts import ProviderContract
from omnibus.testing.drafts import sample_attempt
from omnibus.testing.faults import Reply
from omnibus_sms import SmsContent, Vonage
from omnibus_sms.carrier import refused
from omnibus_sms.vonage import params_of, payload, read
from omnibus_sms.vonage_codes import ANSWERS
from omnibus_sms.vonage_sandbox import SIGNATURE_SECRET, VonageSandbox
from omnibus_sms.vonage_signature import sign, verify

ADA, HOOK = "+447700900123", "https://talk.example.com/hooks/sms/vonage"
HELLO = SmsContent(text="Acme: hi € 😀", encoding="ucs2", segments=1)
LONG = SmsContent(text="a" * 200, segments=2)
ORACLE = json.loads((Path(__file__).parent / "oracles" / "vonage.json").read_text())


def attempt(**changes):
    return sample_attempt(**{"id": "a-1", **changes})


@pytest.fixture
async def sandbox(world):
    await world.start(VonageSandbox)
    return world.sandbox("sms")


@pytest.fixture
async def vonage(sandbox, clock):
    made = []

    def make(**more) -> Vonage:
        table = {k: v for k, v in sandbox.table()["sms"].items() if k != "provider"} | more
        made.append(Vonage(Vonage.Settings(**table), now=clock.now, hook_url=HOOK))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def test_a_message_is_handed_over_with_our_reference(vonage, world, notes):
    receipt = await vonage().send(LONG, ADA, attempt(), notes)
    (entry,) = world.of("sms")
    assert receipt == Receipt(entry.id, {"parts": 2, "encoding": "gsm7", "prices": ["0.0333", "0.0333"]})
    assert (entry.to, entry.text, entry.attempt) == (ADA, "a" * 200, "a-1")
    assert entry.data == {"from": "447520615146", "parts": 2, "callback": HOOK, "type": "text"}


def test_half_an_emoji_in_json_is_no_text_that_could_not_be_stored():
    request = Request(
        "POST", HOOK, {"content-type": "application/json"}, b'{"messageId": "m\\ud800", "text": "a\\ud83d"}'
    )
    assert params_of(request) == {"messageId": "m?", "text": "a?"}


@pytest.mark.parametrize("webhooks", ["form", "json", "get"])
@pytest.mark.parametrize("method", ["md5hash", "md5", "sha1", "sha256", "sha512"])
async def test_receipts_and_replies_in_every_form_an_account_may_choose(
    sandbox, vonage, world, notes, hooks, clock, webhooks, method
):
    sandbox.webhooks, sandbox.method = webhooks, method
    provider = vonage()
    receipt = await provider.send(HELLO, ADA, attempt(), notes)
    clock.advance(timedelta(seconds=5))
    await world.pump()
    await sandbox.reply(ADA, "größer & 😀?")
    await sandbox.reply(ADA, "stop")
    told = [list(provider.receive(request)) for request in hooks]
    at, scope = clock.now(), {"channel": "sms", "purpose": "marketing", "topic": "*"}
    replies = [entry.id for entry in world.of("sms", kind="reply")]
    assert told == [
        [],
        [Report(f"{receipt.provider_id}:delivered", "message.delivered", at, attempt="a-1", provider_id=receipt.provider_id)],
        [Report(f"{replies[0]}:received", "conversation.received", at, identity=("phone", ADA), data={"channel": "sms", "text": "größer & 😀?"})],
        [Report(f"{replies[1]}:received", "consent.withdrawn", at, identity=("phone", ADA), data={**scope, "word": "stop"})],
    ]  # fmt: skip
    with pytest.raises(Forged):
        vonage(signature_secret="").receive(hooks[1])
    vonage(signature_secret="new", previous_signature_secret=SIGNATURE_SECRET).receive(hooks[1])


@pytest.mark.parametrize(
    ("address", "content", "settings", "error", "reason"),
    [
        ("+15005550001", HELLO, {}, Unreachable, "status_7"),
        (ADA, SmsContent(text="x" * 3201), {}, Refused, "status_12"),
        (ADA, HELLO, {"api_secret": "wrong"}, TryLater, "status_4"),
        (ADA, HELLO, {"from": "A name that is too long"}, Refused, "status_15"),
        (ADA, SmsContent(text="a picture", media=("https://a.example/1.png",)), {}, Refused, "no_mms"),
        (ADA, HELLO, {"countries": "US"}, Refused, "country_not_allowed"),
        (ADA, Content(text="a letter"), {}, Refused, "no_sms"),
    ],
)
async def test_refusals_come_as_200(vonage, notes, address, content, settings, error, reason):
    with pytest.raises(error) as caught:
        await vonage(**settings).send(content, address, attempt(), notes)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        ("429", TryLater, "status_1"), ("500", Unknown, "http_503"), ("garbage", Unknown, "unreadable_answer"),
        ("partial", Unknown, "partly_sent"), ("lost", Unknown, "answer_lost"), ("timeout", Unknown, "deadline"),
    ],
)  # fmt: skip
async def test_faults(sandbox, vonage, notes, fault, error, reason):
    sandbox.fault(fault)
    with pytest.raises(error, match=reason):
        await vonage().send(LONG, ADA, attempt(deadline=0.5), notes)


async def test_check(vonage):
    await vonage().check()
    with pytest.raises(TryLater):
        await vonage(api_secret="wrong").check()


@pytest.mark.parametrize("case", ORACLE["requests"], ids=["text", "unicode"])
def test_requests_are_those_of_the_sdk(case):
    given = case["given"]
    settings = Vonage.Settings(
        api_key="k", api_secret="s", ttl=given.get("ttl"), entity_id=given.get("entity_id", ""),
        content_id=given.get("content_id", ""), **{"from": given["from_"]},
    )  # fmt: skip
    content = SmsContent(text=given["text"], encoding="ucs2" if given["type"] == "unicode" else "gsm7")
    form = payload(settings, content, f"+{given['to']}", attempt(), given.get("callback", "x" * 101))
    wanted = {name: "1" if value is True else str(value) for name, value in case["form"].items()}
    assert form == wanted


@pytest.mark.parametrize("case", ORACLE["signatures"], ids=range(len(ORACLE["signatures"])))
def test_the_sdk_signs_alike(case):
    assert sign(case["secret"], case["params"], case["method"]) == case["signature"]


def test_published_vectors():
    params = {"a": "1", "b": "x&y=z", "timestamp": "1535643757"}
    assert {method: sign("secret", params, method) for method in ("md5hash", "md5", "sha1", "sha256")} == {
        "md5hash": "a95dd42be72550894c329c82a6bd850a",
        "md5": "a8bfa38ddb5f7448352d027c214b1b7c",
        "sha1": "363c65c4c6fe7edcb3624c837f44c80dedb54094",
        "sha256": "3a970152ae72fd8235d36643ca22297e327d7fd8e041291cc46a0587e5d472e0",
    }


def signed(secret="secret", method="sha256", **params):
    told = {"timestamp": str(int(NOON.timestamp())), "a": "b", **params}
    told = {name: value for name, value in told.items() if value is not None}
    return told | {"sig": sign(secret, told, method)}


def test_age_is_checked_both_ways():
    now = NOON.timestamp()
    for seconds in (0, 300, -86_000, -86_700):
        verify(signed(timestamp=str(int(now + seconds))), ["secret"], "sha256", NOON)
    for stamp in (str(int(now + 301)), str(int(now - 86_701)), None, "", "soon", "9" * 40, "1.5"):
        with pytest.raises(Forged):
            verify(signed(timestamp=stamp), ["secret"], "sha256", NOON)


@pytest.mark.parametrize(
    ("params", "secrets", "method"),
    [
        (signed(), [], "sha256"), (signed(), [""], "sha256"), (signed(), ["other"], "sha256"), (signed(), ["secret"], "md5"),
        (signed() | {"a": "c"}, ["secret"], "sha256"), (signed() | {"b": "c"}, ["secret"], "sha256"),
        (signed() | {"sig": ""}, ["secret"], "sha256"), (signed() | {"sig": "é"}, ["secret"], "sha256"), ({}, ["secret"], "sha256"),
    ],
)  # fmt: skip
def test_everything_else_is_forged(params, secrets, method):
    with pytest.raises(Forged):
        verify(params, secrets, method, NOON)


@pytest.mark.parametrize(("status", "says"), sorted(ANSWERS.items()))
def test_every_status_has_its_answer(status, says):
    body = json.dumps({"message-count": "1", "messages": [{"status": status, "error-text": "t"}]}).encode()
    with pytest.raises(type(says("x", None))) as error:
        read(Answer(200, {}, body), HELLO)
    assert error.value.reason == f"status_{status}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(200, {}, b'{"message-count":"1","messages":[{"status":"99"}]}'), type(refused("x"))),
        (Answer(200, {}, b'{"message-count":"0","messages":[]}'), Unknown),
        (Answer(200, {}, b'{"messages":[{"status":"0"}]}'), Unknown),
        (Answer(200, {}, b'{"messages":[{}]}'), Unknown),
        (Answer(200, {}, b"[]"), Unknown),
        (Answer(401, {}, b""), TryLater),
        (Answer(429, {"retry-after": "3"}, b""), TryLater),
    ],
)
def test_what_no_table_explains(answer, error):
    with pytest.raises(error):
        read(answer, HELLO)


def test_two_names_for_one_dsn():
    from omnibus.provider import read_dsn

    provider = Vonage(Vonage.Settings(**read_dsn("vonage://k3y:s3cret@default?from=Acme")[1]), now=FakeClock().now)
    assert str(provider) == "vonage://a49b1287870c@rest.nexmo.com"


class TestVonage(ProviderContract):
    provider_class = Vonage
    settings: ClassVar = {
        "api_key": "k3y-of-acme", "api_secret": "t0p-s3cret", "from": "Acme",
        "signature_secret": "first-signing-secret-0001", "signature_method": "sha256",
    }  # fmt: skip
    address = ADA
    secret_field = "signature_secret"
    folder = Path(__file__).parent / "webhooks" / "vonage"
    without: ClassVar = {"timestamp": "Vonage repeats for 24 hours, so a day is not stale; event ids deduplicate"}

    def content(self):
        return SmsContent(text="Acme: your boots wait")

    def success(self, request):
        return Reply.of_json(
            {"message-count": "1", "messages": [{"status": "0", "message-id": "0C1", "message-price": "0.03"}]}
        )

    def sign(self, body, secret):
        kind = "application/json" if body.lstrip()[:1] in {b"{", b"["} else "application/x-www-form-urlencoded"
        headers, stamp = {"content-type": kind}, str(int(self.clock.now().timestamp()))
        told = params_of(Request("POST", self.hook_url, headers, body)) | {"timestamp": stamp}
        told["sig"] = sign(secret, told, "sha256")
        made = json.dumps(told) if kind == "application/json" else urlencode(told)
        return Request("POST", self.hook_url, headers, made.encode())

    def test_only_the_owner_of_the_secret_gets_in(self):
        """Vonage's signature stands among the parameters, not in a header."""
        for _, (body, _) in self._cases():
            good, provider = self._signed(body), self._open()
            other = self._signed(body, self.signing[1])
            unsigned = replace(good, body=body)
            changed = replace(good, body=good.body.replace(b"0", b"1", 1) if b"0" in good.body else b"{}")
            rubbish = replace(good, body=b"\xff{")
            assert [self._is_forged(provider, each) for each in (other, unsigned, changed, rubbish)] == [True] * 4
            assert not self._is_forged(provider, good)
