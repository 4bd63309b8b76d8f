"""Words within limits: which pieces stay, what is reported as lost, how Instagram counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from omnibus import Draft, Element, Loss, MessageError

CAPTION = 2_200  # characters of a caption; counted in UTF-16 units, which are never fewer
HASHTAGS = 30  # in one caption
MENTIONS = 20  # @ in one caption
DIRECT = 1_000  # UTF-8 bytes of a direct message

_HASHTAG = re.compile(r"(?<![\w&#/])#(?=\w*[^\W\d_])\w+")
_MENTION = re.compile(r"(?<![\w@/])@(?=[\w.]*\w)[\w.]+")

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

Fits = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Words:
    """Hold the words that stay, and what had to go."""

    text: str = field(repr=False)
    losses: tuple[Loss, ...] = ()


def units(text: str) -> int:
    """Count UTF-16 code units: an emoji outside the basic plane is two, as in the app."""
    return len(text.encode("utf-16-le")) // 2


def size(text: str) -> int:
    """Count UTF-8 bytes, as the messaging API does."""
    return len(text.encode())


def shape(draft: Draft, fits: Fits, *, block: str, where: str) -> Words:
    """Keep as many pieces of a draft as fit, in reading order, the highest rank going first; every fact stays.

    An author's own block is taken instead of the elements, its last paragraph going first. A fact whose piece
    had to go, or that the block lacks, stands on a line of its own at the end.

    Raises:
        MessageError: the mandatory facts alone do not fit.
    """
    pieces, losses = _pieces(draft, block), []
    while not fits(_joined(pieces, draft)) and len(pieces) > 1:
        gone = max(reversed(range(len(pieces))), key=lambda at: pieces[at].rank)
        losses.append(Loss(pieces.pop(gone).kind, "no room"))
    if pieces and not fits(_joined(pieces, draft)):
        last = pieces.pop()
        shorter = _shortened(last.text, lambda text: fits(_joined([replace(last, text=text)], draft)))
        pieces = [replace(last, text=shorter)] if shorter else []
        losses.append(Loss(last.kind, "shortened to fit" if shorter else "no room"))
    text = _joined(pieces, draft)
    if not fits(text):
        facts = ", ".join(each.kind for each in draft.facts)
        raise MessageError(f"the mandatory facts alone do not fit ({facts})", where=where, fix="shorten code or link")
    return Words(text, tuple(losses))


def clean(text: str) -> str:
    """Leave out what is no letter: control characters; every kind of line end becomes one."""
    return _CONTROL.sub("", "\n".join(text.splitlines())).strip()


def line(text: str) -> str:
    """Write it as one clean line."""
    return " ".join(clean(text).split())


def place(draft: Draft) -> str:
    """Name the message, for errors."""
    return draft.message.source or draft.message.name


def hashtags(text: str) -> int:
    """Count hashtags as Instagram does: a ``#`` before letters, digits or ``_``, not digits alone."""
    return len(_HASHTAG.findall(text))


def mentions(text: str) -> int:
    """Count @names; the @ of a mail address is none."""
    return len(_MENTION.findall(text))


def tamed(text: str) -> Words:
    """Take the sign from every hashtag after the 30th and every @name after the 20th; the words stay."""
    losses: list[Loss] = []
    for what, pattern, most in (("hashtag", _HASHTAG, HASHTAGS), ("mention", _MENTION, MENTIONS)):
        over = list(pattern.finditer(text))[most:]
        for found in reversed(over):
            text = text[: found.start()] + text[found.start() + 1 :]
        if over:
            losses.append(Loss(what, f"{len(over)} above the limit of {most} stand without their sign"))
    return Words(text, tuple(losses))


def tagged(words: Words, tags: Sequence[str], fits: Fits) -> Words:
    """Put as many hashtags below the text as fit in room and number."""
    signs: list[str] = []
    wanted = dict.fromkeys(f"#{each.lstrip('#')}" for each in tags if each.strip("# "))
    text, left = words.text, [each for each in wanted if each.lower() not in words.text.lower().split()]
    for at, tag in enumerate(left):
        longer = "\n\n".join(each for each in (words.text, " ".join([*signs, tag])) if each)
        if not fits(longer) or hashtags(longer) > HASHTAGS:
            return Words(text, (*words.losses, Loss("hashtag", f"{len(left) - at} more had no room")))
        signs.append(tag)
        text = longer
    return Words(text, words.losses)


def _pieces(draft: Draft, block: str) -> list[Element]:
    own = draft.blocks.get(block)
    if own is None:
        pieces = [replace(each, text=clean(each.text)) for each in draft.elements]
    else:
        pieces = [Element("paragraph", clean(each), rank) for rank, each in enumerate(own.split("\n\n"))]
    return [each for each in pieces if each.text]


def _joined(pieces: Sequence[Element], draft: Draft) -> str:
    text = "\n\n".join(each.text for each in pieces)
    missing = [each.text for each in draft.facts if each.text not in text]
    return "\n\n".join(each for each in (text, "\n".join(dict.fromkeys(missing))) if each)


def _shortened(text: str, fits: Fits) -> str:
    words = text.split(" ")
    low, high = 0, len(words) - 1
    while low < high:  # the largest number of words that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(" ".join(words[:middle]) + " …") else (low, middle - 1)
    return " ".join(words[:low]) + " …" if low and fits(" ".join(words[:low]) + " …") else ""
