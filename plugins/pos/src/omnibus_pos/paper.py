"""What stands on a paper roll: typed elements, and how they become lines of so many columns. Pure.

Text in these elements is what people read; no character of it is ever a command, ``commands.py`` sees to that.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Align = Literal["left", "centre", "right"]

#: stands for a blank at which a line may not break; a private-use character, dropped from people's text by `clean`
GLUE = "\ue000"
DROPPED = frozenset({"Cc", "Cs", "Co"})
#: characters that turn the reading order of what follows
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@dataclass(frozen=True, slots=True)
class Text:
    """Print words; *size* is how many times as wide and high as normal, 1 to 8."""

    text: str = field(repr=False)
    align: Align = "left"
    bold: bool = False
    size: int = 1


@dataclass(frozen=True, slots=True)
class Columns:
    """Print words on the left and an amount on the right of one line; long words go on below."""

    left: str = field(repr=False)
    right: str = field(repr=False)
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Logo:
    """Print the brand: its picture where there is one, else its name.

    Args:
        width: dots of one row, a multiple of 8.
        raster: one bit a dot, rows from the top, 1 is black.
    """

    name: str
    width: int = 0
    raster: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """Print a line across the paper."""


@dataclass(frozen=True, slots=True)
class QrCode:
    """Print a QR code; *size* is dots a module, 1 to 16; *level* its error correction."""

    data: str = field(repr=False)
    size: int = 6
    level: Literal["L", "M", "Q", "H"] = "M"


@dataclass(frozen=True, slots=True)
class Feed:
    """Leave so many lines free."""

    lines: int = 1


@dataclass(frozen=True, slots=True)
class Cut:
    """Cut the paper; nothing stands behind it."""


Piece = Text | Columns | Logo | Rule | QrCode | Feed | Cut


def clean(text: str) -> str:
    """Drop what no paper and no screen shows: control, surrogate and private-use characters but for LF, and bidi controls.

    CR LF, CR, NEL, U+2028 and U+2029 become LF, a tab a blank.
    Source: Unicode general categories Cc, Cs, Co; UAX #9 for the bidi controls.
    """
    for mark in ("\r\n", "\r", "\x85", "\u2028", "\u2029"):
        text = text.replace(mark, "\n")
    text = text.replace("\t", " ")
    return "".join(
        each for each in text if each == "\n" or (unicodedata.category(each) not in DROPPED and each not in BIDI)
    )


def glued(text: str, together: Iterable[str]) -> str:
    """Keep each of *together* on one line where it stands in *text*."""
    for each in together:
        text = text.replace(each, each.replace(" ", GLUE))
    return text


def plain(text: str) -> str:
    """Undo `glued`."""
    return text.replace(GLUE, " ")


def wrap(text: str, width: int) -> list[str]:
    """Break text into lines of at most *width* characters; a word longer than a line is cut, nothing is lost."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        kept = textwrap.wrap(
            paragraph, max(width, 1), break_on_hyphens=False, drop_whitespace=True, replace_whitespace=False,
            expand_tabs=False,
        )  # fmt: skip
        lines += kept or [""]
    return [plain(line) for line in lines]


def beside(left: str, right: str, width: int) -> list[str]:
    """Set *right* at the right edge of the last line of *left*."""
    room = width - len(right) - 1
    if room < width // 3:
        return [*wrap(left, width), *(line.rjust(width) for line in wrap(right, width))]
    lines = wrap(left, room)
    return [*lines[:-1], f"{lines[-1]:<{room}} {right}"]


def placed(line: str, align: Align, width: int) -> str:
    """Set a line left, centred or right within *width*."""
    return {"left": line, "centre": line.center(width).rstrip(), "right": line.rjust(width)}[align]


def lines_of(piece: Piece, columns: int) -> Iterator[str]:
    """Write one element as the lines a terminal shows."""
    match piece:
        case Text():
            width = columns // piece.size
            yield from (placed(line, piece.align, columns) for line in wrap(piece.text, width))
        case Columns():
            yield from beside(piece.left, plain(piece.right), columns)
        case Logo():
            yield from (line.center(columns).rstrip() for line in wrap(piece.name, columns // 2))
        case Rule():
            yield "-" * columns
        case QrCode():
            yield f"[QR {piece.data}]".center(columns).rstrip()
        case Feed():
            yield from [""] * piece.lines
        case Cut():
            yield ""


def words(pieces: Iterable[Piece]) -> str:
    """Give the words alone, unbroken, one element a line."""
    said: list[str] = []
    for piece in pieces:
        match piece:
            case Text():
                said.append(plain(piece.text))
            case Columns():
                said.append(f"{plain(piece.left)} {plain(piece.right)}")
            case Logo():
                said.append(piece.name)
            case _:
                continue
    return "\n".join(said)
