"""The customer-facing display: what stands before the person while the clerk sells.

Two lines of twenty characters shown frame by frame (pole display), or the cart on a card reader's screen.
The last text wins, so repeating is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import ClassVar

from omnibus import Capabilities, Cart, Channel, Content, Context, Draft, Layout, Loss, MessageError, Preview
from omnibus_pos.channel import Item, items
from omnibus_pos.choose import chosen, joined, line
from omnibus_pos.paper import clean, glued, wrap

COLUMNS, ROWS, FRAMES = 20, 2, 8  # characters, lines of a frame, frames that somebody waits for
MAX_LENGTH = COLUMNS * ROWS * FRAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayContent(Content):
    """Hold what a display shows.

    Args:
        frames: pairs of lines of at most twenty characters.
        must: words that have to be shown letter by letter.
        cart, currency, total: the open cart; *total* is a decimal text, empty without one.
    """

    frames: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    must: tuple[str, ...] = field(default=(), repr=False)
    brand: str = ""
    cart: tuple[Item, ...] = field(default=(), repr=False)
    currency: str = ""
    total: str = ""

    def preview(self) -> Preview:
        """Show the frames one below the other."""
        rows = [f"|{one:<{COLUMNS}}|\n|{two:<{COLUMNS}}|" for one, two in self.frames]
        return Preview("\n\n".join(rows) or self.brand, "image/svg+xml", _picture(self.frames))


class Display(Channel):
    """Compose for a small display that a person stands before."""

    name = "display"
    audience = "person"
    identity = None
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_length=MAX_LENGTH, withdraw=True, reports=("delivered",), points=0
    )

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> DisplayContent:
        """Keep what fits into eight frames, by rank, and every fact.

        Raises:
            MessageError: the facts alone need more frames.
        """
        facts = [clean(fact.text) for fact in draft.facts]
        pieces, losses = chosen(
            draft, "display", lambda text: _fits(text, facts), f"more than {FRAMES} frames", COLUMNS * 3
        )
        text = joined([words for _, words in pieces], facts, gap="\n")
        if not _fits(text, facts):
            raise MessageError(
                f"price, code, deadline and link need more than {FRAMES} frames of {ROWS} × {COLUMNS} characters",
                where=draft.message.source or draft.message.name, fix="shorten the link or the offer's label",
            )  # fmt: skip
        rows = _rows(text, facts)
        frames = tuple((rows[at], rows[at + 1] if at + 1 < len(rows) else "") for at in range(0, len(rows), ROWS))
        losses += [Loss("picture", "a text display shows none") for _ in draft.media]
        cart = context[Cart]
        return DisplayContent(
            text=text, losses=tuple(losses), frames=frames, must=tuple(facts), brand=line(draft.brand.name),
            cart=items(context), currency=cart.currency, total=f"{cart.total.amount:.2f}" if cart.open else "",
        )  # fmt: skip


def _rows(text: str, facts: list[str]) -> list[str]:
    return [row for row in wrap(glued(text, facts), COLUMNS) if row]


def _fits(text: str, facts: list[str]) -> bool:
    return len(text) <= MAX_LENGTH and len(_rows(text, facts)) <= ROWS * FRAMES


def _picture(frames: tuple[tuple[str, str], ...]) -> bytes:
    """Draw each frame as a green VFD."""
    parts = []
    for number, frame in enumerate(frames):
        top = 10 + number * 62
        parts.append(f'<rect x="8" y="{top}" width="264" height="54" rx="4" fill="#0b1a14"/>')
        for row, words in enumerate(frame):
            at = f'x="16" y="{top + 22 + row * 22}" textLength="{len(words) * 12}"' if words else 'x="16" y="0"'
            parts.append(
                f'<text {at} font-family="monospace" font-size="18" fill="#54f2b0" xml:space="preserve">{escape(words)}</text>'
            )
    height = 16 + 62 * len(frames)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="280" height="{height}" viewBox="0 0 280 {height}" role="img">'
        f"{''.join(parts)}</svg>"
    ).encode()
