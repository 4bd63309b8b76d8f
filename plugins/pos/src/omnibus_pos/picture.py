"""Pictures as SVG: a receipt as the printer would print it, and a card as the clerk's screen shows it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

import segno

from omnibus_pos.paper import Columns, Cut, Feed, Logo, Piece, QrCode, Rule, Text, beside, placed, wrap

CELL, LINE = 8, 18  # pixels of one character cell
MARGIN = 16
QUIET = 4  # modules of white that a reader needs around a QR code (ISO/IEC 18004 §6.3.8)
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def receipt_picture(pieces: Iterable[Piece], columns: int) -> bytes:
    """Draw a strip of paper, QR codes as pictures that a scanner reads."""
    width, y, parts = columns * CELL + 2 * MARGIN, float(MARGIN), list[str]()
    for piece in pieces:
        drawn, height = _piece(piece, columns, y)
        parts.append(drawn)
        y += height
    return _svg(width, y + MARGIN, f'<rect width="100%" height="100%" fill="#fffdf7"/>{"".join(parts)}')


def card_picture(headline: str, body: str, primary: str, on_primary: str) -> bytes:
    """Draw a card in the brand's colours."""
    lines = wrap(body, 44)
    width, height = 44 * CELL + 2 * MARGIN, 48 + MARGIN + LINE * len(lines) + MARGIN
    head = wrap(headline, 40)[0]
    band = f'<rect width="100%" height="44" fill="{colour(primary, "#1f3a5f")}"/>'
    title = _text(head, MARGIN, 28, 16, bold=True, fill=colour(on_primary, "#ffffff"))
    rows = "".join(_text(line, MARGIN, 48 + MARGIN + LINE * place, 13) for place, line in enumerate(lines))
    return _svg(width, height, f'<rect width="100%" height="100%" fill="#ffffff"/>{band}{title}{rows}')


def colour(told: str, else_: str) -> str:
    """Let only ``#rrggbb`` through, so that a theme cannot carry markup."""
    return told if COLOUR.fullmatch(told) else else_


def qr_path(data: str, level: str, module: float, x: float, y: float) -> tuple[str, float]:
    """Draw a QR code as one path; returns it and its edge in pixels, quiet zone included."""
    matrix: Sequence[Sequence[int]] = tuple(segno.make(data, error=level, micro=False, boost_error=False).matrix)
    steps = "".join(
        f"M{x + (column + QUIET) * module:g} {y + (row + QUIET) * module:g}h{module:g}v{module:g}h-{module:g}z"
        for row, bits in enumerate(matrix)
        for column, bit in enumerate(bits)
        if bit
    )
    return f'<path d="{steps}" fill="#000"/>', (len(matrix) + 2 * QUIET) * module


def _piece(piece: Piece, columns: int, y: float) -> tuple[str, float]:  # noqa: PLR0911 - one return an element
    middle = columns * CELL / 2 + MARGIN
    match piece:
        case Text():
            width = columns // piece.size
            lines = [placed(line, piece.align, width) for line in wrap(piece.text, width)]
            return _rows(lines, y, piece.size, bold=piece.bold)
        case Columns():
            return _rows(beside(piece.left, piece.right, columns), y, 1, bold=piece.bold)
        case Logo() if piece.raster:
            return _raster(piece, middle, y)
        case Logo():
            lines = [line.center(columns // 2).rstrip() for line in wrap(piece.name, columns // 2)]
            return _rows(lines, y, 2, bold=True)
        case Rule():
            return _rows(["-" * columns], y, 1, bold=False)
        case QrCode():
            module = piece.size / 1.5
            _, edge = qr_path(piece.data, piece.level, module, 0, 0)
            return qr_path(piece.data, piece.level, module, middle - edge / 2, y)[0], edge
        case Feed():
            return "", piece.lines * LINE
        case Cut():
            line = f'<path d="M0 {y + 8:g}h{columns * CELL + 2 * MARGIN}" stroke="#999" stroke-dasharray="6 4"/>'
            return line, LINE


def _rows(lines: Sequence[str], y: float, size: int, *, bold: bool) -> tuple[str, float]:
    drawn = "".join(
        _text(line, MARGIN, y + (place + 0.75) * LINE * size, 13 * size, bold=bold, cells=len(line) * CELL * size)
        for place, line in enumerate(lines)
    )
    return drawn, len(lines) * LINE * size


def _raster(logo: Logo, middle: float, y: float) -> tuple[str, float]:
    across = logo.width // 8
    rows = [logo.raster[start : start + across] for start in range(0, len(logo.raster), across)]
    left = middle - logo.width / 4
    steps = "".join(
        f"M{left + column / 2:g} {y + row / 2:g}h.5v.5h-.5z"
        for row, bits in enumerate(rows)
        for column in range(logo.width)
        if bits[column // 8] >> (7 - column % 8) & 1
    )
    return f'<path d="{steps}" fill="#000"/>', len(rows) / 2


def _text(line: str, x: float, y: float, size: int, *, bold: bool = False, fill: str = "#111", cells: int = 0) -> str:
    if not line:
        return ""
    length = f' textLength="{cells}" lengthAdjust="spacingAndGlyphs"' if cells else ""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-family="monospace" font-size="{size}" fill="{fill}"{weight}{length} '
        f'xml:space="preserve">{escape(line)}</text>'
    )


def _svg(width: float, height: float, inside: str) -> bytes:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img">{inside}</svg>'
    ).encode()
