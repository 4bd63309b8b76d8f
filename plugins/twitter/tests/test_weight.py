"""Weighing against X's own library, and cutting by properties."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from omnibus_twitter.urls import spans
from omnibus_twitter.weight import clean, cut, split, valid, weight

#: what npm twitter-text says, version inside; made once by running ``parseTweet`` and ``extractUrls`` over these texts
ORACLE = json.loads((Path(__file__).parent / "oracle.json").read_text(encoding="utf-8"))
TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "Zoë",
            "日本語",
            "👩🏽‍🚀",
            "🇩🇪",
            "1️⃣",
            "é",
            "e\u0301",
            "…",
            "https://example.com/a?b=c",
            "acme.shop",
            " ",
            "\n",
            "\n\n",
            "€",
            "(",
        ]
    ),
    max_size=60,
).map("".join)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("…", 2), ("—", 1), ("“”", 2), ("日本語", 6), ("\u2028", 2), ("👨‍👩‍👧‍👦", 2), ("🇩🇪", 2), ("1️⃣", 2), ("café", 4),
        ("cafe\u0301", 4), ("Hello, world! 👋", 16), ("https://example.com/very/long/path a", 25), ("example.com", 23), ("", 0),
    ],
)  # fmt: skip
def test_published_examples(text: str, units: int) -> None:
    assert weight(text) == units


def test_every_text_weighs_what_the_oracle_says() -> None:
    assert ORACLE["oracle"] == "npm twitter-text 3.1.0"
    rows = ORACLE["texts"]
    assert len(rows) > 2_000
    wrong = [(text, units, weight(text)) for text, units, _ in rows if weight(text) != units]
    assert not wrong, f"{len(wrong)} of {len(rows)}: {wrong[:5]}"


def test_links_are_found_where_the_oracle_finds_them() -> None:
    rows = [(unicodedata.normalize("NFC", text), links) for text, _, links in ORACLE["texts"]]
    wrong = [(text, links) for text, links in rows if [text[a:b] for a, b in spans(text)] != links]
    assert not wrong, wrong[:5]


def test_every_emoji_weighs_what_the_oracle_says() -> None:
    wrong = [each for each, units in ORACLE["emoji"].items() if weight(each) != units]
    assert len(ORACLE["emoji"]) > 4_000
    assert not wrong, wrong[:20]


@given(TEXTS, st.integers(2, 300))
def test_a_cut_fits_and_splits_nothing(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert weight(short) <= limit
    whole = unicodedata.normalize("NFC", text)
    if short != text and short:
        kept = short.removesuffix("…")
        assert whole.startswith(kept)
        clusters = regex.findall(r"\X", whole)
        ends = {len("".join(clusters[:n])) for n in range(len(clusters) + 1)}
        assert len(kept.rstrip()) in ends or whole[len(kept)].isspace()
        assert not [1 for start, end in spans(whole) if start < len(kept) < end]


@given(TEXTS, st.integers(40, 280))
def test_a_thread_keeps_every_word(text: str, limit: int) -> None:
    posts = split(text, limit)
    assert all(weight(each) <= limit for each in posts)
    assert "".join("".join(posts).split()) == "".join(text.split())


@given(TEXTS, TEXTS)
def test_paragraphs_weigh_no_more_together(one: str, two: str) -> None:
    apart = weight(one) + 2 + weight(two)
    assert weight(f"{one}\n\n{two}") <= apart
    if unicodedata.normalize("NFC", two)[
        :1
    ].isascii():  # an accent at the very beginning counts beside a link, as with X
        assert weight(f"{one}\n\n{two}") == apart


def test_what_x_refuses_is_known() -> None:
    assert valid("a" * 280)
    assert not valid("a" * 281)
    assert not valid(" \n")
    assert not valid("a\ufeff")
    assert clean("a\r\nb\x00\x1b\ufeff\u2028c") == "a\nbc"


def test_a_cut_inside_a_long_word_spares_its_links() -> None:
    word = "日" * 20 + "https://acme.example.com/a/very/long/path" + "本" * 40
    assert [word[a:b] for a, b in spans(word)] == ["https://acme.example.com/a/very/long/path"]
    for limit in range(40, 70):
        kept = cut(word, limit).removesuffix("…")
        assert "https" not in kept or "/path" in kept, kept
