from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnibus_sms.segments import ALONE, GSM7, JOINED, decode, encode, encoding_of, segment

VECTORS = [
    ("a" * 160, "gsm7", [160]),
    ("a" * 161, "gsm7", [153, 8]),
    ("a" * 306, "gsm7", [153, 153]),
    ("a" * 307, "gsm7", [153, 153, 1]),
    ("€" * 80, "gsm7", [160]),
    ("€" * 81, "gsm7", [152, 10]),
    ("a" * 152 + "€" + "b" * 10, "gsm7", [152, 12]),
    ("a" * 152 + "€" + "b" * 152, "gsm7", [152, 153, 1]),
    ("a" * 152 + "€" + "a" * 152 + "€" + "a" * 10, "gsm7", [152, 153, 13]),
    ("я" * 70, "ucs2", [70]),
    ("я" * 71, "ucs2", [67, 4]),
    ("я" * 134, "ucs2", [67, 67]),
    ("я" * 135, "ucs2", [67, 67, 1]),
    ("😀" * 35, "ucs2", [70]),
    ("😀" * 36, "ucs2", [66, 6]),
    ("я" * 66 + "😀" + "я" * 20, "ucs2", [66, 22]),
    ("a" * 159 + "ç", "ucs2", [67, 67, 26]),
    ("", "gsm7", [0]),
]


@pytest.mark.parametrize(("text", "encoding", "units"), VECTORS)
def test_published_vectors(text, encoding, units):
    cut = segment(text)
    assert (cut.encoding, [part.units for part in cut.parts]) == (encoding, units)


@pytest.mark.parametrize(("text", "units"), [("a" * 305, [152, 152, 1]), ("я" * 133, [66, 66, 1]), ("a" * 160, [160])])
def test_a_16_bit_reference_costs_one_more(text, units):
    assert [part.units for part in segment(text, reference=16).parts] == units


def test_the_alphabet_is_that_of_3gpp_23_038():
    plain = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    plain += "abcdefghijklmnopqrstuvwxyzäöñüà"
    codes = [code for code in range(0x80) if code != 0x1B]
    assert {char: bytes([code]) for char, code in zip(plain, codes, strict=True)} | {
        "\f": b"\x1b\x0a", "^": b"\x1b\x14", "{": b"\x1b\x28", "}": b"\x1b\x29", "\\": b"\x1b\x2f",
        "[": b"\x1b\x3c", "~": b"\x1b\x3d", "]": b"\x1b\x3e", "|": b"\x1b\x40", "€": b"\x1b\x65",
    } == GSM7  # fmt: skip


@pytest.mark.parametrize("char", list("ç`\t‘’“”–—…\u00a0🙂ж\u2206"))
def test_what_forces_ucs2(char):
    assert encoding_of("a" + char) == "ucs2"


texts = st.text(
    alphabet=st.one_of(st.sampled_from("ab€[|^é"), st.sampled_from("яж😀👩\u200d"), st.characters(codec="utf-8"))
)


@given(st.one_of(texts, st.text(alphabet="aé€[]"), texts.map(lambda text: text * 40)))
def test_parts_join_to_the_text_and_none_is_cut_inside_a_character(text):
    for reference in (8, 16):
        cut = segment(text, reference=reference)
        assert "".join(part.text for part in cut.parts) == text
        room = ALONE[cut.encoding] if len(cut) == 1 else JOINED[reference][cut.encoding]
        for part in cut.parts:
            octets = encode(part.text, cut.encoding)
            assert part.units == len(octets) // (1 if cut.encoding == "gsm7" else 2) <= room
            assert decode(octets, cut.encoding) == part.text
        for part, after in zip(cut.parts, cut.parts[1:], strict=False):
            assert part.units + len(encode(after.text[0], cut.encoding)) // (1 if cut.encoding == "gsm7" else 2) > room


def test_octets_that_are_no_text_are_never_an_error():
    assert decode(b"\x1b\x65 \xff", "gsm7") == "€ \ufffd"
    assert decode(b"\x04", "ucs2") == "\ufffd"
    assert decode("😀".encode("utf-16-be")[:2], "ucs2") == "\ufffd"


ORACLE = json.loads((Path(__file__).parent / "oracles" / "segments.json").read_text())


def test_twilios_calculator_cuts_alike():
    assert len(ORACLE["cases"]) == 240
    for case in ORACLE["cases"]:
        cut = segment(case["text"])
        names = {"GSM-7": "gsm7", "UCS-2": "ucs2"}
        assert (cut.encoding, [part.units for part in cut.parts]) == (names[case["encoding"]], case["units"]), case[
            "text"
        ]
