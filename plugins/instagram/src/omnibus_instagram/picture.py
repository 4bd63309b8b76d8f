"""Pictures as Instagram takes them: JPEG within its sizes and ratios, and words drawn where no caption stands. Pure.

Source: https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/media
(JPEG only, at most 8 MB, 320 to 1440 px wide, 4:5 to 1.91:1; a story fills 9:16).
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont, ImageOps

from omnibus import InputError

NARROWEST, WIDEST = 320, 1440  # px
TALL, WIDE = 4 / 5, 1.91  # width / height of a feed picture
MAX_BYTES = 8_000_000
SQUARE, STORY = (1080, 1080), (1080, 1920)  # px
MARGIN = 90  # px at each side of a card
SAFE = 250  # px above and below a story's words: the app's own controls lie there
LARGEST, SMALLEST = 92, 40  # px of letters on a card

#: tried in this order when no font is configured; Pillow's own knows little more than ASCII
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "arial.ttf")

#: what a poor font may write instead, so that a fact stays readable
FOLDED = {
    "€": "EUR ", "£": "GBP ", "–": "-", "—": "-", "…": "...", "·": "-", "•": "-", "×": "x", "→": ">", "\xa0": " ",
    "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "ł": "l", "Ł": "L", "đ": "d", "ı": "i",
}  # fmt: skip

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Card:
    """Hold words to be drawn in the brand's colours; *size* in px, colours as ``#rrggbb``."""

    headline: str = field(repr=False)
    text: str = field(repr=False)
    brand: str = ""
    background: str = "#1f3a5f"
    ink: str = "#ffffff"
    accent: str = "#c8553d"
    size: tuple[int, int] = SQUARE


def ratio(size: tuple[int, int], *, like: float | None = None) -> float:
    """Give the nearest allowed width/height of a feed picture, or *like* (the first of a carousel)."""
    return like if like is not None else min(max(size[0] / size[1], TALL), WIDE)


def fit(data: bytes, *, background: str = "#ffffff", like: float | None = None) -> bytes:
    """Make any picture a JPEG that Instagram takes: padded, never cropped, to *like* or the nearest allowed ratio.

    Turned by its EXIF orientation, metadata dropped (a place where it was taken is nobody's business),
    transparency laid on *background*, 320 to 1440 px wide, at most 8 MB.

    Raises:
        InputError: this is no picture that Pillow can read.
    """
    picture = _opened(data, background)
    wanted = ratio(picture.size, like=like)
    width, height = picture.size
    canvas = (max(width, round(height * wanted)), max(height, round(width / wanted)))
    if canvas != picture.size:
        padded = Image.new("RGB", canvas, background)
        padded.paste(picture, ((canvas[0] - width) // 2, (canvas[1] - height) // 2))
        picture = padded
    wide = min(max(canvas[0], NARROWEST), WIDEST)
    if wide != canvas[0]:
        picture = picture.resize((wide, round(canvas[1] * wide / canvas[0])), Image.Resampling.LANCZOS)
    return jpeg(picture)


def jpeg(picture: Image.Image, words: str = "") -> bytes:
    """Write a JPEG of at most 8 MB, as good as that allows; *words* that are drawn on it are kept as its comment."""
    for quality in (92, 85, 75, 60, 40):
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True, comment=words.encode())
        if out.tell() <= MAX_BYTES:
            break
    return out.getvalue()


def words(data: bytes) -> str:
    """Read back what was drawn on a picture of ours; empty for any other."""
    with Image.open(io.BytesIO(data)) as picture:
        told = picture.info.get("comment", b"")
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)


def draw(card: Card, *, photo: bytes | None = None, font: str = "") -> bytes:
    """Draw a card, on a photo if one is given, as large as its words allow; returns a JPEG.

    Raises:
        InputError: the font lacks letters of the words, they are too many, or the photo cannot be read.
    """
    width, height = card.size
    picture = Image.new("RGB", card.size, card.background)
    top = SAFE if card.size == STORY else MARGIN
    if photo is not None:
        shown = ImageOps.fit(_opened(photo, card.background), (width, height * 45 // 100), Image.Resampling.LANCZOS)
        picture.paste(shown, (0, 0))
        top = shown.height + MARGIN // 2
    pen = ImageDraw.Draw(picture)
    bottom = height - top if photo is None else height - (SAFE if card.size == STORY else MARGIN)
    for letters in range(LARGEST, SMALLEST - 1, -2):
        lines = _lines(card, letters, width - 2 * MARGIN, font)
        if sum(each.height for each in lines) <= bottom - top:
            break
    else:
        raise InputError("more words than the picture holds", where="card", fix="say less")
    y = top + max(0, (bottom - top - sum(each.height for each in lines)) // (3 if photo is None else 8))
    pen.rectangle((MARGIN, y - 30, MARGIN + 120, y - 22), fill=card.accent)
    for line in lines:
        pen.text((MARGIN, y), line.text, fill=card.ink, font=line.font)
        y += line.height
    if card.brand:
        small = _font(font, 34)
        at = height - (SAFE - 60 if card.size == STORY else MARGIN - 20)
        pen.text((MARGIN, at), lettered(card.brand, small), fill=card.ink, font=small)
    return jpeg(picture, f"{card.headline}\n\n{card.text}".strip())


def lettered(text: str, font: Font) -> str:
    """Write *text* with the letters that *font* has; symbols it lacks (emoji) are left out.

    Raises:
        InputError: a letter or digit is missing, so that words would be lost.
    """
    out = []
    for char in unicodedata.normalize("NFC", text):
        folded = FOLDED.get(char) or "".join(c for c in unicodedata.normalize("NFKD", char) if c.isascii())
        if _has(char, font):
            out.append(char)
        elif folded:
            out.append(folded)
        elif unicodedata.category(char)[0] in "LN":
            raise InputError(
                "the font lacks letters of this text", where="font", fix="set `font` to a file that has them"
            )
    return "".join(out)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    font: Font
    height: int


def _lines(card: Card, letters: int, room: int, font: str) -> list[_Line]:
    large, plain = _font(font, letters), _font(font, letters * 62 // 100)
    lines = [_Line(each, large, letters * 5 // 4) for each in _wrapped(card.headline, large, room)]
    if lines and card.text:
        lines.append(_Line("", plain, letters // 2))
    step = letters * 62 // 100 * 4 // 3
    for paragraph in card.text.split("\n"):
        lines += [_Line(each, plain, step) for each in _wrapped(paragraph, plain, room)] or [
            _Line("", plain, step // 2)
        ]
    return lines


def _wrapped(text: str, font: Font, room: int) -> Sequence[str]:
    lines: list[str] = []
    for word in lettered(text, font).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= room:
            lines[-1] = longer
            continue
        rest = word
        while font.getlength(rest) > room:  # a link without a space
            cut = next(at for at in range(len(rest) - 1, 0, -1) if at == 1 or font.getlength(rest[:at]) <= room)
            lines.append(rest[:cut])
            rest = rest[cut:]
        lines.append(rest)
    return lines


@lru_cache(maxsize=64)
def _font(path: str, letters: int) -> Font:
    for name in (path,) if path else FONTS:
        try:
            return ImageFont.truetype(name, letters)
        except OSError:
            continue
    if path:
        raise InputError("the font file cannot be read", where="font")
    return ImageFont.load_default(letters)


@lru_cache(maxsize=4096)
def _has(char: str, font: Font) -> bool:
    if char.isspace():
        return char == " "
    missing, mask = font.getmask("\U000ffffd"), font.getmask(char)
    return (mask.size, bytes(mask)) != (missing.size, bytes(missing))


def _opened(data: bytes, background: str) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError("the picture cannot be read", where="image", fix="give a JPEG or PNG file") from None
    turned = ImageOps.exif_transpose(picture)
    if turned.mode not in {"RGBA", "LA", "PA"} and "transparency" not in turned.info:
        return turned.convert("RGB")
    layer = turned.convert("RGBA")
    flat = Image.new("RGBA", layer.size, background)
    flat.alpha_composite(layer)
    return flat.convert("RGB")
