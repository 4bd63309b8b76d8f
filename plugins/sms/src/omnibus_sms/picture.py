"""Draw a text message as the person will see it: a bubble on a phone, as SVG; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

WIDTH, LINE, CHARS = 360, 20, 34  # pixels, pixels, characters a line at 15 px
_URLISH = 30  # characters past which a word is broken


@dataclass(frozen=True, slots=True)
class Bubble:
    """Hold what is drawn: who it is from, the words, a small note below, the brand's colour and ink."""

    name: str
    text: str = field(repr=False)
    note: str
    colour: str
    pictures: int = 0
    ink: str = "#ffffff"


def bubble(told: Bubble) -> bytes:
    """Draw the phone's message view; every word is escaped, nothing is loaded."""
    lines = [line for paragraph in told.text.split("\n") for line in _wrapped(paragraph)]
    lines = ["▣ picture"] * told.pictures + lines
    high = len(lines) * LINE + 24
    colour, ink = escape(told.colour, quote=True), escape(told.ink, quote=True)
    words = "".join(f'<tspan x="30" y="{92 + n * LINE}">{escape(line) or " "}</tspan>' for n, line in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{high + 120}" '
        f'viewBox="0 0 {WIDTH} {high + 120}" role="img" font-family="Helvetica, Arial, sans-serif">'
        f'<rect width="{WIDTH}" height="{high + 120}" rx="28" fill="#f4f4f6"/>'
        f'<path d="M0 28a28 28 0 0 1 28-28h{WIDTH - 56}a28 28 0 0 1 28 28v28H0z" fill="{colour}"/>'
        f'<text x="{WIDTH // 2}" y="36" text-anchor="middle" font-size="16" fill="{ink}">{escape(told.name)}</text>'
        f'<rect x="16" y="70" width="{WIDTH - 72}" height="{high}" rx="16" fill="#e4e5ea"/>'
        f'<text font-size="15" fill="#1c1c1c" xml:space="preserve">{words}</text>'
        f'<text x="20" y="{high + 92}" font-size="11" fill="#6b6b70">{escape(told.note)}</text></svg>'
    ).encode()


def _wrapped(paragraph: str) -> list[str]:
    lines, line = [], ""
    for word in paragraph.split(" "):
        pieces = [word[at : at + _URLISH] for at in range(0, len(word), _URLISH)] if len(word) > CHARS else [word]
        for piece in pieces:
            if line and len(line) + 1 + len(piece) > CHARS:
                lines.append(line)
                line = piece
            else:
                line = f"{line} {piece}" if line else piece
    return [*lines, line]
