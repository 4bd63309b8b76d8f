"""Write quoted-printable in pieces, so that the fixed pieces of a mail are written once.

Each piece ends with a soft line break, after which the next one begins a new line: joined pieces decode to joined text.
Plain lines, which most are, are only cut; the library encodes the others.
Source: RFC 2045 §6.7.
"""

from __future__ import annotations

import binascii

SOFT_BREAK = "=\r\n"
LAST = 75  # characters left on a line of at most 76 before its closing ``=``


def quoted(text: str) -> str:
    """Write *text* whole; every line end in it becomes CRLF."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    return "\r\n".join([_line(each) if each else each for each in lines])


def _is_plain(line: str) -> bool:
    return line.isascii() and line.isprintable() and "=" not in line and line[-1:] != " " and line != "."


def _line(text: str) -> str:
    if _is_plain(text):
        return text if len(text) <= LAST + 1 else cut(text)
    made = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True).decode("ascii")
    return made.replace("\n", "\r\n")


def cut(text: str) -> str:
    """Break a long line that has nothing to encode."""
    return SOFT_BREAK.join([text[at : at + LAST] for at in range(0, len(text), LAST)])


def piece(text: str) -> str:
    """Write *text* so that another piece may follow; nothing for no text."""
    if not text:
        return ""
    if len(text) <= LAST and _is_plain(text):
        return text + SOFT_BREAK  # most values are short and plain
    made = quoted(text)
    last = len(made) - made.rfind("\n") - 1
    if last > LAST:
        end = len(made) - (last - LAST) - 1
        end -= next((back for back in (1, 2) if made[end - back] == "="), 0)
        made = f"{made[:end]}{SOFT_BREAK}{made[end:]}"
    return made + SOFT_BREAK
