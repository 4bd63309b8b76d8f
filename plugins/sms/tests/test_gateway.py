from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from omnibus import Forged, Receipt, Refused, Report, Request, TryLater, Unknown, Unreachable
from omnibus.testing import FakeClock
from omnibus.testing.clock import START as NOON
from omnibus.testing.contracts import ProviderContract
from omnibus.testing.drafts import sample_attempt
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import FaultyServer, Reply
from omnibus_sms import Gateway, SmsContent
from omnibus_sms.gateway_template import body, found, url, word

ADA = "+447700900123"
NASTY = SmsContent(text='Hi "Ada" & <co>\n{to} ü €', encoding="gsm7", segments=2)


async def sent(reply=None, content=NASTY, **settings):
    """Hand over to a server that answers *reply*; returns what came of it and the request it got."""
    async with FaultyServer(lambda _: reply or Reply.of_json({})) as server:
        table = {"url": "https://gw.example/send", "from": "Acme", "base_url": server.base_url, **settings}
        provider = Gateway(Gateway.Settings(**table), now=FakeClock().now)
        try:
            attempt = sample_attempt(id="a-1", report_url="https://talk.example.com/h?attempt=a-1")
            made = await provider.send(content, ADA, attempt, FakeKeep())
        finally:
            await provider.aclose()
        return made, server.requests[0]


async def test_json():
    body = {
        "to": ["{to}"],
        "msg": "{text}",
        "n": "{parts}",
        "u": "{unicode}",
        "ref": "x-{attempt}",
        "cb": "{report_url}",
        "k": 1,
    }
    made, request = await sent(
        Reply.of_json({"result": {"messages": [{"id": 77}]}}), body=body, id="$.result.messages[0].id",
        headers={"Authorization": "Bearer {token}"}, token="t0k",
    )  # fmt: skip
    assert made == Receipt("77", {"parts": 2, "encoding": "gsm7"})
    assert json.loads(request.body) == {
        "to": [ADA], "msg": NASTY.text, "n": 2, "u": False, "ref": "x-a-1", "cb": "https://talk.example.com/h?attempt=a-1", "k": 1,
    }  # fmt: skip
    assert (request.method, request.path, request.headers["authorization"]) == ("POST", "/send", "Bearer t0k")
    assert request.headers["content-type"] == "application/json"


async def test_form():
    _, request = await sent(format="form", body={"to": "{digits}", "text": "{text}", "sender": "{from}", "flag": True})
    assert request.form == [("to", "447700900123"), ("text", NASTY.text), ("sender", "Acme"), ("flag", "true")]


async def test_query():
    made, request = await sent(
        Reply(200, b"OK: 12345"), url="https://gw.example/send?to={digits}&text={text}&key={token}", method="GET", format="none",
        token="a&b", id_pattern=r"OK: (\d+)",
    )  # fmt: skip
    assert made.provider_id == "12345"
    assert request.query == {"to": "447700900123", "text": NASTY.text, "key": "a&b"}
    assert (request.method, request.body) == ("GET", b"")


async def test_xml():
    _, request = await sent(format="xml", body='<sms to="{to}"><body>{text}</body></sms>')
    assert (
        request.body.decode() == f'<sms to="{ADA}"><body>Hi &quot;Ada&quot; &amp; &lt;co&gt;\n{{to}} ü €</body></sms>'
    )


async def test_basic_credentials():
    _, request = await sent(basic=True, user="u", password="p", body={})
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()


@pytest.mark.parametrize(
    ("reply", "error", "reason"),
    [
        (Reply.of_json({"status": "ERR", "code": 7}), Unreachable, "code_7"),
        (Reply.of_json({"status": "ERR", "code": "8"}, 400), TryLater, "code_8"),
        (Reply.of_json({"status": "ERR", "code": 99}), Refused, "code_99"),
        (Reply.of_json({"status": "ERR", "code": "to +447700900123 failed"}), Refused, "refused"),
        (Reply.of_json({"status": "ERR", "code": 99}, 503), Unknown, "http_503"),
        (Reply.of_json({"status": "ERR"}, 429, retry_after="9"), TryLater, "rate_limited"),
        (Reply.of_json({"code": 0}), Unknown, "unreadable_answer"),
        (Reply.of_json({"status": "OK"}), Unknown, "unreadable_answer"),
        (Reply(200, b"<html>"), Unknown, "unreadable_answer"),
    ],
)
async def test_what_answers_mean(reply, error, reason):
    with pytest.raises(error) as caught:
        await sent(
            reply, body={}, success={"status": "OK"}, id="id", code="code", codes={"7": "unreachable", "8": "account"}
        )
    assert caught.value.reason == reason


async def test_a_header_is_one_line():
    async with FaultyServer(lambda _: Reply()) as server:
        settings = Gateway.Settings(url=server.base_url, headers={"X-Text": "{text}"}, **{"from": "Acme"})
        provider = Gateway(settings, now=FakeClock().now)
        with pytest.raises(Refused, match="bad_header"):
            await provider.send(NASTY, ADA, sample_attempt(), FakeKeep())
        assert server.requests == []
        await provider.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"body": {"x": "{text} {nonsense}"}}, {"url": "https://{to}.example/"}, {"url": "ftp://gw.example"}, {"format": "form"},
        {"id_pattern": "("}, {"id_pattern": "no group"}, {"codes": {"1": "maybe"}}, {"headers": {"x": "{tokn}"}},
        {"incoming": {"stauts": "x"}},
    ],
)  # fmt: skip
def test_a_wrong_description_is_found_when_it_is_read(wrong):
    with pytest.raises(ValidationError):
        Gateway.Settings(**{"url": "https://gw.example", "from": "Acme", **wrong})


def test_templates_are_filled_once():
    values = {"text": "{to}", "to": "+1", "parts": 2}
    assert (
        body({"a": "{text}", "b": "{{text}}", "c": ["{parts} of"]}, values, "json")
        == b'{"a": "{to}", "b": "{text}", "c": ["2 of"]}'
    )
    assert url("https://x/{to}/{text}", values) == "https://x/%2B1/%7Bto%7D"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b[1].c", 5),
        ("$.a.b.1.c", 5),
        ("$", {"a": {"b": [0, {"c": 5}]}}),
        ("a.x", None),
        ("a.b[9]", None),
        ("a.b.c", None),
    ],
)
def test_paths(path, value):
    assert found({"a": {"b": [0, {"c": 5}]}}, path) == value


def test_words_are_short_codes():
    assert [word(each) for each in ("OK", 7, True, None, {}, "two words", "x" * 200, 1.5)] == [
        "OK",
        "7",
        "true",
        "",
        "",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("told", "request_"),
    [
        ({"secret_header": "X-Key"}, Request("POST", "https://t.example/h", {"x-key": "s3cret"}, b"id=1&status=ok")),
        ({"secret_query": "key"}, Request("GET", "https://t.example/h?key=s3cret&id=1&status=ok")),
        (
            {"signature_header": "X-Sig", "signature_prefix": "sha1=", "algorithm": "sha1", "encoding": "base64"},
            Request("POST", "https://t.example/h", {
                "x-sig": "sha1=" + base64.b64encode(hmac.digest(b"s3cret", b"id=1&status=ok", "sha1")).decode()
            }, b"id=1&status=ok"),
        ),
    ],
)  # fmt: skip
def test_three_ways_to_trust_a_webhook(told, request_):
    def provider(**secrets):
        table = {"url": "https://gw.example", "from": "Acme", "incoming": {"delivered": ["ok"]}, **told, **secrets}
        return Gateway(Gateway.Settings(**table), now=FakeClock().now)

    told_ = [Report("1:ok", "message.delivered", NOON, provider_id="1")]
    assert provider(webhook_secret="s3cret").receive(request_) == told_
    assert provider(webhook_secret="new", previous_webhook_secret="s3cret").receive(request_) == told_
    for secrets in ({}, {"webhook_secret": "other"}):
        with pytest.raises(Forged):
            provider(**secrets).receive(request_)


class TestGateway(ProviderContract):
    provider_class = Gateway
    settings: ClassVar = {
        "url": "https://gw.example/v1/sms", "from": "Acme", "token": "t0p-s3cret-token", "body": {"to": "{to}", "text": "{text}"},
        "headers": {"authorization": "Bearer {token}"}, "id": "id", "webhook_secret": "first-signing-secret-0001",
        "signature_header": "x-signature",
    }  # fmt: skip
    address = ADA
    folder = Path(__file__).parent / "webhooks" / "gateway"
    without: ClassVar = {"timestamp": "what a gateway signs is its own choice; event ids deduplicate"}

    def provider(self, base_url="http://127.0.0.1:1", **changes):
        incoming = {
            "id": "dlr.id", "status": "dlr.state", "attempt": "dlr.ref", "reason": "dlr.error", "from": "sender", "text": "message",
            "delivered": ["DELIVERED"], "failed": ["FAILED"], "hard": ["404"], "soft": ["410"], "opt_out": ["STOPPED"],
        }  # fmt: skip
        return super().provider(base_url, **{"incoming": incoming, **changes})

    def content(self):
        return SmsContent(text="Acme: your boots wait")

    def success(self, request):
        return Reply.of_json({"id": "G1"})

    def sign(self, body, secret):
        headers = {
            "content-type": "application/json",
            "x-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        }
        return Request("POST", self.hook_url, headers, body)
