"""A person's data as text: one clean line, escaped where Markdown is read, a name that no mail reader makes a link of."""

from __future__ import annotations

import re
import string
import unicodedata
from typing import Any

_ESCAPES = str.maketrans({each: f"\\{each}" for each in string.punctuation})
#: overrides and isolates turn the reading direction of what follows; marks for single words stay
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DOTTED = re.compile(r"(?<=\w)[.。．｡](?=\w{2,})")


def clean(text: str) -> str:
    """Make a value one line: white space folded; controls, direction overrides and private characters dropped."""
    if text.isprintable():  # then there is nothing to drop: what we drop is not printable either
        return " ".join(text.split())
    kept = "".join(each for each in text if each.isspace() or _is_text(each))
    return " ".join(kept.split())


def _is_text(each: str) -> bool:
    return each not in _BIDI and unicodedata.category(each) not in {"Cc", "Cs", "Co", "Cn"}


def escaped(text: str) -> str:
    """Write a value so that Markdown shows it letter by letter."""
    return text.translate(_ESCAPES)


def no_count(text: str) -> str:
    """Write a number so that it begins no list, though a dot follows it; other texts cannot."""
    return f"{text[:-1]}&#{ord(text[-1])};" if text.isascii() and text.isdigit() else text


def no_link(name: Any) -> Any:
    """Take the link out of a name: mail readers make links of whatever looks like one, signed-up spammers know it."""
    if not isinstance(name, str):
        return name
    if name.isalnum():  # no dot, no @, no colon, nothing to drop
        return name
    if name.replace(" ", "").isalnum():
        return " ".join(name.split())
    return _DOTTED.sub(". ", clean(name).replace("://", " ").replace("@", " "))
