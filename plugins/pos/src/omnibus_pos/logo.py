"""The brand's logo as dots: one bit each, as wide as the paper at most."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

HIGHEST = 240  # dots, 3 cm at 203 dpi; a longer strip of black heats the head and wastes paper
BIGGEST = 4_000 * 4_000  # pixels of the file that we are ready to open


def dots(path: str, width: int) -> tuple[int, bytes]:
    """Read a picture file as rows of dots, black is 1; transparent parts are white.

    Returns:
        The width in dots (a multiple of 8, at most *width*) and the rows; (0, b"") when the file is no picture we can
        read, so that the name is printed instead.
    """
    try:
        with Image.open(Path(path)) as picture:
            if picture.width * picture.height > BIGGEST:
                return 0, b""
            shown = picture.convert("RGBA")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError):
        return 0, b""
    paper = Image.new("RGBA", shown.size, "white")
    paper.alpha_composite(shown)
    across = min(width, max(8, shown.width)) // 8 * 8
    down = max(1, round(shown.height * across / shown.width))
    if down > HIGHEST:
        across, down = max(8, across * HIGHEST // down // 8 * 8), HIGHEST
    drawn = paper.convert("L").resize((across, down)).convert("1")
    return across, bytes(byte ^ 0xFF for byte in drawn.tobytes())
