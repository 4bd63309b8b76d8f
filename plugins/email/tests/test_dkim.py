import asyncio
import base64
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from omnibus import InputError, TryLater
from omnibus.testing import sample_attempt, sample_context, sample_draft
from omnibus.testing.fakes import FakeKeep
from omnibus_email import Email, Smtp
from omnibus_email.dkim import Signer, relaxed_body
from omnibus_email.mime import Envelope, write
from omnibus_email.sandbox import SmtpSandbox
from omnibus_email.smtp import SmtpSettings

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@lru_cache
def keys(kind):
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    if kind == "rsa":
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    else:
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return pem, f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}".encode()


class _VerifyKey:
    """Stand in for PyNaCl's, which dkimpy takes for Ed25519: everything else of the oracle stays its own."""

    def __init__(self, key, encoder) -> None:
        self.key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

    def verify(self, data, mark) -> bytes:
        try:
            self.key.verify(mark, data)
        except InvalidSignature:
            raise _BadSignature from None
        return data


class _BadSignature(Exception):
    pass


dkim.nacl = SimpleNamespace(
    signing=SimpleNamespace(VerifyKey=_VerifyKey),
    encoding=SimpleNamespace(Base64Encoder=None),
    exceptions=SimpleNamespace(BadSignatureError=_BadSignature, ValueError=ValueError),
)


def verified(mail, kind) -> bool:
    asked = []

    def dns(name, timeout=5):
        asked.append(name)
        return keys(kind)[1]

    good = dkim.verify(mail, dnsfunc=dns)
    assert asked == [b"s1._domainkey.acme.example."]
    return good


def signed(kind, mail) -> bytes:
    return Signer.of_pem("acme.example", "s1", keys(kind)[0]).sign(mail, AT)


def mail(**changes) -> bytes:
    content = Email().compose(sample_draft("email", **changes), None, sample_context())
    return write(content, Envelope(("Ácme", "hello@acme.example"), "ada@example.com", "om.d@acme.example", AT))


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_somebody_else_can_verify_it(kind) -> None:
    made = signed(kind, mail())
    assert verified(made, kind)
    head = made.partition(b"\r\n\r\n")[0]
    assert all(len(line) < 998 for line in head.split(b"\r\n"))
    listed = made.split(b"h=")[1].split(b";")[0].split(b":")
    assert {b"list-unsubscribe", b"list-unsubscribe-post", b"from", b"message-id"} <= set(listed)
    assert listed.count(b"from") == listed.count(b"subject") == 2


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Trail Boots", b"Train Boots"),
        (b"\r\nList-Unsubscribe: <https://talk", b"\r\nList-Unsubscribe: <https://evil"),
        (b"\r\nSubject:", b"\r\nSubject: Other\r\nSubject:"),
        (b"\r\nFrom:", b"\r\nFrom: x@y.example\r\nFrom:"),
    ],
)
def test_one_changed_byte_is_noticed(kind, before, after) -> None:
    made = signed(kind, mail())
    assert before in made
    assert not verified(made.replace(before, after, 1), kind)


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b".", b"\xc3\xa9"]), max_size=30).map(b"".join))
def test_any_body_verifies(body) -> None:
    assert verified(
        signed("ed25519", b"From: a@acme.example\r\nSubject:  x \r\n\ty\r\n\r\n" + body + b"\r\n"), "ed25519"
    )


def test_the_oracle_knows_the_published_example() -> None:
    """RFC 8463 appendix A.3."""
    example = (
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n d=football.example.com; i=@football.example.com;\n"
        " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n subject : date : message-id : from : subject : date;\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
        " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n"
        "From: Joe SixPack <joe@football.example.com>\nTo: Suzie Q <suzie@shopping.example.net>\n"
        "Subject: Is dinner ready?\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
        "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n\n"
        "Hi.\n\nWe lost the game.  Are you hungry yet?\n\nJoe.\n"
    ).replace("\n", "\r\n").encode()  # fmt: skip
    record = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert dkim.verify(example, dnsfunc=lambda name, timeout=5: record)
    assert not dkim.verify(example.replace(b"dinner", b"Dinner"), dnsfunc=lambda name, timeout=5: record)


def test_an_empty_body_is_nothing() -> None:
    assert relaxed_body(b"") == relaxed_body(b"\r\n\r\n") == b""
    assert relaxed_body(b" a  b \r\n\r\n") == b" a b\r\n"


@pytest.mark.parametrize(
    ("domain", "selector", "pem", "where"),
    [
        ("acme.example", "s1", "nonsense", "dkim_key"),
        ("acme.example", "s1; x", keys("rsa")[0], "dkim_selector"),
        ("", "s1", keys("rsa")[0], "dkim_domain"),
        (
            "acme.example", "s1",
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
            "dkim_key",
        ),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_and_not_shown(domain, selector, pem, where) -> None:
    with pytest.raises(InputError) as caught:
        Signer.of_pem(domain, selector, pem)
    assert caught.value.where == where
    assert not pem or pem not in str(caught.value)


async def test_smtp_signs_what_it_sends(world, clock) -> None:
    table = (await world.start(SmtpSandbox))["email"]
    fields = {"host": "127.0.0.1", "port": table["provider"].rpartition(":")[2], "user": "sandbox", **table}
    fields.pop("provider")
    settings = SmtpSettings.model_validate({**fields, "dkim_key": keys("rsa")[0], "dkim_selector": "s1"})
    assert "PRIVATE" not in repr(settings)
    smtp = Smtp(settings, now=clock.now)
    content = Email().compose(sample_draft("email"), None, sample_context())
    await smtp.send(replace(content, subject="Grüße"), "ada@example.com", sample_attempt(), FakeKeep())
    await smtp.aclose()
    assert verified(world.sandbox("email").raw(world.of("email")[0]), "rsa")


class Watched:
    """Sign, and note which thread did."""

    def __init__(self, signer) -> None:
        self.signer, self.quick, self.threads = signer, signer.quick, set()

    def sign(self, mail, at) -> bytes:
        self.threads.add(threading.get_ident())
        return self.signer.sign(mail, at)


@pytest.mark.parametrize(("kind", "on_the_loop"), [("rsa", False), ("ed25519", True)])
async def test_a_slow_key_does_not_hold_the_event_loop_up(world, clock, kind, on_the_loop) -> None:
    table = (await world.start(SmtpSandbox))["email"]
    fields = {"host": "127.0.0.1", "port": table["provider"].rpartition(":")[2], "user": "sandbox", **table}
    fields.pop("provider")
    told = {**fields, "dkim_key": keys(kind)[0], "dkim_selector": "s1"}
    smtp = Smtp(SmtpSettings.model_validate(told), now=clock.now)
    smtp._signer = watched = Watched(smtp._signer)
    content = Email().compose(sample_draft("email"), None, sample_context())
    await asyncio.gather(
        *(smtp.send(content, "ada@example.com", sample_attempt(number), FakeKeep()) for number in range(1, 7))
    )
    assert (threading.get_ident() in watched.threads) is on_the_loop
    mails = [world.sandbox("email").raw(each) for each in world.of("email")]
    assert len(mails) == 6
    assert all(verified(each, kind) for each in mails)
    await smtp.aclose()
    with pytest.raises(TryLater, match="closed"):
        await smtp.send(content, "ada@example.com", sample_attempt(9), FakeKeep())


@given(st.lists(st.sampled_from([b"a", b" ", b"  ", b"\t", b"\r\n", b" \t \r\n", b"="]), max_size=30).map(b"".join))
def test_the_quick_relaxed_form_is_the_standards(body) -> None:
    by_the_book = re.sub(rb"[ \t]*\r\n", b"\r\n", re.sub(rb"[ \t]+", b" ", body + b"\r\n"))
    by_the_book = re.sub(rb"(\r\n)*\Z", b"", by_the_book)
    assert relaxed_body(body) == (by_the_book + b"\r\n" if by_the_book else b"")
