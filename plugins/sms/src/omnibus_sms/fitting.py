"""Choose what stays when a message is longer than its parts allow; pure.

The least important sentence goes first, and each that goes is reported. Name, price, code, deadline, link and
the way to stop always stay.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from omnibus import Draft, Loss, MessageError
from omnibus_sms.segments import ALONE, Segments, segment
from omnibus_sms.typography import Transliterate, cleaned, transliterated

_SENTENCE_END = re.compile(r"(?<=[.!?…])[ \n]+|\n+")
_URL = re.compile(r"\S+://\S+")
#: words that make "STOP" a way out rather than talk ("NON STOP SALE"); where we are unsure the line is said twice
_ASKS = "reply|text|txt|send|answer|antwort\\w*|r[ée]pond\\w*|envoye\\w*|responda|rispondi|odpisz|abmelden|stoppen"
_TELLS = "to|pour|um|para|per|om|aby|au|an|opt"


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold one sentence; *rank* (of the element, its place, place within it) is unique, the lowest is kept longest, *gap* stood before it."""

    text: str = field(repr=False)
    kind: str
    rank: tuple[int, int, int]
    gap: str


@dataclass(frozen=True, slots=True)
class Pieces:
    """Hold everything a message may say, and what it must.

    Args:
        facts: texts that must stand in the result letter by letter.
        closing: how to stop; empty for none. *word*: what to answer, so it is not said twice.
    """

    pieces: tuple[Piece, ...]
    facts: tuple[str, ...] = field(repr=False)
    name: str
    closing: str = ""
    word: str = ""

    @classmethod
    def of(cls, draft: Draft, closing: str) -> Pieces:
        """Take the author's own block when there is one, else the ranked elements in reading order."""
        block = draft.blocks.get("sms", "")
        if block:
            pieces = list(_sentences(block, "block", 0, 0))
        else:
            pieces = [
                piece
                for place, each in enumerate(draft.elements)
                for piece in _sentences(each.text, each.kind, each.rank, place)
            ]
        facts = tuple(dict.fromkeys(fact.text for fact in draft.facts if fact.text))
        return cls(tuple(pieces), facts, " ".join(cleaned(draft.brand.name).split()), closing, draft.opt_out.word)

    def said(self, kept: Sequence[Piece]) -> str:
        """Join what is kept; add the name, the facts that are missing and the closing."""
        text = "".join(piece.gap * bool(n) + piece.text for n, piece in enumerate(kept))
        if self.name and not _names(text, self.name):
            text = f"{self.name}: {text}" if text else f"{self.name}:"
        missing = [fact for fact in self.facts if fact not in text]
        if missing:
            text = f"{text} {' '.join(missing)}".strip()
        return f"{text}\n{self.closing}" if self.closing and not self._says_how_to_stop(text) else text

    def _says_how_to_stop(self, text: str) -> bool:
        if not self.word or self.word not in text:
            return self.closing in text
        return self.closing in text or _stopping(self.word).search(text) is not None


def fitted(pieces: Pieces, cap: int, mode: Transliterate, source: str) -> tuple[str, Segments, tuple[Loss, ...]]:
    """Drop the least important sentences until the text needs at most *cap* parts.

    Args:
        source: the message's file, for the error.

    Returns:
        The text, the parts it is cut into, and what it lost.

    Raises:
        MessageError: what must be said alone needs more parts.
    """
    order = sorted(pieces.pieces, key=lambda piece: piece.rank, reverse=True)
    for count in range(_surely_gone(order, cap), len(order) + 1):
        text, changed = _without(pieces, order[:count], mode)
        if len(cut := segment(text)) <= cap:
            return text, cut, (*_left_out(order[:count], cap), *_spelt(changed))
    raise MessageError(
        f"what the SMS must say needs more than {cap} part{'s' * (cap != 1)}", where=source,
        fix="shorten link, offer label or opt_out_text, or raise max_segments in [channels.sms]",
    )  # fmt: skip


def _surely_gone(order: Sequence[Piece], cap: int) -> int:
    """Count how many must go in any case: no part holds more than 160 characters."""
    room, kept = cap * ALONE["gsm7"], len(order)
    for piece in reversed(order):
        room -= len(piece.text)
        if room < 0:
            break
        kept -= 1
    return kept


def _without(pieces: Pieces, gone: Sequence[Piece], mode: Transliterate) -> tuple[str, int]:
    lost = set(gone)
    return transliterated(pieces.said([each for each in pieces.pieces if each not in lost]), pieces.facts, mode)


def _sentences(text: str, kind: str, rank: int, place: int) -> Iterable[Piece]:
    flat, start, gap = cleaned(text), 0, "\n"
    for n, found in enumerate([*_SENTENCE_END.finditer(flat), None]):
        end = found.start() if found else len(flat)
        if flat[start:end]:
            yield Piece(flat[start:end], kind, (rank, place, n), gap)
        if found:
            start, gap = found.end(), "\n" if "\n" in found.group() else " "


@lru_cache(maxsize=64)
def _stopping(word: str) -> re.Pattern[str]:
    """Find where a text says to answer *word*."""
    return re.compile(rf"(?i:{_ASKS})\W+(?:\w+\W+)?{re.escape(word)}\b|\b{re.escape(word)}\W+(?i:{_TELLS})\b")


def _names(text: str, name: str) -> bool:
    """Tell whether *text* names the brand in words; a link does not speak for it."""
    if text.isascii() and name.isascii() and name.lower() not in text.lower():
        return False
    return _naming(name).search(_URL.sub(" ", text)) is not None


@lru_cache(maxsize=64)
def _naming(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)


def _left_out(gone: Sequence[Piece], cap: int) -> Iterable[Loss]:
    for kind, count in Counter([piece.kind for piece in gone]).items() if gone else ():
        yield Loss(f"{kind}: {count} sentence{'s' * (count != 1)}", f"more than {cap} SMS part{'s' * (cap != 1)}")


def _spelt(changed: int) -> Iterable[Loss]:
    if changed:
        yield Loss(f"typography: {changed} character{'s' * (changed != 1)}", "spelt in GSM-7 to save parts")
