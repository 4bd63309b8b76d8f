"""ESC/POS bytes: typed elements in, one print job out. Pure.

Commands come from the elements' types only. Text passes two gates: control code points are dropped before it is
mapped to a code page, and after it every byte is LF or at least 0x20 and not 0x7F.
Lengths of QR data are counted in bytes.

Source: Epson "ESC/POS Command Reference" (ESC @, ESC a, ESC E, ESC t, ESC d, GS !, GS V, GS ( k, GS v 0, FS .).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omnibus_pos.paper import GLUE, Align, Columns, Cut, Feed, Logo, Piece, QrCode, Rule, Text, beside, clean, wrap

INIT = b"\x1b@"
KANJI_OFF = b"\x1c."  # else bytes above 0x80 pair up on printers sold in Asia
CUT = b"\x1dV\x41\x03"  # feed to the knife plus 3 dots, then cut
ALIGN: Mapping[Align, bytes] = {"left": b"\x1ba\x00", "centre": b"\x1ba\x01", "right": b"\x1ba\x02"}
BOLD = (b"\x1bE\x00", b"\x1bE\x01")
LEVEL = {"L": 48, "M": 49, "Q": 50, "H": 51}

#: code page → its number in ``ESC t n`` on Epson's TM-T88V and most clones; others: name the model, or ``name:number``
PAGES: Mapping[str, int] = {
    "cp437": 0, "cp850": 2, "cp860": 3, "cp863": 4, "cp865": 5, "cp857": 13, "cp737": 14, "iso8859-7": 15, "cp1252": 16,
    "cp866": 17, "cp852": 18, "cp858": 19, "cp775": 33, "cp855": 34, "cp861": 35, "cp862": 36, "cp869": 38,
    "iso8859-2": 39, "iso8859-15": 40, "cp1250": 45, "cp1251": 46, "cp1253": 47, "cp1254": 48, "cp1257": 51,
}  # fmt: skip

#: near spellings of what is on no page of the printer
NEAR: Mapping[str, str] = {
    "€": "EUR", "£": "GBP", "¥": "JPY", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "…": "...",
    "•": "*", "×": "x", "−": "-", "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "œ": "oe",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ",
}  # fmt: skip


#: joiners, variation selectors and marks: they have no width of their own
UNSEEN = frozenset({"Cf", "Mn", "Me"})


@dataclass(frozen=True, slots=True)
class Page:
    """Name a single-byte code page and its number in the printer."""

    codec: str
    number: int

    def byte(self, letter: str) -> int | None:
        """Map one character; None where this page lacks it or would give a control byte."""
        try:
            raw = letter.encode(self.codec)
        except UnicodeEncodeError:
            return None
        return raw[0] if len(raw) == 1 and raw[0] >= 0x20 and raw[0] != 0x7F else None


@dataclass(slots=True)
class Ink:
    """Spell text for a printer, changing code pages where needed.

    Args:
        pages: those the printer has; the first is preferred.
        replaced: how many characters no page had, so that a near spelling or ``?`` stands there.
    """

    pages: tuple[Page, ...]
    replaced: int = 0
    _at: Page | None = None

    def spell(self, text: str) -> bytes:
        """Map text; between LF and letters only ``ESC t n`` of our own stands."""
        out = bytearray()
        for letter in unicodedata.normalize("NFC", clean(text)):
            if letter == "\n":
                out += b"\n"
                continue
            page = self._page(letter)
            if page is None:
                self.replaced += 1
                out += self.spell_near(letter)
                continue
            if page != self._at:
                out += b"\x1bt" + bytes([page.number])
                self._at = page
            out.append(page.byte(letter) or 0x3F)
        return bytes(out)

    def near(self, text: str) -> str:
        """Replace what no page has by its near spelling, before lines are broken: ``€`` may become three letters."""
        parts = []
        for part in text.split(GLUE):
            letters = []
            for letter in unicodedata.normalize("NFC", clean(part)):
                known = letter == "\n" or self._page(letter) is not None
                self.replaced += not known
                letters.append(letter if known else self.spell_near(letter).decode("ascii"))
            parts.append("".join(letters))
        return GLUE.join(parts)

    def spell_near(self, letter: str) -> bytes:
        """Give an ASCII spelling of a character that no page has."""
        near = NEAR.get(letter) or unicodedata.normalize("NFKD", letter)
        raw = bytes(each for each in near.encode("ascii", "ignore") if 0x20 <= each < 0x7F)
        return raw or (b"" if unicodedata.category(letter) in UNSEEN else b"?")

    def has(self, text: str) -> bool:
        """Tell whether every character can be printed as it is."""
        return all(
            letter == "\n" or self._page(letter) is not None for letter in unicodedata.normalize("NFC", clean(text))
        )

    def _page(self, letter: str) -> Page | None:
        """Stay on the page in use where possible."""
        first = (self._at,) if self._at is not None else ()
        return next((page for page in (*first, *self.pages) if page.byte(letter) is not None), None)


def job(pieces: Iterable[Piece], columns: int, ink: Ink) -> bytes:
    """Write a print job: initialise, every element, and whatever `Cut` says."""
    return b"".join((INIT, KANJI_OFF, *(_bytes(piece, columns, ink) for piece in pieces)))


def qr(data: str, size: int, level: str) -> bytes:
    """Write a QR code: model 2, module size, correction, data, print.

    Raises:
        ValueError: more than 7089 bytes, the most that a QR code and its length field hold.
    """
    raw = clean(data).replace("\n", "").encode()
    if len(raw) > 7089:
        raise ValueError("a QR code holds at most 7089 bytes")
    length = len(raw) + 3
    return b"".join(
        (
            b"\x1d(k\x04\x00\x31A\x32\x00",
            b"\x1d(k\x03\x00\x31C" + bytes([size]),
            b"\x1d(k\x03\x00\x31E" + bytes([LEVEL[level]]),
            b"\x1d(k" + bytes([length % 256, length // 256]) + b"\x31P0" + raw,
            b"\x1d(k\x03\x00\x31Q0",
        )
    )


def raster(width: int, dots: bytes) -> bytes:
    """Write a picture, one bit a dot; *width* in dots is a multiple of 8."""
    across, rows = width // 8, len(dots) * 8 // width
    return b"\x1dv0\x00" + across.to_bytes(2, "little") + rows.to_bytes(2, "little") + dots


def _bytes(piece: Piece, columns: int, ink: Ink) -> bytes:  # noqa: PLR0911 - one return an element
    match piece:
        case Text():
            lines = wrap(ink.near(piece.text), columns // piece.size)
            return _styled(lines, ink, piece.align, bold=piece.bold, size=piece.size)
        case Columns():
            return _styled(
                beside(ink.near(piece.left), ink.near(piece.right), columns), ink, "left", bold=piece.bold, size=1
            )
        case Logo() if piece.raster:
            return ALIGN["centre"] + raster(piece.width, piece.raster) + ALIGN["left"]
        case Logo():
            return _styled(wrap(ink.near(piece.name), columns // 2), ink, "centre", bold=True, size=2)
        case Rule():
            return _styled(["-" * columns], ink, "left", bold=False, size=1)
        case QrCode():
            return ALIGN["centre"] + qr(piece.data, piece.size, piece.level) + b"\n" + ALIGN["left"]
        case Feed():
            return b"\x1bd" + bytes([min(piece.lines, 255)])
        case Cut():
            return CUT


def _styled(lines: list[str], ink: Ink, align: Align, *, bold: bool, size: int) -> bytes:
    scale = (min(max(size, 1), 8) - 1) * 0x11
    before = ALIGN[align] + BOLD[bold] + b"\x1d!" + bytes([scale])
    return before + ink.spell("\n".join(lines) + "\n") + BOLD[0] + b"\x1d!\x00" + ALIGN["left"]
