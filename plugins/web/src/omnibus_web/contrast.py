"""Colours that can be read: WCAG 2.2 contrast, so that a brand's theme never makes a card unreadable."""

from __future__ import annotations

import re

from omnibus import Brand, MessageError

TEXT_RATIO = 4.5  # least contrast of text, WCAG 2.2 §1.4.3 (AA)

_HEX = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")


def luminance(colour: str) -> float:
    """Compute the relative luminance of ``#rrggbb`` or ``#rgb``, from 0 (black) to 1 (white).

    Raises:
        MessageError: it is no such colour.
    Source:
        WCAG 2.2, "relative luminance" (sRGB).
    """
    if not _HEX.fullmatch(colour):
        raise MessageError("a theme colour is not #rrggbb", where="brand.toml [theme]", fix="write it like #1f3a5f")
    digits = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    """Compute the contrast of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable(ink: str, ground: str) -> str:
    """Keep *ink* where it can be read on *ground*, else take black or white, whichever reads better (one always does)."""
    if ratio(ink, ground) >= TEXT_RATIO:
        return ink
    return max(("#000000", "#ffffff"), key=lambda each: ratio(each, ground))


def colours(brand: Brand) -> dict[str, str]:
    """Take a card's four colours from the brand: ``ground ink action on_action``; every text pair reaches 4.5 : 1."""
    theme = brand.theme
    return {
        "ground": theme.background, "ink": readable(theme.text, theme.background),
        "action": theme.primary, "on_action": readable(theme.on_primary, theme.primary),
    }  # fmt: skip
