import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnibus_pos.commands import PAGES, Ink, Page, job, qr
from omnibus_pos.decode import Kicked, NotEscPos, decoded
from omnibus_pos.paper import Columns, Cut, Feed, Logo, QrCode, Rule, Text, beside, clean, wrap

LATIN = (Page("cp858", 19), Page("cp866", 17))
words = st.text(max_size=120)
nasty = st.text(
    st.sampled_from("\x00\x07\x0a\x0d\x10\x1b\x1c\x1d\x7f\x85\x9b\u2028pE@!a\u202e\ue000€ж漢é "), max_size=60
)


# Source: reference vectors, executed with python-escpos 3.1
def test_a_qr_code_is_byte_for_byte_the_published_one():
    assert qr("https://x.example/c/ABC123", 6, "L").hex() == (
        "1d286b0400314132001d286b03003143061d286b03003145301d286b1d0031503068747470733a2f2f782e6578616d706c652f632f"
        "4142433132331d286b0300315130"
    )


def test_its_length_is_counted_in_bytes():
    code = "é" * 200
    assert b"\x1d(k" + bytes([403 % 256, 403 // 256]) + b"1P0" in qr(code, 6, "M")
    with pytest.raises(ValueError, match="7089"):
        qr("x" * 7090, 6, "M")


@pytest.mark.parametrize("codec", sorted(PAGES))
@given(text=st.one_of(words, nasty))
def test_no_byte_of_text_is_a_command(codec, text):
    ink = Ink((Page(codec, 0),))
    spelt = ink.spell(text).replace(b"\x1bt\x00", b"", 1)  # our own choice of the code page, once at most
    assert all(byte == 0x0A or (byte >= 0x20 and byte != 0x7F) for byte in spelt)


@given(text=st.one_of(words, nasty), other=st.one_of(words, nasty))
def test_text_never_changes_what_the_printer_does(text, other):
    def printed(one, two):
        pieces = [
            Logo(one), Text(one, "centre", bold=True, size=2), Columns(two, one), Rule(), QrCode(two or "x"), Text(two),
            Feed(2), Cut(),
        ]  # fmt: skip
        return decoded(job(pieces, 42, Ink(LATIN)))

    kinds = [type(each) for each in printed(text, other) if not isinstance(each, Text)]
    assert kinds == [QrCode, Feed, Cut]


@given(text=st.text(st.characters(codec="cp858", exclude_categories=["C"]), max_size=80))
def test_what_is_printed_is_what_was_meant(text):
    seen = decoded(job([Text(text)], 42, Ink(LATIN)))
    assert [each.text for each in seen if isinstance(each, Text)] == wrap(clean(text), 42)


def test_a_letter_of_another_page_switches_the_page_and_back():
    ink = Ink(LATIN)
    assert ink.spell("é€Ж é") == b"\x1bt\x13\x82\xd5\x1bt\x11\x86 \x1bt\x13\x82"
    assert ink.replaced == 0
    assert ink.has("€ Ж")
    assert not ink.has("漢")


def test_what_no_page_has_gets_a_near_spelling_and_is_counted():
    ink = Ink((Page("cp437", 0),))
    assert ink.spell("39 € – “ő” 漢 👩🏽‍🚀") == b'\x1bt\x0039 EUR - "o" ? ???'
    assert ink.replaced == 10


@pytest.mark.parametrize("control", ["\x00", "\x07", "\x10", "\x1b", "\x1c", "\x1d", "\x7f", "\x9b"])
def test_each_of_the_two_gates_holds_alone(control):
    assert clean(f"a{control}b") == "ab"
    assert Ink(LATIN).spell(f"a{control}b") == b"\x1bt\x13ab"
    assert [page.byte(control) for page in LATIN if ord(control) < 0x80] in ([], [None, None])
    assert Ink(LATIN).near(f"a{control}b") == "ab"


def test_a_near_spelling_keeps_the_columns():
    (line,) = [
        each.text
        for each in decoded(job([Columns("Boots", "39 €")], 20, Ink((Page("cp437", 0),))))
        if isinstance(each, Text)
    ]
    assert line == "Boots         39 EUR"
    ink = Ink((Page("cp437", 0),))
    assert decoded(job([Text("aa bb 39\ue000€")], 8, ink))[:2] == [Text("aa bb"), Text("39 EUR")]
    assert ink.replaced == 1


def test_the_decoder_refuses_strange_commands_and_sees_an_opened_drawer():
    assert decoded(b"\x1bp\x00\x32\x32") == [Kicked()]
    for wrong in (b"\x1bz", b"\x07", b"\x1d(L\x02\x00\x30\x30", b"\x1d(k\x09\x00"):
        with pytest.raises(NotEscPos):
            decoded(wrong)


def test_lines_are_broken_and_set():
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert wrap("", 4) == [""]
    assert beside("2 x Laces", "3.50", 20) == ["2 x Laces       3.50"]
    assert beside("a very long name of a thing", "3.50", 20) == ["a very long", "name of a thing 3.50"]
    assert beside("boots", "123456789012345 EUR", 20) == ["boots", " 123456789012345 EUR"]


@given(left=words, right=st.text(st.characters(categories=["L", "N"]), max_size=30), width=st.integers(16, 60))
def test_no_line_is_wider_than_the_paper(left, right, width):
    assert max(map(len, beside(left, right, width))) <= width
