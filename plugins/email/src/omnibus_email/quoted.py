"""Write quoted-printable in pieces, so that the fixed pieces of a mail are written once.

Each piece ends with a soft line break, after which the next one begins a new line: joined pieces decode to joined text.
Source: RFC 2045 §6.7.
"""

from __future__ import annotations

import binascii
import re

SOFT_BREAK = "=\r\n"
LAST = 75  # characters left on a line of at most 76 before its closing ``=``


def quoted(text: str) -> str:
    """Write *text* whole; every line end in it becomes CRLF."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    raw = text.encode("utf-8", "replace")
    return binascii.b2a_qp(raw, istext=True).decode("ascii").replace("\n", "\r\n")


def piece(text: str) -> str:
    """Write *text* so that another piece may follow; nothing for no text."""
    if not text:
        return ""
    if len(text) <= LAST and text.isascii() and text.isprintable() and "=" not in text and text[-1] != " ":
        return text + SOFT_BREAK  # most values are short and plain
    made = quoted(text)
    last = len(made) - made.rfind("\n") - 1
    if last > LAST:
        cut = len(made) - (last - LAST) - 1
        cut -= next((back for back in (1, 2) if made[cut - back] == "="), 0)
        made = f"{made[:cut]}{SOFT_BREAK}{made[cut:]}"
    return made + SOFT_BREAK


def template(html: str) -> str:
    """Write a %-template as a %-template of pieces: its slots take what ``piece`` gives."""
    parts = re.split(r"(%\(\w+\)s)", html)
    return "".join(
        each if number % 2 else piece(each.replace("%%", "%")).replace("%", "%%") for number, each in enumerate(parts)
    )
