"""Count a text as X counts it, and cut it without breaking a character.

Source: https://docs.x.com/fundamentals/counting-characters (configuration version 3); in agreement with npm twitter-text 3.1.0
(tests/oracle.json). Emoji newer than that library are counted by their parts: never too light, so X never refuses.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import regex

from omnibus_twitter.urls import spans

MAX_WEIGHT = 280  # of one post; Premium accounts may write longer ones
URL_WEIGHT = 23  # of every URL, longer or shorter
EMOJI_WEIGHT = 2  # of every emoji sequence
LIGHT = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))  # weigh 1, all others 2
NEWEST_EMOJI = 11.0  # the version up to which X's library takes a sequence for one emoji
_TUXEDO = "\N{MAN IN TUXEDO}"
_TONES = ("", *map(chr, range(0x1F3FB, 0x1F400)))
#: what X's library knows although its version says otherwise: tuxedos by sex, the eye in a bubble without selectors
KNOWN_EARLY = frozenset(f"{_TUXEDO}{tone}\u200d{sign}\ufe0f" for tone in _TONES for sign in "♀♂") | {
    "\U0001f441\u200d\U0001f5e8"
}
#: … and what it does not know: the same eye with selectors, the infinity sign, and two signs that are text when alone
KNOWN_LATE = frozenset({"\U0001f441\ufe0f\u200d\U0001f5e8\ufe0f", "\u267e\ufe0f", "©", "®"})
_LIGHT = "".join(f"{chr(low)}-{chr(high)}" for low, high in LIGHT)
_HEAVY = re.compile(f"[^{_LIGHT}]")
#: where an emoji may begin: at any heavy code point, at two signs of Latin-1, and at the base of a keycap
_CANDIDATE = re.compile(f"[^{_LIGHT}]|[©®]|[0-9#*](?=\ufe0f?\u20e3)")
ELLIPSIS = "…"
LONG_WORD = 40  # weight from which a word is cut inside rather than left out (languages without spaces)
INVALID = frozenset("\ufffe\ufeff\uffff")
#: what never travels: control characters but for tab and line end, and the code points that X refuses
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\ufeff\uffff]")


@cache
def _sequences() -> tuple[frozenset[str], int]:
    """Know the emoji sequences and how many code points the longest has; ``©`` and ``®`` alone are text."""
    import emoji  # noqa: PLC0415 - its table is large, and most processes never weigh a post

    whole = emoji.STATUS["fully_qualified"]  # joined ones count as one only when every variation selector is there
    known = {
        each
        for each, data in emoji.EMOJI_DATA.items()
        if data["E"] <= NEWEST_EMOJI and ("\u200d" not in each or data["status"] <= whole)
    }
    known = (known | KNOWN_EARLY) - KNOWN_LATE
    return frozenset(known), max(map(len, known))


def _emoji_at(text: str, place: int) -> int:
    """Tell how many code points the longest emoji at *place* has; 0 when there is none."""
    known, longest = _sequences()
    for length in range(min(longest, len(text) - place), 0, -1):
        if text[place : place + length] in known:
            return length
    return 0


def weight(text: str) -> int:
    """Weigh *text* in X's units, of which a post holds 280; empty text weighs 0."""
    text = unicodedata.normalize("NFC", text)
    links = spans(text)
    total = _raw(text) + sum(URL_WEIGHT - _raw(text[start:end]) for start, end in links)
    if text.isascii():
        return total
    ends, place = dict(links), 0
    while found := _CANDIDATE.search(text, place):
        place = found.start()
        within = next((end for start, end in ends.items() if start <= place < end), 0)
        length = 0 if within else _emoji_at(text, place)
        if length:
            total += EMOJI_WEIGHT - _raw(text[place : place + length])
        place = within or place + (length or 1)
    return total


def _raw(text: str) -> int:
    """Weigh code point by code point: 1 within ``LIGHT``, else 2."""
    return len(text) + len(_HEAVY.findall(text))


def clean(text: str) -> str:
    """Take out what may not travel; line ends become plain ones."""
    return _UNWANTED.sub("", text.replace("\r\n", "\n")).strip()


def valid(text: str, limit: int = MAX_WEIGHT) -> bool:
    """Tell whether X takes *text* as a post: not empty, not over *limit*, without three forbidden code points."""
    return bool(text.strip()) and not INVALID & set(text) and weight(text) <= limit


def cut(text: str, limit: int) -> str:
    """Shorten *text* to at most *limit* units, ``…`` included; text that fits is returned unchanged.

    It ends after a word; a word heavier than 40 is cut between grapheme clusters. No URL and no character is ever
    split; when not even one character fits, the result is empty.
    """
    if weight(text) <= limit:
        return text
    kept, room = "", limit - weight(ELLIPSIS)
    for piece in regex.findall(r"\s*\S+", unicodedata.normalize("NFC", text)):
        heavy = weight(piece)
        if heavy > room:
            kept += _part(piece, room) if heavy > LONG_WORD else ""
            break
        kept, room = kept + piece, room - heavy
    kept = kept.rstrip(" \t\r\n,;:–—-")
    return f"{kept}{ELLIPSIS}" if kept.strip() else ""


def _part(word: str, room: int) -> str:
    """Give the longest beginning of a long word that weighs at most *room*, whole clusters and whole URLs only."""
    links, ends = spans(word), [0]
    for cluster in regex.findall(r"\X", word):
        ends.append(ends[-1] + len(cluster))
        if len(ends) > room + URL_WEIGHT + len(word) // 2 + 1:
            break
    for end in reversed(ends):
        inside = any(start < end < stop for start, stop in links)
        if not inside and weight(word[:end]) <= room:
            return word[:end]
    return ""


def split(text: str, limit: int = MAX_WEIGHT) -> tuple[str, ...]:
    """Part *text* into posts of a thread, each at most *limit*: at paragraphs, else after words, else between clusters."""
    posts: list[str] = []
    room = 0
    for paragraph in filter(None, (each.strip() for each in text.split("\n\n"))):
        heavy = weight(paragraph) + 2  # with the empty line before it; paragraphs weigh independently of each other
        if heavy <= room:
            posts[-1] += f"\n\n{paragraph}"
            room -= heavy
            continue
        rest = paragraph
        while weight(rest) > limit:
            head = _head(rest, limit)
            posts.append(head.rstrip())
            rest = rest[len(head) :].lstrip()
        if rest:
            posts.append(rest)
        room = limit - weight(posts[-1])
    return tuple(posts)


def _head(text: str, limit: int) -> str:
    """Take as many whole words of *text* as fit; of a first word that does not fit, as many clusters."""
    room, place = limit, 0
    for piece in regex.finditer(r"\s*\S+", text):
        room -= weight(piece[0])
        if room < 0:
            break
        place = piece.end()
    return text[:place] if place else _part(text, limit) or text
