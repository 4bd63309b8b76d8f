from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pydantic import ValidationError

from omnibus import Forged, Receipt, Request, TryLater
from omnibus.testing import FakeClock
from omnibus.testing.clock import START as NOON
from omnibus.testing.contracts import ProviderContract
from omnibus.testing.drafts import sample_attempt
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import FaultyServer, Reply
from omnibus_sms import SmsContent, VonageMessages
from omnibus_sms.jwt import _octets, hs256, rs256
from omnibus_sms.vonage_messages import payload

ADA = "+447700900123"
ORACLE = json.loads((Path(__file__).parent / "oracles" / "vonage.json").read_text())


def token(claims, secret, *, alg="HS256"):
    """Sign as Vonage does."""
    import base64
    import hmac

    def packed(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    signed = f"{packed(json.dumps({'typ': 'JWT', 'alg': alg}).encode())}.{packed(json.dumps(claims).encode())}"
    return f"{signed}.{packed(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


class TestVonageMessages(ProviderContract):
    provider_class = VonageMessages
    settings: ClassVar = {
        "api_key": "k3y-of-acme", "api_secret": "t0p-s3cret", "from": "Acme", "signature_secret": "first-signing-secret-0001",
    }  # fmt: skip
    address = ADA
    secret_field = "signature_secret"
    folder = Path(__file__).parent / "webhooks" / "vonage-messages"

    def content(self):
        return SmsContent(text="Acme: your boots wait")

    def success(self, request):
        return Reply.of_json({"message_uuid": "u-1"}, 202)

    def sign(self, body, secret):
        claims = {"iat": int(self.clock.now().timestamp()), "payload_hash": hashlib.sha256(body).hexdigest()}
        headers = {"content-type": "application/json", "authorization": f"Bearer {token(claims, secret)}"}
        return Request("POST", self.hook_url, headers, body)


async def sent(reply, **settings):
    async with FaultyServer(lambda _: reply) as server:
        table = {"from": "Acme", "base_url": server.base_url, **settings}
        provider = VonageMessages(VonageMessages.Settings(**table), now=FakeClock().now)
        try:
            made = await provider.send(SmsContent(text="Hi"), ADA, sample_attempt(id="a-1", report_url=""), FakeKeep())
        finally:
            await provider.aclose()
        return made, server.requests[0]


async def test_by_key_and_by_application():
    made, request = await sent(Reply.of_json({"message_uuid": "u-1"}, 202), api_key="k", api_secret="s")
    assert made == Receipt("u-1", {"parts": 1, "encoding": "gsm7"})
    assert request.headers["authorization"] == "Basic azpz"
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    _, request = await sent(Reply.of_json({"message_uuid": "u-1"}, 202), application_id="app", private_key=pem)
    bearer = request.headers["authorization"].removeprefix("Bearer ")
    signed, _, signature = bearer.rpartition(".")
    key.public_key().verify(_octets(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    head, claims = (json.loads(_octets(part)) for part in signed.split("."))
    now = int(NOON.timestamp())
    assert head == {"alg": "RS256", "typ": "JWT"}
    assert claims == {"application_id": "app", "iat": now, "exp": now + 900, "jti": "a-1"}


async def test_out_of_credit_pauses_the_account():
    with pytest.raises(TryLater) as error:
        await sent(Reply.of_json({"title": "Low balance"}, 402), api_key="k", api_secret="s")
    assert error.value.account


@pytest.mark.parametrize(
    "wrong",
    [{}, {"api_key": "k", "api_secret": "s", "private_key": "p"}, {"application_id": "a", "private_key": "no key"}],
)
def test_exactly_one_way_in(wrong):
    with pytest.raises(ValidationError):
        VonageMessages.Settings(**{"from": "Acme", **wrong})
    with pytest.raises(ValueError, match="no RSA"):
        rs256({}, "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----")


@pytest.mark.parametrize("case", ORACLE["messages"], ids=["text", "unicode"])
def test_requests_are_those_of_the_sdk(case):
    given = case["given"]
    settings = VonageMessages.Settings(**{
        "api_key": "k", "api_secret": "s", "from": given["from_"], "ttl": given.get("ttl"),
        "entity_id": given["sms"].get("entity_id", ""), "content_id": given["sms"].get("content_id", ""),
    })  # fmt: skip
    content = SmsContent(text=given["text"], encoding="gsm7" if given["sms"]["encoding_type"] == "text" else "ucs2")
    attempt = sample_attempt(id="a-1", report_url=given.get("webhook_url", ""))
    assert payload(settings, content, f"+{given['to']}", attempt) == case["json"]


@pytest.mark.parametrize("case", ORACLE["tokens"], ids=["ascii", "unicode", "another algorithm"])
def test_tokens_of_another_library(case):
    wanted = ORACLE["claims"] if case["algorithm"] == "HS256" else None
    assert hs256(case["token"], ["other", case["secret"]]) == wanted
    assert hs256(case["token"], ["other"]) is None
    assert hs256(case["token"][:-2], [case["secret"]]) is None


def test_a_published_webhook():
    body = b'{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab","status":"delivered"}'
    signed = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE2MTQyNjUzMzAsImp0aSI6ImoxIiwiaXNzIjoiVm9uYWdlIiwicGF5bG9hZF9oYXNoIj"
        "oiZDVlY2JjN2FiNzdiMzc2YjJjZjYzNWE2ODY5ZDRkYmIxNTMyMjE3NWY5NWI1YzE5MjYwYTI3ZjYyMTdlNGVmZiIsImFwaV9rZXkiOiJhYmNkMTIzNC"
        "J9.TMmRhHzUVlKDx72zeDwioY4VY2r8qv-Lm_3qGP4P0vY"
    )
    settings = VonageMessages.Settings(
        api_key="k", api_secret="s", signature_secret="secret-secret-secret-secret-1234", **{"from": "Acme"}
    )
    provider = VonageMessages(settings, now=lambda: datetime.fromtimestamp(1614265330, UTC))
    request = Request("POST", "https://talk.example.com/h", {"authorization": f"Bearer {signed}"}, body)
    assert [each.type for each in provider.receive(request)] == ["message.delivered"]
    with pytest.raises(Forged):
        provider.receive(replace(request, body=body + b" "))


@pytest.mark.parametrize(
    "claims", [{"iat": 1795262400}, {"payload_hash": hashlib.sha256(b"{}").hexdigest()},
               {"payload_hash": hashlib.sha256(b"{}").hexdigest(), "iat": "now"}],
)  # fmt: skip
def test_a_token_needs_hash_and_time(claims):
    settings = VonageMessages.Settings(api_key="k", api_secret="s", signature_secret="x", **{"from": "Acme"})
    provider = VonageMessages(settings, now=FakeClock().now)
    request = Request("POST", "https://t.example/h", {"authorization": f"Bearer {token(claims, 'x')}"}, b"{}")
    with pytest.raises(Forged):
        provider.receive(request)
    for alg in ("none", "HS512", "RS256"):
        good = {"payload_hash": hashlib.sha256(b"{}").hexdigest(), "iat": int(NOON.timestamp())}
        other = replace(request, headers={"authorization": f"Bearer {token(good, 'x', alg=alg)}"})
        with pytest.raises(Forged):
            provider.receive(other)
