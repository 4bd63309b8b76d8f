"""Make a text fit for the air: no control characters, and on request no typography that costs a second message; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

from omnibus_sms.segments import GSM7

Transliterate = Literal["off", "typography", "letters"]

#: typographic character → the same in GSM-7; every one of these alone moves a whole message to UCS-2
TYPOGRAPHY = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "`": "'", "\u00b4": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
    "\u2039": "<", "\u203a": ">",
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
    "\u2026": "...", "\u2022": "-", "\u00b7": "-", "\u00d7": "x", "\u2122": "(TM)", "\u00ae": "(R)", "\u00a9": "(C)",
    "\u00a0": " ", "\u2007": " ", "\u2008": " ", "\u2009": " ", "\u200a": " ", "\u202f": " ", "\u2002": " ",
    "\u2003": " ", "\u00ad": "", "\u200b": "", "\u2060": "", "\ufeff": "",
}  # fmt: skip
#: letters without a decomposition that have an accepted spelling
LETTERS = {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "œ": "oe", "Œ": "OE", "ı": "i", "ẞ": "SS", "þ": "th", "Þ": "Th"}

_LINE_END = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def cleaned(text: str) -> str:
    """Take out control and bidi-override characters and needless space; a tab becomes a space."""
    if text.isprintable() and "  " not in text:  # one line, of which nothing is to be taken out
        return text.strip()
    flat = _CONTROL.sub("", _LINE_END.sub("\n", text).replace("\t", " "))
    flat = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", flat))
    return re.sub(r"\n{3,}", "\n\n", flat).strip()


def transliterated(text: str, keep: Iterable[str], mode: Transliterate) -> tuple[str, int]:
    """Spell *text* in GSM-7 when that is possible as a whole; else leave it alone.

    Args:
        keep: pieces that must stand letter by letter (price, code, deadline, link).
        mode: ``typography`` changes quotes, dashes and spaces only; ``letters`` also takes accents off.

    Returns:
        The text and how many characters changed; (*text*, 0) when it would stay UCS-2 all the same.
    """
    if mode == "off" or all(char in GSM7 for char in text):
        return text, 0
    kept = sorted({piece for piece in keep if piece}, key=len, reverse=True)
    pieces = re.split(f"({'|'.join(map(re.escape, kept))})", text) if kept else [text]
    changed, out = 0, []
    for piece in pieces:
        spelt = [char if piece in kept else _spelt(char, mode) for char in piece]
        changed += sum(one != char for one, char in zip(spelt, piece, strict=True))
        out.append("".join(spelt))
    made = "".join(out)
    return (made, changed) if all(char in GSM7 for char in made) else (text, 0)


def _spelt(char: str, mode: Transliterate) -> str:
    if char in GSM7:
        return char
    if char in TYPOGRAPHY:
        return TYPOGRAPHY[char]
    if mode == "letters":
        bare = "".join(one for one in unicodedata.normalize("NFKD", char) if not unicodedata.combining(one))
        return LETTERS.get(char, bare or char)
    return char
