from datetime import UTC, datetime
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnibus import Forged, InputError, Request
from omnibus.testing import FakeClock
from omnibus_email import Resend
from omnibus_email.incoming import Mine, read
from omnibus_email.reply import spoken, unquoted
from omnibus_email.sandbox_mail import answer, bounce

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINE = Mine("acme.example", frozenset({"hello@acme.example"}))
OURS = "om.0197f5a0-0000-7000-8000-000000000001@acme.example"
ORIGINAL = f"Message-ID: <{OURS}>\r\n\r\nx".encode()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Yes please\n\nOn Sat, 21 Nov 2026 at 12:00, Acme <hello@acme.example> wrote:\n> Hi\n> there\n", "Yes please"),
        ("Yes\n\nOn Sat, 21 Nov 2026 at 12:00, A Very Long Name\n<hello@acme.example> wrote:\n\n> Hi", "Yes"),
        ("Ja, gern\n\nAm 21.11.2026 um 12:00 schrieb Acme <hello@acme.example>:\n> Hallo", "Ja, gern"),
        ("Oui\n\nLe sam. 21 nov. 2026 à 12:00, Acme <a@b> a écrit :\n> Salut", "Oui"),
        ("Sí\n\nEl sáb, 21 nov 2026 a las 12:00, Acme (<a@b>) escribió:\n> Hola", "Sí"),
        ("Top\n\n-----Original Message-----\nFrom: Acme\nSent: today\n\nHi", "Top"),
        ("Top\n________________________________\nFrom: Acme <a@b>\nSent: Saturday\nTo: Ada\n\nHi", "Top"),
        ("Top\n\nVon: Acme <a@b>\nGesendet: Samstag\nAn: Ada\n\nHallo", "Top"),
        ("> Do you want it?\n\nYes I do.\n\n> In brown?\n\nYes, brown.", "Yes I do.\n\nYes, brown."),
        ("On Sat, Acme wrote:\n> Hi\n\nBelow the quote.", "Below the quote."),
        ("Fine\n-- \nAda\n+44 20 7946 0000", "Fine"),
        ("Fine\n\nSent from my phone", "Fine"),
        ("On Monday I wrote: nothing", "On Monday I wrote: nothing"),
        ("5 > 3, is it not?", "5 > 3, is it not?"),
        ("", ""),
    ],
)  # fmt: skip
def test_quoted_text_is_cut(text, left) -> None:
    assert unquoted(text) == left


def test_when_all_is_quoted_all_is_kept() -> None:
    mail = message_from_bytes(b"Content-Type: text/plain\r\n\r\n> yes\r\n> really\r\n")
    assert spoken(mail) == "> yes\n> really"


def test_an_html_answer_becomes_words() -> None:
    html = (
        "<html><head><title>x</title><style>p{color:red}</style></head><body><div>Yes, <b>brown</b> &amp; soon</div><div>Ada<br></div>"
        '<div class="gmail_quote"><div>On Sat, Acme wrote:<br></div><blockquote>Do you want it?</blockquote></div>'
        "<script>alert(1)</script></body></html>"
    )
    mail = message_from_bytes(f"Content-Type: text/html; charset=utf-8\r\n\r\n{html}".encode())
    assert spoken(mail) == "Yes, brown & soon\nAda"


@pytest.mark.parametrize(
    ("status", "code", "hard"),
    [("5.1.1", "550 5.1.1", True), ("5.2.2", "552 5.2.2", False), ("5.7.1", "550 5.7.1", False), ("4.4.7", "451 4.4.7", False),
     ("5.0.0", "550 No such user", True), ("5.0.0", "550 spam", False), ("", "550 user unknown", True), ("5.1.10", "556", True),
     ("5.2.1", "550 receiving mail too quickly", False), ("nonsense", "what", False)],
)  # fmt: skip
def test_only_a_dead_address_bounces_hard(status, code, hard) -> None:
    raw = bounce("ada@example.com", "x@acme.example", "", "5.9.9", ORIGINAL, NOW)
    raw = raw.replace(b"Status: 5.9.9", f"Status: {status}".encode()).replace(b"550 5.9.9 refused", code.encode())
    (report,) = read(raw, MINE, NOW)
    assert report.data["hard"] is hard


def test_verp_names_the_attempt_where_nothing_else_does() -> None:
    mine = Mine("acme.example", frozenset(), "bounce+{attempt}@acme.example")
    back = "bounce+0197f5a0-0000-7000-9000-000000000001@acme.example"
    (report,) = read(bounce("ada@example.com", back, "", "5.1.1", b"Subject: x\r\n\r\n", NOW), mine, NOW)
    assert report.attempt == "0197f5a0-0000-7000-9000-000000000001"


def test_nobody_bounces_a_mail_that_is_not_ours() -> None:
    assert (
        read(
            bounce("ada@example.com", "x@acme.example", "", "5.1.1", b"Message-ID: <om.x@evil.example>\r\n\r\n", NOW),
            MINE,
            NOW,
        )
        == []
    )


def test_a_time_in_the_future_or_none_is_now() -> None:
    late = answer("ada@example.com", "x", "hi", NOW.replace(year=2030), subject="s")
    assert read(late, MINE, NOW)[0].at == NOW
    assert read(b"From: ada@example.com\r\nDate: rubbish\r\n\r\nhi", MINE, NOW)[0].at == NOW


@pytest.mark.parametrize("raw", [b"", b"no mail", b"\r\n\r\n", b"\x00\xff"])
def test_what_is_no_mail_is_an_input_error(raw) -> None:
    with pytest.raises(InputError, match="no mail"):
        read(raw, MINE, NOW)


def test_deep_nesting_is_an_input_error() -> None:
    raw = b"From: a@b.example\r\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(3000)
    )
    with pytest.raises(InputError):
        read(raw, MINE, NOW)


@given(st.lists(st.sampled_from([
    b"From: a@b.example", b"Date: x", b"Content-Type: multipart/report; report-type=delivery-status; boundary=b", b"--b", b"", b"--b--",
    b"Content-Type: message/delivery-status", b"Action: failed", b"Status: 5.1.1", b"Original-Envelope-Id: abc+2B",
    b"Content-Type: text/html; charset=nonsense", b"Content-Transfer-Encoding: base64", b"\xff\xfe", b"Subject: =?x?b?!?=", b"<p>",
    b"Content-Type: multipart/report; report-type=feedback-report; boundary=b", b"Content-Type: message/feedback-report",
    b"Feedback-Type: abuse", b"Content-Type: message/rfc822", b"Message-ID: <om.a@acme.example>", b"In-Reply-To: <om.a@acme.example>",
]), max_size=25).map(b"\r\n".join))  # fmt: skip
def test_no_mail_makes_the_reader_fall_over(raw) -> None:
    try:
        reports = read(raw, MINE, NOW)
    except InputError:
        return
    assert all(each.id and each.at.tzinfo and (each.attempt or each.provider_id or each.identity) for each in reports)


@pytest.mark.parametrize("sender", [b"From: \xa7da <mailer-daemon@mx.example>\r\n", b"From:\r\n", b""])
def test_a_bounce_from_nobody_or_in_raw_bytes_is_read(sender) -> None:
    raw = (
        sender + b"Return-Path: <>\r\nMessage-ID: <b1@mx.example>\r\nSubject: =?utf-8?b?abcde?=\r\n\r\n"
        b"  ----- The following addresses had permanent fatal errors -----\r\n<ada@example.com>\r\n"
        b"550 5.1.1 User unknown\r\n\r\nMessage-ID: <" + OURS.encode() + b">\r\n"
    )
    found = read(raw, MINE, NOW)
    told = [(each.id, each.type, each.provider_id, dict(each.data)) for each in found]
    assert told == [("dsn:b1@mx.example:0", "message.bounced", OURS, {"hard": True, "reason": "5.1.1"})]


@pytest.mark.parametrize("charset", ["nonsense", "utf\x00-8"])
def test_a_charset_that_is_none_is_read_as_utf_8(charset) -> None:
    raw = f'From: ada@example.com\r\nContent-Type: text/plain; charset="{charset}"\r\n\r\ngrün'.encode()
    assert [each.data["text"] for each in read(raw, MINE, NOW)] == ["grün"]


def test_a_subject_in_a_charset_of_raw_bytes_is_no_fault() -> None:
    raw = b"From: ada@example.com\r\nSubject: =?utf-\xff?q?x?=\r\n\r\nhi"
    assert [each.data["text"] for each in read(raw, MINE, NOW)] == ["hi"]


def test_a_name_in_broken_base64_is_taken_as_it_stands() -> None:
    (report,) = read(b"From: ada@example.com\r\nMessage-ID: <d=?utf-8?b?abcde?=sn.1@x>\r\n\r\nhi", MINE, NOW)
    assert (report.id, report.data["text"]) == ("mail:d=?utf-8?b?abcde?=sn.1@x", "hi")


def test_every_provider_takes_raw_mail_from_the_mailbox() -> None:
    settings = {"from": "hello@acme.example", "api_key": "k", "hook_secret": "s1", "previous_hook_secret": "s0"}
    resend = Resend(Resend.Settings.model_validate(settings), now=FakeClock().now)
    raw = answer("ada@example.com", "hello@acme.example", "In brown?", NOW, subject="Re: Hi")
    raw = b"References: <oma.0197f5a0-0000-7000-9000-000000000001@acme.example>\r\n" + raw
    for secret in ("s1", "s0"):
        headers = {"content-type": "message/rfc822", "x-hook-secret": secret}
        (report,) = resend.receive(Request("POST", "https://t.example/hooks/email/resend", headers, raw))
        assert (report.type, report.attempt) == ("message.replied", "0197f5a0-0000-7000-9000-000000000001")
    with pytest.raises(Forged):
        resend.receive(
            Request("POST", "https://t.example/x", {"content-type": "message/rfc822", "x-hook-secret": "k"}, raw)
        )
    bare = Resend(Resend.Settings.model_validate({"from": "a@b.example", "api_key": "k"}), now=FakeClock().now)
    with pytest.raises(Forged):
        bare.receive(
            Request("POST", "https://t.example/x", {"content-type": "message/rfc822", "x-hook-secret": ""}, raw)
        )
