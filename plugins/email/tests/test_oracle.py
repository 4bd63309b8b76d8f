"""The mail written from prepared parts says what the standard library's says, whatever people typed."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from omnibus import Message
from omnibus.model.draft import OptOut
from omnibus.testing import sample_context, sample_draft
from omnibus.testing.drafts import BRAND, CTA, HOSTILE, OPT_OUT, TERMS
from omnibus.writing.drafts import Writer
from omnibus_email import Attachment, Email, EmailContent
from omnibus_email.markup import slotted, to_html
from omnibus_email.mime import Envelope, thread_id, write
from omnibus_email.page import _pieces, _read

AT = datetime(2026, 11, 21, 12, 0, 7, 123456, tzinfo=UTC)
UNSEEN = "\u2028\u2029\ufeff\ue000\ue001"
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=UNSEEN), max_size=200
)
LINES = st.lists(
    WORDS | st.sampled_from(["", ".", "..", "From me", "a = b", "=20", "x" * 80, "y " * 60, "100 % ", "--=_om_mixed", "\ttab"]),
    max_size=8,
).map("\n".join)  # fmt: skip
ONE_LINE = WORDS.map(lambda text: " ".join(text.split()))
NAMES = ONE_LINE.map(lambda text: text[:60].strip())
FILES = st.lists(
    st.builds(
        Attachment,
        name=st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=40).map(lambda name: f"{name}.pdf"),
        media_type=st.sampled_from(["application/pdf", "image/png", "application/octet-stream"]),
        data=st.binary(max_size=200),
        cid=st.sampled_from(["", "picture0", "picture1"]),
    ),
    max_size=3,
)  # fmt: skip
LOCALS = st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,20})?", fullmatch=True)


def by_the_library(content: EmailContent, envelope: Envelope) -> EmailMessage:
    """Build the same mail as the standard library's tree."""
    domain = envelope.sender[1].rpartition("@")[2]
    mail = EmailMessage(policy=policy.SMTP)
    mail["Date"] = format_datetime(envelope.date)
    mail["From"] = Address(envelope.sender[0] or content.sender, addr_spec=envelope.sender[1])
    mail["To"] = Address(addr_spec=envelope.to)
    mail["Message-ID"], mail["Subject"] = f"<{envelope.message_id}>", content.subject
    if envelope.reply_to:
        mail["Reply-To"] = Address(envelope.reply_to[0], addr_spec=envelope.reply_to[1])
    told = [f"<{thread_id(content.thread, domain)}>"] if content.thread else []
    if told:
        mail["In-Reply-To"] = told[0]
    if envelope.reference:
        told.append(f"<{envelope.reference}>")
    if told:
        mail["References"] = " ".join(told)
    mail["Auto-Submitted"] = "auto-generated"
    for name, value in content.headers.items():
        mail[name] = value
    mail.set_content(content.text)
    mail.add_alternative(content.html, subtype="html")
    page = mail.get_payload()[1]
    for each in content.attachments:
        if each.cid:
            kind, _, sub = each.media_type.partition("/")
            page.add_related(
                each.data, kind, sub, cid=f"<{each.cid}>", filename=each.name, disposition="inline"
            )  # fmt: skip
    for each in content.attachments:
        if not each.cid:
            kind, _, sub = each.media_type.partition("/")
            mail.add_attachment(each.data, kind, sub, filename=each.name)
    return mail


def written(content: EmailContent, envelope: Envelope) -> bytes:
    raw = write(content, envelope)
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")
    return raw


def shape(mail: EmailMessage) -> list[tuple]:
    """Tell structure and contents, ends of lines aside."""
    told = []
    for part in mail.walk():
        body = None if part.is_multipart() else part.get_content()
        body = body.replace("\r\n", "\n").removesuffix("\n") if isinstance(body, str) else body
        disposition = part.get_content_disposition()
        told.append((part.get_content_type(), part.get_filename(), disposition, part["content-id"], body))
    return told


ADDRESSED = ("From", "Reply-To")


def heads(mail: EmailMessage) -> dict[str, str]:
    return {
        name: re.sub(r"\r?\n", "", str(value)).strip()
        for name, value in mail.items()
        if name not in {"Content-Type", "Content-Transfer-Encoding", *ADDRESSED}
    }


def mailboxes_read(raw: bytes) -> dict[str, tuple[str, str]]:
    """Read names by RFC 2047: the new parser leaves a space between two encoded words of a name (3.11)."""
    mail, told = message_from_bytes(raw), {}
    for name in ADDRESSED:
        if name in mail:
            display, address = parseaddr(mail[name].replace("\r\n", ""))
            told[name] = (str(make_header(decode_header(display))) if "=?" in display else display, address)
    return told


def mailboxes_built(mail: EmailMessage) -> dict[str, tuple[str, str]]:
    told = {name: mail[name].addresses[0] for name in ADDRESSED if name in mail}
    return {name: (each.display_name, each.addr_spec) for name, each in told.items()}


def same(content: EmailContent, envelope: Envelope) -> None:
    raw, theirs = written(content, envelope), by_the_library(content, envelope)
    ours = message_from_bytes(raw, policy=policy.default)
    assert not [part.defects for part in ours.walk() if part.defects]
    assert heads(ours) == heads(theirs)
    assert len(ours.keys()) == len(set(ours.keys())), "each header once"
    assert mailboxes_read(raw) == mailboxes_built(theirs)
    assert shape(ours) == shape(theirs)


@given(
    subject=ONE_LINE, text=LINES, html=LINES, sender=NAMES, display=NAMES, thread=ONE_LINE, files=FILES,
    to=LOCALS, reply_to=st.none() | NAMES, tag=ONE_LINE, reference=st.sampled_from(["", "oma.1@acme.example"]),
    second=st.integers(0, 10**8),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_a_mail_equals_what_the_library_builds(
    subject, text, html, sender, display, thread, files, to, reply_to, tag, reference, second
) -> None:
    headers = {"List-Unsubscribe": "<https://talk.example.com/u/" + "x" * 200 + ">, <mailto:stop@acme.example>"}
    headers |= {"X-Tag": tag} if tag else {}
    content = EmailContent(
        text=text, html=html, subject=subject, sender=sender, thread=thread, headers=headers, attachments=tuple(files)
    )
    envelope = Envelope(
        (display, "hello@acme.example"), f"{to}@example.com", "om.0197@acme.example", AT + timedelta(seconds=second),
        (reply_to, "answer@acme.example") if reply_to is not None else None, reference,
    )  # fmt: skip
    same(content, envelope)


BODY = """Dear {{ name }}, we kept **{{ thing }}** for you.

- {{ thing }}: {{ price }}
- *{{ name }}*, see [our shop](https://acme.example/shop) & more

> {{ note }} {{ note }}
"""
VALUES = st.fixed_dictionaries({"name": WORDS, "thing": WORDS, "price": WORDS, "note": WORDS}).map(
    lambda told: {name: value if value.strip() else "?" for name, value in told.items()}
)
WRITER = Writer(BRAND)


def drafted(body, values, **more):
    message = Message(
        "m", version="1", headline="{{ name }}, your {{ thing }}", body=body, cta=CTA, offer="comeback", **more
    )
    return WRITER.draft(
        message, view={}, values=values, locale="en-GB", zone="Europe/London", delivery="d1", terms=TERMS,
        opt_out=OPT_OUT, now=AT,
    )  # fmt: skip


@given(VALUES)
@example({"name": "<b>Ada</b>", "thing": 'a & "b"s', "price": "&euro;1", "note": "<!--"})
@example({"name": HOSTILE, "thing": "€ 1 = 2 ", "price": "\ue0000\ue001", "note": ">"})
@example({"name": "x" * 300, "thing": "é" * 200, "price": "=" * 100, "note": "."})
@settings(deadline=None, max_examples=200)
def test_a_composed_mail_equals_what_the_library_builds(values) -> None:
    channel, draft = Email(), drafted(BODY, values)
    assert draft.skeleton
    layout = channel.layout(draft.message, draft.brand, draft.locale)
    content = channel.compose(draft, layout, sample_context())
    assert content.coded
    same(content, Envelope(("Zoë", "hello@acme.example"), "ada@example.com", "om.1@acme.example", AT))
    assert content == channel.compose(replace(draft, skeleton=""), layout, sample_context())


FULL = MarkdownIt("commonmark", {"html": False})
# a value counts as a letter where Markdown asks what stands beside a star: here they begin and end with one, or a digit
PIECES = st.sampled_from([
    "{{ v }}", "{{ v }}", "{{ v }}", "Ada", " ", "\n", "\n\n", "**", "*", "_", "<b>", "&", "&amp;", "[a](https://x.example/y?a=1)",
    "[b]({{ v }})", "[c](https://x.example/{{ v }})", "`{{ v }}`", "![{{ v }}](https://x.example/p.png)", "<https://x.example/{{ v }}>",
    "# ", "- ", "1. ", "> ", "    ", "é", '"', "!", "```\n", "---", "a.", "\\", "[x]: http://y.example/{{ v }}\n\n", "[x]", "{{ v }}: ",
])  # fmt: skip


@given(
    st.lists(PIECES, max_size=12).map("".join),
    st.sampled_from(
        [
            "Ada",
            "x y",
            "Zoë",
            "77Qx-1",
            "https://y.example/c/7?a=1&b=2",
            "https://y.example:8080",
            "javascript:x",
            "a&amp;b",
        ]
    ),
)
@example("`{{ v }}`[x]: ?{{ v }}\n\n[x]: http://y.example/{{ v }}\n\n{{ v }}[x]\n\n", "77Qx-1")
@example("**{{ v }}** [x](https://x.example/{{ v }})", "a")
@settings(deadline=None, max_examples=400)
def test_a_text_read_once_for_all_says_what_it_says_for_each(body, value) -> None:
    if not body.strip():
        return
    draft = replace(sample_draft("email"), **_rendered(body, value))
    read = _read(draft.skeleton, (("p", "margin:0"),)) if draft.skeleton else None
    pieces = _pieces(read[0].slots, read[1], draft.values) if read else None
    if pieces is not None:
        assert _normal(read[0].place(pieces)[0]) == _normal(to_html(draft.markdown, {"p": "margin:0"}))


def _rendered(body, value):
    made = WRITER.draft(
        Message("m", body=body), view={}, values={"v": value}, locale="en", zone="UTC", delivery="d", terms=None,
        opt_out=OptOut(), now=AT,
    )  # fmt: skip
    return {"skeleton": made.skeleton, "values": made.values, "markdown": made.markdown}


def _normal(html: str) -> str:
    return "\n".join(line.rstrip() for line in html.strip().split("\n"))


def test_a_value_does_not_begin_a_list() -> None:
    assert slotted(_rendered("{{ v }}1. pairs", "7")["skeleton"], {}) == ("<p>\ue0000\ue0011. pairs</p>", ())


def test_slots_in_code_and_pictures_are_left_to_the_values() -> None:
    slot = "\ue0000\ue001"
    for body in (
        f"`{slot}`",
        f"![{slot}](https://x.example/p.png)",
        f"![a]({slot})",
        f"    {slot}",
        f"<https://x.example/{slot}>",
    ):
        assert slotted(body, {}) is None
    assert slotted(f"**{slot}** [{slot}](https://x.example)", {}) == (
        f'<p><strong>{slot}</strong> <a href="https://x.example">{slot}</a></p>', ()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("77Qx", '<a href="https://x.example/c?u=77Qx&amp;b=1">cart</a>'),
        ("a&b", '<a href="https://x.example/c?u=a&amp;b&amp;b=1">cart</a>'),
        ("%", '<a href="https://x.example/c?u=%25&amp;b=1">cart</a>'),
        ("%20", '<a href="https://x.example/c?u=%20&amp;b=1">cart</a>'),
        ("é", '<a href="https://x.example/c?u=%C3%A9&amp;b=1">cart</a>'),
        ('"><script>', '<a href="https://x.example/c?u=%22%3E%3Cscript%3E&amp;b=1">cart</a>'),
    ],
)
def test_a_value_in_a_link_stays_in_it(value, told) -> None:
    draft = replace(sample_draft("email"), **_rendered("[cart](https://x.example/c?u={{ v }}&b=1)", value))
    assert told in re.sub(' style="[^"]*"', "", Email().compose(draft, None, sample_context()).html)


def test_a_value_is_no_link_that_runs() -> None:
    for value in ("javascript:alert(1)", "data:text/html,x", "JAVASCRIPT:x", "//evil.example", " "):
        draft = replace(sample_draft("email"), **_rendered("[cart]({{ v }})", value or "x"))
        html = Email().compose(draft, None, sample_context()).html
        assert "javascript:" not in html.lower().replace("[cart](javascript:", "")
        assert not re.search(r'href="(javascript|data):', html, re.IGNORECASE)
