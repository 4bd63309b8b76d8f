"""What a person will see, as SVG: a post in the feed, a story, a message bubble. Pure."""

from __future__ import annotations

import textwrap
from html import escape

from omnibus_instagram.picture import Card

WIDTH = 400  # px of a preview


def post(handle: str, pictures: list[str], caption: str, card: Card | None) -> bytes:
    """Draw a post: name, picture (or card), caption; *pictures* are URLs or file paths."""
    shown = _card(card, 0, 56, WIDTH, WIDTH) if card else _photo(pictures, 56, WIDTH)
    words = _lines(caption, 52, 12, 56 + WIDTH + 36, "#1c1c1c", 14)
    height = 56 + WIDTH + 60 + 18 * len(_wrapped(caption, 52))
    head = f'<text x="16" y="36" font-weight="bold" font-size="16" fill="#1c1c1c">{escape(handle)}</text>'
    return _svg(WIDTH, height, "#ffffff", head + shown + words)


def story(handle: str, pictures: list[str], card: Card | None) -> bytes:
    """Draw a story, upright."""
    height = WIDTH * 16 // 9
    top = height * 45 // 100 if card and pictures else 0
    shown = _card(card, 0, top, WIDTH, height - top) if card else _photo(pictures, 0, height)
    shown += _photo(pictures, 0, top) if top else ""
    head = f'<text x="16" y="32" font-weight="bold" font-size="16" fill="#ffffff">{escape(handle)}</text>'
    return _svg(WIDTH, height, "#000000", shown + head)


def bubble(sender: str, text: str, picture: str = "") -> bytes:
    """Draw a direct message, its picture below its words."""
    lines = _wrapped(text, 44)
    words = 70 + 18 * len(lines)
    height = words + (WIDTH * 3 // 4 if picture else 0)
    box = f'<rect x="12" y="40" width="{WIDTH - 60}" height="{words - 52}" rx="18" fill="#efefef"/>'
    box += _photo([picture], words, WIDTH * 3 // 4) if picture else ""
    head = f'<text x="16" y="28" font-size="13" fill="#737373">{escape(sender)}</text>'
    return _svg(WIDTH, height, "#ffffff", head + box + _lines(text, 44, 28, 64, "#1c1c1c", 14))


def _card(card: Card, x: int, y: int, width: int, height: int) -> str:
    at = y + height // 4
    head = _lines(card.headline, 26, x + 24, at, card.ink, 26)
    below = at + 34 * len(_wrapped(card.headline, 26))
    box = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{escape(card.background)}"/>'
    bar = f'<rect x="{x + 24}" y="{at - 40}" width="44" height="4" fill="{escape(card.accent)}"/>'
    return box + bar + head + _lines(card.text, 40, x + 24, below, card.ink, 16)


def _photo(pictures: list[str], y: int, height: int) -> str:
    if not pictures:
        return ""
    more = f" (1 of {len(pictures)})" if len(pictures) > 1 else ""
    name = escape(pictures[0].rsplit("/", 1)[-1] + more)
    frame = f'<rect y="{y}" width="{WIDTH}" height="{height}" fill="#dbdbdb"/>'
    label = f'<text x="16" y="{y + height - 16}" font-size="12" fill="#555555">{name}</text>'
    href = escape(pictures[0], quote=True)
    fill = f'<image y="{y}" width="{WIDTH}" height="{height}" href="{href}" preserveAspectRatio="xMidYMid slice"/>'
    return frame + label + fill


def _wrapped(text: str, width: int) -> list[str]:
    return [line for each in text.split("\n") for line in textwrap.wrap(each, width) or [""]] if text else []


def _lines(text: str, width: int, x: int, y: int, ink: str, letters: int) -> str:
    step = letters * 5 // 4
    return "".join(
        f'<text x="{x}" y="{y + step * at}" font-size="{letters}" fill="{escape(ink)}">{escape(line)}</text>'
        for at, line in enumerate(_wrapped(text, width))
    )


def _svg(width: int, height: int, background: str, inside: str) -> bytes:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif"><rect width="100%" height="100%" fill="{background}"/>'
        f"{inside}</svg>"
    ).encode()
