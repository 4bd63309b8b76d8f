"""Which words of a draft stand on something small, and what had to go: shared by cards and notifications."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from omnibus import Draft, Element, Loss, MessageError

HEADLINE_ROOM = 120  # characters; two lines on a phone

_STRUCTURED = frozenset({"headline", "offer", "cta"})  # these have their own place
_ALWAYS = -1  # rank of the author's own words for this channel
_PARTS = re.compile(r"\n\s*\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Words:
    """Hold what a person will read, in its places.

    Args:
        body: paragraphs parted by an empty line.
        offer: the offer as a sentence, which may name code and deadline.
        notes: mandatory facts that stand nowhere else, then sign-off and legal lines.
    """

    headline: str = field(repr=False)
    body: str = field(default="", repr=False)
    offer: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    deadline: str = field(default="", repr=False)
    label: str = field(default="", repr=False)
    url: str = field(default="", repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def sentence(self) -> str:
        """Write the offer with its code and deadline, each once."""
        more = (each for each in (self.code, self.deadline) if each not in self.offer)
        return " ".join(each for each in (self.offer, *more) if each)

    @property
    def seen(self) -> str:
        """Join what is read at once (the link's address is behind its label)."""
        return self._joined(self.label)

    @property
    def text(self) -> str:
        """Join everything, link included."""
        return self._joined(f"{self.label}: {self.url}" if self.url else "")

    def _joined(self, link: str) -> str:
        return "\n".join(each for each in (self.headline, self.body, self.sentence, link, *self.notes) if each)


def fit(draft: Draft, channel: str, room: int, where: str) -> tuple[Words, list[Loss]]:
    """Take words by rank while there is room; after the first paragraph that does not fit none follows.

    Args:
        room: characters seen at once; facts are taken even beyond it.
        where: e.g. ``banner card``, for the losses.
    """
    words, kept, losses = _words(draft, channel), list[int](), list[Loss]()
    full: set[str] = set()
    for at in sorted(range(len(words)), key=lambda each: (words[each].rank, each)):
        trial, word = sorted([*kept, at]), words[at]
        fits = word.kind not in full and len(_made(draft, [words[each] for each in trial]).seen) <= room
        if fits or word.rank == _ALWAYS:
            kept = trial
        else:
            full.add(word.kind)
            losses.append(Loss(word.kind, f"no room on a {where}"))
    if len(clean(draft.headline)) > HEADLINE_ROOM:
        losses.append(Loss("headline", f"cut at {HEADLINE_ROOM} characters"))
    return _made(draft, [words[at] for at in kept]), losses


def _words(draft: Draft, channel: str) -> list[Element]:
    """List the free text: the author's own words for the channel replace the paragraphs, the rest stays."""
    free = [each for each in draft.elements if each.kind not in _STRUCTURED]
    block = draft.blocks.get(channel, "").strip()
    if block:
        return [Element("paragraph", block, _ALWAYS), *(each for each in free if each.kind != "paragraph")]
    if not draft.elements:
        return [Element("paragraph", each, 1) for each in draft.text.split("\n\n") if each.strip()]
    return free


def _made(draft: Draft, words: list[Element]) -> Words:
    """Lay the words out; facts that stand nowhere yet become notes."""
    offer, cta = draft.offer, draft.cta if draft.cta and draft.cta.url else None
    sentence = next((clean(each.text) for each in draft.elements if each.kind == "offer"), "")
    paragraphs = [part for each in words if each.kind == "paragraph" for part in _PARTS.split(each.text)]
    made = Words(
        headline=_cut(clean(draft.headline or draft.brand.name)), body="\n\n".join(map(_paragraph, paragraphs)),
        offer=sentence or (offer.label if offer else ""), code=offer.code if offer else "",
        deadline=offer.deadline if offer else "", label=clean(cta.label) if cta else "",
        url=_link(draft, cta.url) if cta else "",
    )  # fmt: skip
    standing = made.text
    facts = [fact.text for fact in draft.facts if fact.text not in standing]
    notes = (*dict.fromkeys(facts), *(clean(each.text) for each in words if each.kind != "paragraph"))
    return replace(made, notes=notes)


def clean(words: str) -> str:
    """Make one line of it: no control character travels, whoever typed it."""
    return " ".join(_CONTROL.sub(" ", words).split())


def _paragraph(words: str) -> str:
    """Keep the line ends that the author set, in a list for example."""
    return "\n".join(filter(None, map(clean, words.splitlines())))


def _cut(words: str) -> str:
    if len(words) <= HEADLINE_ROOM:
        return words
    return words[: HEADLINE_ROOM - 1].rsplit(" ", 1)[0].rstrip() + "…"


def _link(draft: Draft, url: str) -> str:
    if not http_url(url):
        where = draft.message.source or draft.message.name
        raise MessageError("a link on a page must be http(s)", where=where, fix="give cta.url as an https URL")
    return url


def http_url(url: str) -> bool:
    """Tell whether a page may link to it: http or https with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
