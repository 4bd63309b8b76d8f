"""A skeleton, read once for all people: its paragraphs and its Markdown, cut where values belong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from omnibus.model.draft import Element
from omnibus.writing.prose import LINK, SCHEMES, line, pieces, settle_links
from omnibus.writing.values import escaped, no_count

SLOT = re.compile("\ue000(\\d+)\ue001")
#: where a value that is a number would begin a list: ``{{ count }}. of them``
_COUNT = re.compile("^[ \\t>*+\\-\\d.)\ue000\ue001]*[.)](?=\\s|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a text cut at its slots.

    Args:
        parts: the texts, and an empty one for each slot.
        slots: place among the parts, number of the value.
        late: whether values decide where a link leads, so that it can only be settled with them.
    """

    parts: tuple[str, ...]
    slots: tuple[tuple[int, int], ...]
    late: bool = False

    def filled(self, values: Sequence[str]) -> str:
        """Put the values in."""
        if not self.slots:
            return self.parts[0]
        if len(self.slots) == 1 and not self.late:
            before, _, after = self.parts
            return f"{before}{values[self.slots[0][1]]}{after}"
        out = list(self.parts)
        for place, number in self.slots:
            out[place] = values[number]
        return settle_links("".join(out)) if self.late else "".join(out)


@dataclass(frozen=True, slots=True)
class Shape:
    """Hold a body: the skeleton without space around it, as Markdown, and as plain paragraphs.

    Args:
        paragraphs: those that no value changes are elements already; their ranks hold while *certain*.
        certain: whether all paragraphs say something, whatever the values.
        counts: numbers of the values that would begin a list, were they numbers.
    """

    skeleton: str
    markdown: Piece
    paragraphs: tuple[Piece | Element, ...]
    certain: bool
    counts: tuple[int, ...] = ()

    def elements(self, values: tuple[str, ...]) -> list[Element]:
        """Give the paragraphs that say something, ranked from 2."""
        if self.certain:
            return [
                each if type(each) is Element else Element("paragraph", each.filled(values), rank)  # type: ignore[union-attr]
                for rank, each in enumerate(self.paragraphs, start=2)
            ]
        texts = [each.text if isinstance(each, Element) else each.filled(values) for each in self.paragraphs]
        return [Element("paragraph", text, rank) for rank, text in enumerate(filter(str.strip, texts), start=2)]

    def marked(self, values: tuple[str, ...]) -> str:
        """Put the values in so that no Markdown reader takes them for markup."""
        if not self.markdown.slots:
            return self.skeleton
        safe = list(map(escaped, values))
        for number in self.counts:
            safe[number] = no_count(safe[number])
        return self.markdown.filled(safe)


@lru_cache(maxsize=1024)
def headline(skeleton: str) -> Piece:
    """Read a headline."""
    return _piece(line(skeleton))


@lru_cache(maxsize=1024)
def shape(skeleton: str) -> Shape:
    """Read a body."""
    found = [_piece(each) for each in pieces(skeleton)]
    said = [each for each in found if each.slots or each.parts[0].strip()]
    paragraphs = tuple(
        each if each.slots else Element("paragraph", each.parts[0], rank) for rank, each in enumerate(said, start=2)
    )
    stripped = skeleton.strip()
    counts = {int(slot) for found in _COUNT.finditer(stripped) for slot in SLOT.findall(found[0])}
    return Shape(stripped, _cut(stripped), paragraphs, not any(each.late for each in said), tuple(counts))


def _piece(text: str) -> Piece:
    late = any(_open(found[1]) for found in LINK.finditer(text))
    return _cut(text if late else settle_links(text), late=late)


def _open(target: str) -> bool:
    """Tell whether a value decides where a link leads: its own beginning does not."""
    return SLOT.search(target) is not None and not target.lower().startswith(SCHEMES)


def _cut(text: str, *, late: bool = False) -> Piece:
    cut = SLOT.split(text)
    slots = tuple((place, int(cut[place])) for place in range(1, len(cut), 2))
    return Piece(tuple("" if place % 2 else each for place, each in enumerate(cut)), slots, late)
