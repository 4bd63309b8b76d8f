from binascii import a2b_base64
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnibus import InputError, Refused, Unreachable
from omnibus_email import Attachment, EmailContent, head
from omnibus_email.mime import Envelope, message_id, thread_id, write
from omnibus_email.quoted import piece, quoted

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ENVELOPE = Envelope(("Acme", "hello@acme.example"), "ada@example.com", "om.d1@acme.example", AT)
CONTENT = EmailContent(text="Hello\n", subject="Hi", html="<p>Hello</p>", headers={"X-Tag": "a"}, thread="t1")


def parsed(content=CONTENT, envelope=ENVELOPE):
    return message_from_bytes(write(content, envelope), policy=policy.default)


def test_a_mail_byte_by_byte() -> None:
    assert write(CONTENT, replace(ENVELOPE, reply_to=("", "answer@acme.example"))) == (
        b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
        b'From: "Acme" <hello@acme.example>\r\n'
        b"To: ada@example.com\r\n"
        b"Message-ID: <om.d1@acme.example>\r\n"
        b"Subject: Hi\r\n"
        b"Reply-To: answer@acme.example\r\n"
        b"In-Reply-To: <thread.628b49d96dcde97a430dd4f597705899@acme.example>\r\n"
        b"References: <thread.628b49d96dcde97a430dd4f597705899@acme.example>\r\n"
        b"Auto-Submitted: auto-generated\r\n"
        b"X-Tag: a\r\n"
        b"MIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative;\r\n boundary="=_om_alternative"\r\n'
        b"\r\n"
        b"--=_om_alternative\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHello\r\n\r\n"
        b"--=_om_alternative\r\n"
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Hello</p>\r\n"
        b"--=_om_alternative--\r\n"
    )


def test_pictures_and_files_nest_as_the_standard_wants() -> None:
    inside = Attachment("böot.png", "image/png", b"\x89PNG" * 40, cid="c1")
    beside = Attachment("invoice.pdf", "application/pdf", b"%PDF")
    mail = parsed(replace(CONTENT, attachments=(inside, beside)))
    assert not [part.defects for part in mail.walk() if part.defects]
    shape = [(part.get_content_type(), part.get_filename(), part.get("content-id")) for part in mail.walk()]
    assert shape == [
        ("multipart/mixed", None, None),
        ("multipart/alternative", None, None),
        ("text/plain", None, None),
        ("multipart/related", None, None),
        ("text/html", None, None),
        ("image/png", "böot.png", "<c1>"),
        ("application/pdf", "invoice.pdf", None),
    ]
    assert [part.get_content() for part in mail.walk() if part.get_filename()] == [inside.data, beside.data]
    assert mail.get_body(("html",)).get_content().strip() == "<p>Hello</p>"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), max_size=300))
def test_any_subject_arrives_as_it_was(subject) -> None:
    raw = head.line("Subject", subject)
    assert raw.endswith(b"\r\n")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.count(b"\r\n") == 1 + raw.count(b"\r\n ")
    value = message_from_bytes(raw + b"\r\n")["subject"].replace("\r\n", "")
    told = str(make_header(decode_header(value))) if "=?" in value else value
    assert told.strip() == subject.strip()


@pytest.mark.parametrize(
    "evil",
    [
        "a\r\nBcc: e@x", "a\nBcc: e@x", "a\rb", "a\x00b", "a\x85b", "a\u2028b", "=?utf-8?q?a=0D=0ABcc:_e@x?=",
        "=?utf-8?b?YQ0KQmNjOiBlQHg=?=", "=?UTF-8?Q?=0a?=", "\ud800",
    ],
)  # fmt: skip
def test_no_value_breaks_out_of_its_header(evil) -> None:
    for content, envelope in [
        (replace(CONTENT, subject=evil), ENVELOPE),
        (replace(CONTENT, headers={"X-A": evil}), ENVELOPE),
        (CONTENT, replace(ENVELOPE, sender=(evil, "hello@acme.example"))),
        (replace(CONTENT, attachments=(Attachment(evil, "image/png", b""),)), ENVELOPE),
    ]:
        with pytest.raises(Refused, match="header_injection"):
            write(content, envelope)


@pytest.mark.parametrize("letter", ["ä", "€", "👢"])
def test_no_line_with_an_encoded_word_is_over_76_characters(letter) -> None:
    made = write(replace(CONTENT, subject=letter * 200), replace(ENVELOPE, sender=(letter * 60, "hello@acme.example")))
    lines = [each for each in made.partition(b"\r\n\r\n")[0].split(b"\r\n") if b"=?" in each]
    assert max(map(len, lines)) <= 76, "RFC 2047 §2"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
@example("ä" * 60)
@example("👢" * 30)
def test_an_encoded_word_holds_whole_characters(text) -> None:
    words = head.encoded_words(text)
    assert all(len(each) <= 75 for each in words)
    assert "".join(a2b_base64(each[10:-2]).decode() for each in words) == text, "RFC 2047 §5"


def test_words_that_look_encoded_arrive_as_they_stand() -> None:
    assert parsed(replace(CONTENT, subject="=?utf-8?q?hello?="))["subject"] == "=?utf-8?q?hello?="


def test_the_head_is_read_again() -> None:
    with pytest.raises(Refused, match="header_injection"):
        head.proved(b"Subject: a\r\nBcc: x\r\n", ["Subject"])
    with pytest.raises(Refused, match="header_injection"):
        head.proved(b"Subject: a\r\n\r\n b\r\n", ["Subject"])
    with pytest.raises(Refused, match="header_injection"):
        head.proved(b"Subject: a\nBcc: x\r\n", ["Subject"])


@pytest.mark.parametrize("name", ["Bcc", "from", "Subject", "DKIM-Signature", "X-Tag: a\r\nBcc", "Content-Type"])
def test_content_may_not_bring_the_providers_headers(name) -> None:
    with pytest.raises(Refused):
        write(replace(CONTENT, headers={name: "x"}), ENVELOPE)


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@", "@x.example", "a b@x.example", "a@x.example,b@y.example", "<a@x.example>", "a@x@y", "a\r\n@x.example",
     "a@-x.example", "a..b@x.example", "a@x.example\n", "é b@x.example", "a@xn--" + "é" * 300, "ü,x@y.example", '"a b"@x.example'],
)  # fmt: skip
def test_what_is_no_single_address_is_unreachable(address) -> None:
    with pytest.raises(Unreachable):
        head.address_of(address)


def test_domains_leave_in_ascii() -> None:
    assert head.address_of("ada@example.com") == "ada@example.com"
    assert head.address_of("ada@bücher.example") == "ada@xn--bcher-kva.example"
    assert head.address_of("ädä@bücher.example") == "ädä@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("Acme <hello@a.example>", ("Acme", "hello@a.example")),
        ("hello@a.example", ("", "hello@a.example")),
        ('"Acme, Ltd" <hello@a.example>', ("Acme, Ltd", "hello@a.example")),
    ],
)
def test_a_sender_setting_is_read(setting, told) -> None:
    assert head.sender_of(setting) == told


@pytest.mark.parametrize("setting", ["", "Acme", "a@b, c@d", "Acme <a@b> <c@d>", "Acme <a b@c>"])
def test_a_wrong_sender_setting_says_how_to_write_it(setting) -> None:
    with pytest.raises(InputError, match="write"):
        head.sender_of(setting)


def test_ids_are_stable_and_ours() -> None:
    assert message_id("0197-a", "acme.example") == "om.0197-a@acme.example"
    assert message_id("a b>", "acme.example") == message_id("a b>", "acme.example")
    assert ">" not in message_id("a b>", "acme.example")
    assert thread_id("<x@y.example>", "acme.example") == "x@y.example"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=120), max_size=6))
def test_pieces_join_to_the_joined_text(texts) -> None:
    import quopri

    made = "".join(piece(each) for each in texts)
    assert quopri.decodestring(made.encode()).decode().replace("\r\n", "\n") == "".join(texts)
    assert max((len(line) for line in made.split("\r\n")), default=0) <= 76
    assert "=_" not in made
    assert "=_" not in quoted("".join(texts))


@pytest.mark.parametrize("size", range(70, 84))
@pytest.mark.parametrize("letter", ["x", "é", "="])
def test_no_length_makes_a_line_too_long(size, letter) -> None:
    import quopri

    text = ("x" * (size - 1) + letter) if letter != "x" else "x" * size
    made = piece(text) + piece("next")
    assert max(len(line) for line in made.split("\r\n")) <= 76
    assert quopri.decodestring(made.encode()).decode() == text + "next"
