import base64
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
import respx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from omnibus import Forged, Receipt, Refused, Request, TryLater, Unknown, Unreachable
from omnibus.testing import FakeClock, ProviderContract, sample_attempt, sample_context, sample_draft
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import Fault, Reply
from omnibus_email import Attachment, Email, Mailgun, Postmark, Resend, Sendgrid, Ses, Smtp, mailgun, resend, sigv4, sns
from omnibus_email.sandbox import SmtpSandbox  # noqa: F401 - the contract's other side of SMTP is in test_smtp.py

CASES = Path(__file__).parent / "webhooks"
COMMON = {"from": "Acme <hello@acme.example>", "reply_to": "answer@acme.example"}


def mail(**changes):
    return Email().compose(sample_draft("email", **changes), None, sample_context())


class Mails(ProviderContract):
    address = "ada@example.com"

    def content(self):
        return mail()


class TestSmtp(Mails):
    provider_class = Smtp
    settings: ClassVar = {**COMMON, "host": "127.0.0.1", "port": 1, "user": "u", "password": "t0p-s3cret-password", "starttls": "never",
                "hook_secret": "first-signing-secret-0001"}  # fmt: skip
    without: ClassVar = {
        "http": "SMTP",
        "signature": "the mailbox shows a shared secret",
        "timestamp": "a posted mail has no signed time",
    }
    faults = (Fault.REFUSED, Fault.RESET, Fault.CLOSED, Fault.GARBAGE, Fault.HANG)
    meanings: ClassVar = {Fault.RESET: Unknown, Fault.CLOSED: Unknown, Fault.GARBAGE: Unknown, Fault.HANG: Unknown}
    secret_field = "hook_secret"
    folder = CASES / "smtp"

    @asynccontextmanager
    async def faulty(self, fault):
        import asyncio

        release = asyncio.Event()

        async def talk(reader, writer) -> None:
            writer.write(b"220 x\r\n")
            data = False
            while line := await reader.readline():
                if data:
                    if line == b".\r\n":
                        if fault is Fault.HANG:
                            await release.wait()
                        writer.write(b"what?\r\n" if fault is Fault.GARBAGE else b"")
                        break
                    continue
                data = line.startswith(b"DATA")
                auth = line.startswith(b"AUTH")
                hello = line.startswith(b"EHLO")
                writer.write(
                    b"354 go\r\n"
                    if data
                    else b"235 ok\r\n"
                    if auth
                    else b"250-x\r\n250 AUTH PLAIN\r\n"
                    if hello
                    else b"250 ok\r\n"
                )
            if fault is Fault.RESET:
                writer.transport.abort()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        provider = self.provider(port=1 if fault is Fault.REFUSED else server.sockets[0].getsockname()[1])
        yield provider
        release.set()
        await provider.aclose()
        server.close()
        await server.wait_closed()

    def sign(self, body, secret):
        if not secret:
            return Request("POST", self.hook_url, {}, body)
        return Request("POST", self.hook_url, {"x-hook-secret": secret, "content-type": "message/rfc822"}, body)


class TestResend(Mails):
    provider_class = Resend
    settings: ClassVar = {
        **COMMON,
        "api_key": "re_t0p-s3cret",
        "webhook_secret": "whsec_" + base64.b64encode(b"first-signing-secret-0001").decode(),
    }
    folder = CASES / "resend"
    signing = tuple(
        "whsec_" + base64.b64encode(each).decode()
        for each in (b"first-signing-secret-0001", b"other-signing-secret-0002")
    )

    def success(self, request):
        return Reply.of_json({"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"})

    def sign(self, body, secret):
        if not secret:
            return None
        stamp = str(int(self.clock.now().timestamp()))
        made = resend.signature(body, "msg_1", stamp, secret)
        return Request(
            "POST",
            self.hook_url,
            {"svix-id": "msg_1", "svix-timestamp": stamp, "svix-signature": f"v1a,x {made}"},
            body,
        )


class TestPostmark(Mails):
    provider_class = Postmark
    settings: ClassVar = {**COMMON, "server_token": "t0p-s3cret-token", "webhook_secret": "first-signing-secret-0001"}
    folder = CASES / "postmark"
    without: ClassVar = {"signature": "Postmark signs nothing; a shared secret header", "timestamp": "no signed time"}

    def success(self, request):
        return Reply.of_json(
            {"ErrorCode": 0, "Message": "OK", "MessageID": "b7bc2f4a-e38e-4336-af7d-e6c392c2f817", "To": "x"}
        )

    def sign(self, body, secret):
        return Request("POST", self.hook_url, {"x-hook-secret": secret} if secret else {}, body)


@lru_cache
def _p256(name: str):
    return ec.derive_private_key(int.from_bytes(name.encode(), "big") % 2**200 + 1, ec.SECP256R1())


def _spki(name: str) -> str:
    public = _p256(name).public_key()
    return base64.b64encode(
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).decode()


class TestSendgrid(Mails):
    provider_class = Sendgrid
    settings: ClassVar = {**COMMON, "api_key": "SG.t0p-s3cret", "webhook_secret": _spki("one")}
    folder = CASES / "sendgrid"
    without: ClassVar = {"json": "a success has no body"}
    signing = (_spki("one"), _spki("two"))

    def success(self, request):
        return Reply(202, b"", {"x-message-id": "14c5d75ce93"})

    def sign(self, body, secret):
        key = next((_p256(name) for name in ("one", "two") if _spki(name) == secret), None)
        if key is None:
            return None
        stamp = str(int(self.clock.now().timestamp()))
        made = base64.b64encode(key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
        head = "x-twilio-email-event-webhook-"
        return Request("POST", self.hook_url, {f"{head}signature": made, f"{head}timestamp": stamp}, body)


class TestMailgun(Mails):
    provider_class = Mailgun
    settings: ClassVar = {**COMMON, "api_key": "t0p-s3cret-key", "webhook_secret": "first-signing-secret-0001"}
    folder = CASES / "mailgun"
    without: ClassVar = {
        "signature": "it covers time and token, not the event",
        "timestamp": "Mailgun repeats for eight hours what was not taken; a token counts once",
    }

    def success(self, request):
        return Reply.of_json({"id": "<om.d1@acme.example>", "message": "Queued. Thank you."})

    def sign(self, body, secret):
        """Put the signature into the body, as Mailgun does; what is no object cannot be signed."""
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(told, dict) or not secret:
            return None
        stamp = str(int(self.clock.now().timestamp()))
        token = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
        made = mailgun.signature(stamp, token, secret.encode())
        told["signature"] = {"timestamp": stamp, "token": token, "signature": made}
        return Request("POST", self.hook_url, {"content-type": "application/json"}, json.dumps(told).encode())

    def test_only_the_owner_of_the_secret_gets_in(self) -> None:
        """The signature is in the body, so "no signature" is a body without it."""
        for _, (body, _) in self._cases():
            assert self._is_forged(self._open(), self._signed(body, self.signing[1]))
            assert self._is_forged(self._open(), Request("POST", self.hook_url, {}, body))


@lru_cache
def _amazon(name: str):
    key = rsa.generate_private_key(65537, 2048)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return key, made.public_bytes(serialization.Encoding.PEM).decode()


TOPIC = "arn:aws:sns:us-east-1:123456789012:ses"


class TestSes(Mails):
    provider_class = Ses
    settings: ClassVar = {
        **COMMON,
        "user": "AKIDT0PS3CRET",
        "password": "t0p-s3cret-key",
        "host": "eu-west-1",
        "topics": [TOPIC],
    }
    folder = CASES / "ses"
    without: ClassVar = {
        "rotation": "Amazon's certificate is named by each message",
        "timestamp": "ids deduplicate; Amazon repeats for hours",
    }

    def provider(self, *args, **changes):
        return super().provider(*args, **{"sns_certificate": _amazon("first-signing-secret-0001")[1], **changes})

    def configured(self, *secrets):
        return {"sns_certificate": _amazon(secrets[0])[1]} if secrets else {"topics": None}

    def success(self, request):
        return Reply.of_json({"MessageId": "010001"})

    def sign(self, body, secret, topic=TOPIC):
        if not secret:
            return None
        told = {
            "Type": "Notification", "MessageId": "m-1", "TopicArn": topic, "Message": body.decode("utf-8", "replace"),
            "Timestamp": "2026-11-21T12:00:00.000Z", "SignatureVersion": "2",
            "SigningCertURL": "https://sns.us-east-1.amazonaws.com/x.pem",
        }  # fmt: skip
        key = _amazon(secret)[0]
        told["Signature"] = base64.b64encode(
            key.sign(sns.string_to_sign(told).encode(), padding.PKCS1v15(), hashes.SHA256())
        ).decode()
        headers = {
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": "m-1",
            "content-type": "text/plain",
        }
        return Request("POST", self.hook_url, headers, json.dumps(told).encode())

    def test_a_topic_of_somebody_else_is_forged(self) -> None:
        """Amazon signs for everybody: a good signature of another topic proves nothing."""
        request = self.sign(b"{}", "first-signing-secret-0001", topic=f"{TOPIC}-of-somebody-else")
        assert self._is_forged(self._open(), request)


# ---- whole payloads, over the real client


FILE = Attachment("size.png", "image/png", b"\x89PNG", cid="p0")
ATTEMPT = sample_attempt()


async def sent(provider_class, settings, answer, content=None, attempt=ATTEMPT):
    from dataclasses import replace

    provider = provider_class(provider_class.Settings.model_validate({**COMMON, **settings}), now=FakeClock().now)
    content = content or replace(mail(), attachments=(FILE,))
    with respx.mock(using="httpx") as router:
        route = router.route().mock(return_value=answer)
        try:
            told = await provider.send(content, "ada@example.com", attempt, FakeKeep())
        except (TryLater, Refused, Unknown, Unreachable) as error:
            told = error
        await provider.aclose()
        return told, route.calls.last.request, content


HEADERS = {
    "List-Unsubscribe": "<https://talk.example.com/u/t0k3n>, <mailto:stop@acme.example>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "In-Reply-To": "<thread.628b49d96dcde97a430dd4f597705899@acme.example>",
    "References": f"<thread.628b49d96dcde97a430dd4f597705899@acme.example> <oma.{ATTEMPT.id}@acme.example>",
    "Auto-Submitted": "auto-generated",
}


async def test_resend_payload() -> None:
    told, request, content = await sent(Resend, {"api_key": "re_1"}, httpx.Response(200, json={"id": "e1"}))
    assert told == Receipt("e1")
    assert str(request.url) == "https://api.resend.com/emails"
    assert request.headers["authorization"] == "Bearer re_1"
    assert request.headers["idempotency-key"] == ATTEMPT.id
    assert json.loads(request.content) == {
        "from": '"Acme" <hello@acme.example>', "to": ["ada@example.com"], "reply_to": "answer@acme.example",
        "subject": content.subject, "text": content.text, "html": content.html, "headers": HEADERS,
        "tags": [{"name": "omnibus_attempt", "value": ATTEMPT.id}],
        "attachments": [{"filename": "size.png", "content": "iVBORw==", "content_type": "image/png", "content_id": "p0"}],
    }  # fmt: skip


async def test_postmark_payload() -> None:
    answer = httpx.Response(200, json={"ErrorCode": 0, "MessageID": "p1", "Message": "OK"})
    told, request, content = await sent(Postmark, {"server_token": "t", "stream": "news"}, answer)
    assert told == Receipt("p1")
    assert str(request.url) == "https://api.postmarkapp.com/email"
    assert request.headers["x-postmark-server-token"] == "t"
    assert json.loads(request.content) == {
        "From": '"Acme" <hello@acme.example>', "To": "ada@example.com", "ReplyTo": "answer@acme.example",
        "Subject": content.subject, "TextBody": content.text, "HtmlBody": content.html,
        "Headers": [{"Name": name, "Value": value} for name, value in HEADERS.items()],
        "Metadata": {"omnibus_attempt": ATTEMPT.id}, "Tag": "cart-reminder", "MessageStream": "news",
        "Attachments": [{"Name": "size.png", "Content": "iVBORw==", "ContentType": "image/png", "ContentID": "cid:p0"}],
    }  # fmt: skip


async def test_sendgrid_payload() -> None:
    told, request, content = await sent(
        Sendgrid, {"api_key": "SG.1"}, httpx.Response(202, headers={"x-message-id": "s1"})
    )
    assert told == Receipt("s1")
    assert str(request.url) == "https://api.sendgrid.com/v3/mail/send"
    assert request.headers["authorization"] == "Bearer SG.1"
    assert json.loads(request.content) == {
        "personalizations": [{"to": [{"email": "ada@example.com"}], "custom_args": {"omnibus_attempt": ATTEMPT.id}}],
        "from": {"email": "hello@acme.example", "name": "Acme"}, "reply_to": {"email": "answer@acme.example"},
        "subject": content.subject, "headers": HEADERS, "categories": ["cart-reminder"],
        "content": [{"type": "text/plain", "value": content.text}, {"type": "text/html", "value": content.html}],
        "attachments": [{"content": "iVBORw==", "filename": "size.png", "type": "image/png", "disposition": "inline", "content_id": "p0"}],
    }  # fmt: skip


async def test_mailgun_payload() -> None:
    answer = httpx.Response(200, json={"id": "<om.d@acme.example>", "message": "Queued. Thank you."})
    told, request, content = await sent(
        Mailgun, {"api_key": "k", "domain": "mg.acme.example", "base_url": "https://api.eu.mailgun.net"}, answer
    )
    assert told == Receipt("om.d@acme.example")
    assert str(request.url) == "https://api.eu.mailgun.net/v3/mg.acme.example/messages.mime"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"api:k").decode()
    form = message_from_bytes(
        b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n" + request.content
    )
    fields = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}
    plain = {name: part.get_payload() for name, part in fields.items() if name != "message"}
    assert plain == {"to": "ada@example.com", "v:omnibus_attempt": ATTEMPT.id, "o:tag": "cart-reminder"}
    assert b"Message-ID: <om." in request.content
    assert content.subject.encode() in request.content


async def test_ses_payload_and_signature() -> None:
    settings: ClassVar = {
        "user": "AKID",
        "password": "secret",
        "host": "eu-west-1",
        "configuration_set": "main",
        "session_token": "tok",
    }
    told, request, content = await sent(Ses, settings, httpx.Response(200, json={"MessageId": "0100"}))
    assert told == Receipt("0100")
    assert str(request.url) == "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails"
    body = json.loads(request.content)
    raw = message_from_bytes(base64.b64decode(body["Content"].pop("Raw")["Data"]), policy=policy.default)
    assert raw["references"] == HEADERS["References"]
    assert raw.get_body(("plain",)).get_content().replace("\r\n", "\n") == content.text
    assert body == {
        "FromEmailAddress": "hello@acme.example", "Destination": {"ToAddresses": ["ada@example.com"]}, "Content": {},
        "EmailTags": [{"Name": "omnibus_attempt", "Value": ATTEMPT.id}], "ConfigurationSetName": "main",
    }  # fmt: skip
    again = sigv4.signed(
        "POST", str(request.url), {"content-type": "application/json"}, request.content,
        sigv4.Credentials("AKID", "secret", "eu-west-1", "ses", "tok"), FakeClock().now(),
    )  # fmt: skip
    assert {name: request.headers[name] for name in again} == again


def test_sigv4_as_amazons_own_example() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, as first published."""
    mine = sigv4.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "iam")
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
    made = sigv4.signed("GET", url, headers, b"", mine, datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    assert made["authorization"].endswith("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")


KEYS = {
    Resend: {"api_key": "k"}, Postmark: {"server_token": "k"}, Sendgrid: {"api_key": "k"}, Mailgun: {"api_key": "k"},
    Ses: {"user": "k", "password": "k"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("provider_class", "answer", "error", "reason", "account"),
    [
        (Resend, (429, {"name": "rate_limit_exceeded"}, {"retry-after": "3"}), TryLater, "rate_limit_exceeded", False),
        (Resend, (429, {"name": "daily_quota_exceeded"}, {}), TryLater, "daily_quota_exceeded", True),
        (Resend, (409, {"name": "invalid_idempotent_request"}, {}), Refused, "invalid_idempotent_request", False),
        (Resend, (409, {"name": "concurrent_idempotent_requests"}, {}), TryLater, "concurrent_idempotent_requests", False),
        (Resend, (403, {"name": "invalid_api_key"}, {}), TryLater, "invalid_api_key", True),
        (Resend, (422, {"name": "validation_error"}, {}), Refused, "validation_error", False),
        (Resend, (500, {"name": "application_error"}, {}), Unknown, "http_500", False),
        (Postmark, (422, {"ErrorCode": 406, "Message": "inactive"}, {}), Unreachable, "406", False),
        (Postmark, (422, {"ErrorCode": 300, "Message": "Invalid 'To' address"}, {}), Unreachable, "300", False),
        (Postmark, (422, {"ErrorCode": 300, "Message": "Invalid 'From' address"}, {}), Refused, "300", False),
        (Postmark, (422, {"ErrorCode": 405, "Message": "x"}, {}), TryLater, "405", True),
        (Postmark, (401, {"ErrorCode": 10, "Message": "x"}, {}), TryLater, "http_401", True),
        (Postmark, (200, {"ErrorCode": 0, "MessageID": "x", "Message": "OK, but inactive addresses: x"}, {}), Unreachable, "406", False),
        (Sendgrid, (429, {}, {"x-ratelimit-reset": "1795262407"}), TryLater, "rate_limited", False),
        (Sendgrid, (413, "<html>", {}), Refused, "http_413", False),
        (Sendgrid, (401, {"errors": []}, {}), TryLater, "http_401", True),
        (Mailgun, (413, "too big", {}), Refused, "http_413", False),
        (Mailgun, (404, {"message": "Domain not found"}, {}), Refused, "http_404", False),
        (Ses, (400, {"message": "x"}, {"x-amzn-errortype": "MessageRejected:http://x"}), Refused, "MessageRejected", False),
        (Ses, (400, {"__type": "com.amazonaws#AccountSuspendedException"}, {}), TryLater, "AccountSuspendedException", True),
        (Ses, (400, {"__type": "LimitExceededException"}, {}), TryLater, "LimitExceededException", True),
        (Ses, (429, {"__type": "TooManyRequestsException"}, {"retry-after": "2"}), TryLater, "rate_limited", False),
        (Ses, (503, {}, {}), Unknown, "http_503", False),
    ],
)  # fmt: skip
async def test_each_documented_error(provider_class, answer, error, reason, account) -> None:
    status, body, headers = answer
    made = httpx.Response(status, headers=headers, **({"json": body} if isinstance(body, dict) else {"text": body}))
    told, *_ = await sent(provider_class, KEYS[provider_class], made)
    assert (type(told), told.reason, told.account) == (error, reason, account)


async def test_a_rate_limit_that_tells_only_when_it_ends() -> None:
    reset = int((FakeClock().now() + timedelta(seconds=7)).timestamp())
    told, *_ = await sent(Sendgrid, KEYS[Sendgrid], httpx.Response(429, headers={"x-ratelimit-reset": str(reset)}))
    assert told.retry_after == 7


def route(provider, fields, key=b"s1"):
    from urllib.parse import urlencode

    stamp = str(int(provider.now().timestamp()))
    told = {**fields, "timestamp": stamp, "token": "t1", "signature": mailgun.signature(stamp, "t1", key)}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Request("POST", "https://talk.example.com/hooks/email/mailgun", headers, urlencode(told).encode())


@pytest.mark.parametrize(("age", "taken"), [(-360, False), (0, True), (7 * 3600, True), (9 * 3600, False)])
def test_what_mailgun_repeats_after_an_outage_gets_in(age, taken) -> None:
    clock = FakeClock()
    settings = Mailgun.Settings.model_validate({**COMMON, "api_key": "k", "webhook_secret": "s1"})
    request = route(Mailgun(settings, now=clock.now), {})
    provider = Mailgun(settings, now=lambda: clock.now() + timedelta(seconds=age))
    if taken:
        assert provider.receive(request) == []
        return
    with pytest.raises(Forged):
        provider.receive(request)


def test_a_mailgun_route_brings_what_people_write() -> None:
    settings = {**COMMON, "api_key": "k", "webhook_secret": "s1"}
    provider = Mailgun(Mailgun.Settings.model_validate(settings), now=FakeClock().now)
    mail = {
        "sender": "Ada@example.com", "subject": "Re: Hi", "body-plain": "In brown?\n\nOn Sat, Acme wrote:\n> Hi",
        "Message-Id": "<a1@mail.example>", "Date": "Sat, 21 Nov 2026 11:40:00 +0000",
    }  # fmt: skip
    (report,) = provider.receive(route(provider, mail))
    assert (report.id, report.type, report.identity) == (
        "in:a1@mail.example",
        "conversation.received",
        ("email", "ada@example.com"),
    )
    assert report.data == {"channel": "email", "text": "In brown?", "subject": "Re: Hi"}
    (report,) = provider.receive(
        route(provider, {**mail, "In-Reply-To": "<om.d1@acme.example>", "stripped-text": "Brown?"})
    )
    assert (report.type, report.provider_id, report.data["text"]) == ("message.replied", "om.d1@acme.example", "Brown?")
    forwarded = {**mail, "sender": "SRS0=x=mail.example=ada@relay.example", "from": "Ada <Ada@example.com>"}
    assert [each.identity for each in provider.receive(route(provider, forwarded))] == [("email", "ada@example.com")]
    assert provider.receive(route(provider, {**mail, "Auto-Submitted": "auto-replied"})) == []
    assert provider.receive(route(provider, {})) == []
    for forged in (
        route(provider, mail, b"other"),
        Request("POST", "https://x.example", {"content-type": "application/x-www-form-urlencoded"}, b"\xff=&&"),
    ):
        with pytest.raises(Forged):
            provider.receive(forged)


# ---- published vectors


def test_svix_vector() -> None:
    made = resend.signature(
        b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_mailgun_vector() -> None:
    made = mailgun.signature("1529006854", "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0", b"key-abc")
    assert made == "e2905ec0811b47b934cf7cad86dde11c85c09bded28c42894033f36d63481c0b"


def test_sendgrid_vector() -> None:
    from omnibus_email.sendgrid import signed

    key = b"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvXdEoetDEceiOerHCfguh5+H2HInYth4veEckpI4ug6Gv2DDsZM5Wp89M7clAtFCJivn3ytl/eGKMBJ47ik0Nw=="
    body = b'[{"email":"ada@example.com","event":"delivered","sg_event_id":"e1","timestamp":1614265330}]'
    mark = "MEUCIGuMId7tnalwawlh0CZAYhk1WDL8kbuWa8NmUxExVuZLAiEA8+kx6iF8atrNZaiXKJirF0yc218fGS+R3uM0aZAZARE="
    assert signed(b"1614265330" + body, mark, key)
    assert not signed(b"1614265330" + body + b" ", mark, key)


def test_sns_vector() -> None:
    import hashlib

    told = {
        "Message": '{"eventType":"Delivery"}', "MessageId": "m-1", "Timestamp": "2026-11-21T18:00:00.000Z",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:ses", "Type": "Notification",
    }  # fmt: skip
    made = sns.string_to_sign(told).encode()
    assert len(made) == 148
    assert hashlib.sha256(made).hexdigest() == "3cbfcf8ac38b39ac90172ed0f6f31df03570ce11d7703f72358f47e4662fdfa7"


@pytest.mark.parametrize(
    "url",
    ["http://sns.us-east-1.amazonaws.com/x.pem", "https://sns.us-east-1.amazonaws.com.evil.example/x.pem", "https://evil.example/x.pem",
     "https://sns.us-east-1.amazonaws.com/x", "https://x@sns.us-east-1.amazonaws.com/x.pem", "file:///x.pem", ""],
)  # fmt: skip
def test_only_amazons_certificates_are_fetched(url, monkeypatch) -> None:
    monkeypatch.setattr(sns, "get", lambda url: pytest.fail("fetched"))
    with pytest.raises(Exception, match="not Amazon's"):
        sns._fetched(url)
    assert not sns.confirm(url)


def test_a_certificate_that_cannot_be_read_now_is_no_forgery(monkeypatch) -> None:
    def get(url):
        raise TryLater("not_connected")

    monkeypatch.setattr(sns, "get", get)
    with pytest.raises(TryLater, match="certificate_not_read"):
        sns._fetched("https://sns.us-east-1.amazonaws.com/x.pem")


def test_a_subscription_of_ours_is_confirmed(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(sns, "get", asked.append)
    url = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=y"
    provider = TestSes().provider()
    body = json.dumps({"Type": "SubscriptionConfirmation", "SubscribeURL": url}).encode()
    assert provider.parse(Request("POST", "https://x.example", {}, body)) == ()
    assert asked == [url]


async def test_fetching_goes_over_the_one_seam() -> None:
    with respx.mock(using="httpx") as router:
        router.get("https://sns.us-east-1.amazonaws.com/a.pem").respond(200, text="PEM")
        assert sns.get("https://sns.us-east-1.amazonaws.com/a.pem") == "PEM"
