"""A person's data never become markup, a link or a call, whatever they typed into a form."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from omnibus.model.brand import Brand
from omnibus.model.draft import Draft, OptOut
from omnibus.model.message import Message
from omnibus.writing import Writer
from omnibus.writing.values import clean

NOW = datetime(2026, 11, 21, tzinfo=UTC)
READERS = (MarkdownIt("commonmark"), MarkdownIt("gfm-like", {"linkify": False}))

#: what people type to break in, mixed with anything at all
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from([
            "[x](https://evil.example)", "<script>alert(1)</script>", "![](//evil.example/p.png)", "{{ cart.total }}",
            "{% for a in cart %}", "{{ ''.__class__ }}", "`code`", "**b**", "_i_", "~~s~~", "\n# H", "\n- l", "\n1. l", "\n> q",
            "\n---\n", "\n===", "    code", "\n```\n", "<https://evil.example>", "&lt;b&gt;", "&#106;", "\\", "\\\\", "]", "](",
            "|a|b|\n|-|-|", "\r\nBcc: x", "\u202e", "\u2028", "\x00", "\x1b[0m", "\ue0000\ue001", "\ue002: https://evil.example\ue003",
            "[^1]", "[a]: https://evil.example", ":::", "::: sms", "$$", "www.evil.example", "\ud800", " ", "é", "🎉", "\u200d",
        ]),
        st.sampled_from(["1", "7", "2026"]),
        st.text(max_size=8),
    ),
    max_size=6,
).map("".join)  # fmt: skip

TEMPLATES = [
    "{{ v }}",
    "Hello {{ v }}!",
    "- {{ v }}\n- b",
    "**{{ v }}**",
    "# {{ v }}",
    "> {{ v }}",
    "a\n{{ v }}\nb",
    "1. {{ v }}",
    "{{ v }}. of {{ v }}",
    "a\n\n  > {{ v }}1) b",
    "- {{ v }}{{ v }}.\n- 2{{ v }}) c",
    "1. {{ v }}. x",
]
NAMED = ["Hello {{ customer.first_name }}!", "{{ customer.name }}"]

WRITER = Writer(Brand("Acme"))


def draft(told: Message, value: str) -> Draft:
    view = {"customer": {"id": "c", "first_name": value, "name": value}, "cart": {"total": "5"}}
    return WRITER.draft(
        told,
        view=view,
        values={"v": value},
        locale="en",
        zone="UTC",
        delivery="d",
        terms=None,
        opt_out=OptOut(),
        now=NOW,
    )


def shape(markdown: str, reader: MarkdownIt) -> list[str]:
    tokens = reader.parse(markdown)
    return [f"{each.type}{each.level}" for token in tokens for each in (token, *(token.children or ()))]


def words(markdown: str, reader: MarkdownIt) -> str:
    """Read what a person would see: the text tokens alone."""
    tokens = [each for token in reader.parse(markdown) for each in (token.children or ())]
    return "".join(each.content for each in tokens if each.type == "text")


@settings(deadline=None)
@given(HOSTILE, st.sampled_from(TEMPLATES))
@example("1", "1. {{ v }}. x")
@example("7", "- 2{{ v }}) c")
def test_a_value_never_changes_how_markdown_is_read(value, template):
    made = draft(Message("m", body=template), value)
    if not clean(value):
        return
    plain = draft(Message("m", body=template), "plain")
    for reader in READERS:
        read = shape(made.markdown, reader)
        assert [each for each in read if not each.startswith("text")] == [
            each for each in shape(plain.markdown, reader) if not each.startswith("text")
        ]
        assert words(made.markdown, reader) == words(plain.markdown, reader).replace("plain", clean(value))
    assert made.text == plain.text.replace("plain", clean(value))


@settings(deadline=None)
@given(HOSTILE)
def test_a_value_in_a_block_stays_one_line(value):
    made = draft(Message("m", body="x", blocks={"sms": "Hi {{ v }}:\nbye"}), value)
    assert made.blocks["sms"] == f"Hi {clean(value)}:\nbye"


@settings(deadline=None)
@given(HOSTILE)
def test_a_value_in_the_headline_stays_one_line(value):
    made = draft(Message("m", headline="Hi {{ v }}!", body="x"), value)
    assert made.headline == f"Hi {clean(value)}!"
    assert not re.search(
        r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ue000-\uf8ff\ud800-\udfff]", made.headline
    )


@settings(deadline=None)
@given(HOSTILE, st.sampled_from(NAMED))
@example("0.\x1b0é", NAMED[0])
def test_a_name_holds_nothing_that_readers_make_a_link_of(value, template):
    made = draft(Message("m", body=template), value)
    assert not re.search(r"://|@|\bwww\.\w|\w\.\w\w", made.text)


@settings(deadline=None)
@given(HOSTILE)
def test_a_link_s_target_is_the_value_or_nothing(value):
    made = draft(Message("m", body="[Go]({{ v }})"), "https://acme.example/?q=" + clean(value).replace(" ", "+"))
    tokens = [each for token in READERS[0].parse(made.markdown) for each in (token.children or ())]
    assert [each.type for each in tokens] == ["link_open", "text", "link_close"]
    assert str(tokens[0].attrs["href"]).startswith("https://acme.example/?q=")
    assert made.text == "Go: https://acme.example/?q=" + clean(value).replace(" ", "+")


@settings(deadline=None)
@given(
    st.sampled_from(
        ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example", " JaVaScRiPt:x", "file:///etc"]
    )
)
def test_a_link_leads_to_the_web_only(target):
    assert draft(Message("m", body="[Go]({{ v }})"), target).text == "Go"


@settings(deadline=None)
@given(HOSTILE)
def test_a_value_is_never_a_template(value):
    assert "{{ cart.total }}" in draft(Message("m", body="{{ v }}"), "{{ cart.total }}" + value).text


def test_a_name_reads_as_before():
    for name in ("Ada", "J. R. R. Tolkien", "O'Neill", "Anne-Marie", "Dr. No", "José", "李小龍"):
        assert draft(Message("m", body="{{ customer.name }}"), name).text == name


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("  a \t\r\n b\u2028c\u00a0d ", "a b c d"),
        ("a\u202eb\u2066c\u2069d", "abcd"),
        ("a\x00b\x1b[0mc\x9fd\ud800e\ue000f\uffff", "ab[0mcdef"),
        ("e\u0301 \u200fא👩\u200d🚀", "e\u0301 \u200fא👩\u200d🚀"),
    ],
)
def test_clean(told, kept):
    assert clean(told) == kept
