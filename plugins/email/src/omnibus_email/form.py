"""Pieces of HTML, each beside its quoted-printable: the fixed ones are encoded once, a person's as they come."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omnibus_email.markup import escape
from omnibus_email.quoted import LAST, SOFT_BREAK, cut, piece

#: a piece of a page as HTML, and as quoted-printable that another piece may follow
Made = tuple[str, str]

NOTHING: Made = ("", "")
_PLAIN = re.compile(r"[A-Za-z0-9!#$%'()*+,./:;?@_| -]*[A-Za-z0-9!#$%'()*+,./:;?@_|-]")


def made(html: str) -> Made:
    """Take HTML as it is."""
    return html, piece(html)


def shown(text: str) -> Made:
    """Show a text letter by letter."""
    if _PLAIN.fullmatch(text):  # most are: nothing to escape, nothing to encode
        return text, text + SOFT_BREAK if len(text) <= LAST else cut(text) + SOFT_BREAK
    html = escape(text)
    return html, piece(html)


def joined(pieces: Sequence[Made]) -> Made:
    """Put pieces behind each other."""
    return "".join([each[0] for each in pieces]), "".join([each[1] for each in pieces])


@dataclass(frozen=True, slots=True)
class Form:
    """Hold HTML with slots.

    Args:
        slots: their names in the order of the text; one may stand in it more than once.
        fixed: the HTML around them, one more than slots.
    """

    slots: tuple[str, ...]
    fixed: tuple[Made, ...]

    def fixing(self, slot: str, piece: Made) -> Form:
        """Fill one slot for good."""
        if slot not in self.slots:
            return self
        at = self.slots.index(slot)
        between = joined([self.fixed[at], piece, self.fixed[at + 1]])
        slots, fixed = self.slots[:at] + self.slots[at + 1 :], (*self.fixed[:at], between, *self.fixed[at + 2 :])
        return Form(slots, fixed).fixing(slot, piece)

    @classmethod
    def of(cls, html: str, slot: re.Pattern[str]) -> Form:
        """Cut HTML at its slots; the first group of *slot* is their name."""
        cut = slot.split(html)
        return cls(tuple(cut[1::2]), tuple([made(each) for each in cut[::2]]))

    def fill(self, values: Mapping[str, Made]) -> Made:
        """Put a piece into every slot."""
        return self.place([values[each] for each in self.slots])

    def place(self, pieces: Sequence[Made]) -> Made:
        """Put one piece into each slot, in their order."""
        both: list[Made] = [NOTHING] * (2 * len(pieces) + 1)
        both[::2] = self.fixed
        both[1::2] = pieces
        return joined(both)
