"""The shop's own pages as a medium: cards that wait for a visit.

A card is small: what does not fit goes by rank, mandatory facts (price, code, deadline, link) always stay. Text is
carried as text, never as HTML; links and pictures are http(s) only. The page's side is ``omnibus.js``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from omnibus import (
    Capabilities,
    Channel,
    ChannelSettings,
    Content,
    Context,
    Draft,
    Element,
    Layout,
    Loss,
    MessageError,
    Preview,
)
from omnibus_web.contrast import colours
from omnibus_web.preview import card_page

CardKind = Literal["banner", "sidebar", "inbox", "toast"]

#: characters that a person sees at once on each kind of card; our own measure, the medium has none
ROOM: dict[str, int] = {"toast": 160, "banner": 240, "sidebar": 480, "inbox": 1200}
HEADLINE_ROOM = 120  # characters; two lines on a phone
MAX_LENGTH = 2000  # characters of the whole card, link included

_STRUCTURED = frozenset({"headline", "offer", "cta"})  # these have their own place on the card
_ALWAYS = -1  # rank of the author's own words for this channel
_PARTS = re.compile(r"\n\s*\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class WebSettings(ChannelSettings):
    """Read ``[channels.web]``.

    Args:
        origins: the shop's origins (scheme, host, port) whose pages may speak to us; ours is always allowed.
        identify_secret: shared with the shop's backend, signs who is logged in; without it nobody is joined.
        previous_identify_secret: still accepted while the other is being rolled out.
        token_seconds: how long a page's token lives; the page renews it by itself.
        card: the kind of card for messages that do not say (front matter ``data: {card: …}``).
    """

    origins: tuple[str, ...] = ()
    identify_secret: SecretStr | None = None
    previous_identify_secret: SecretStr | None = None
    token_seconds: int = Field(default=600, ge=30, le=86_400)
    card: CardKind = "banner"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContent(Content):
    """Hold one card, complete.

    Args:
        body: words below the headline, paragraphs parted by an empty line.
        offer: what the person gets, e.g. ``15 % off``; *deadline* in words.
        notes: mandatory facts that stand nowhere else, then the sign-off.
        colours: ``ground ink action on_action``, each pair readable.
        until: when the offer ends (aware); *lasts*: how long after placing it makes sense; the sooner counts.
    """

    kind: CardKind
    headline: str = field(repr=False)
    body: str = field(default="", repr=False)
    offer: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    deadline: str = ""
    label: str = ""
    url: str = field(default="", repr=False)
    image: str = ""
    alt: str = ""
    notes: tuple[str, ...] = field(default=(), repr=False)
    colours: dict[str, str] = field(default_factory=dict)
    brand: str = ""
    locale: str = "en"
    until: datetime | None = None
    lasts: timedelta | None = None

    def preview(self) -> Preview:
        """Show the card as a page of its own."""
        return Preview(self.text, "text/html", card_page(self.card()).encode())

    def card(self) -> dict[str, Any]:
        """Give the card as plain JSON values, as the page draws it."""
        return {
            "kind": self.kind, "headline": self.headline, "body": self.body, "offer": self.offer, "code": self.code,
            "deadline": self.deadline, "label": self.label, "url": self.url, "image": self.image, "alt": self.alt,
            "notes": list(self.notes), "colours": dict(self.colours), "brand": self.brand, "locale": self.locale,
        }  # fmt: skip


class Web(Channel):
    """Place cards on the shop's own pages: banner, sidebar, inbox, toast."""

    name = "web"
    identity: ClassVar[str | None] = None  # a card waits for whoever comes back, by whatever browser
    capabilities = Capabilities(
        max_length=MAX_LENGTH, media=True, ambient=True, withdraw=True, reports=("delivered", "clicked"), points=0
    )
    Settings = WebSettings

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> CardContent:
        """Fit the draft on a card: the words of the highest rank go first, facts never.

        Raises:
            MessageError: the facts alone are longer than any card, or the link is not http(s).
        """
        kind = kind_of(draft, self.settings.card)
        made, losses = _fit(draft, kind)
        if len(_seen(made)) > ROOM[kind]:
            losses.append(Loss(f"{kind} card", "its facts need more room; it goes to the inbox"))
            kind = "inbox"
        text = _text(made)
        if len(text) > MAX_LENGTH:
            raise MessageError(
                f"a web card holds {MAX_LENGTH} characters, this one needs {len(text)}",
                where=draft.message.source or draft.message.name, fix="shorten `::: web` or the facts",
            )  # fmt: skip
        image, alt, lost = _picture(draft)
        return CardContent(
            text=text, losses=(*losses, *lost), kind=kind, image=image, alt=_clean(alt), colours=colours(draft.brand),
            brand=_clean(draft.brand.name), locale=draft.locale, until=draft.offer.expires if draft.offer else None,
            lasts=draft.message.expires, **made,
        )  # fmt: skip


def kind_of(draft: Draft, default: CardKind) -> CardKind:
    """Read the kind of card from the message's ``data: {card: …}``.

    Raises:
        MessageError: no such kind.
    """
    told = draft.message.data.get("card", default)
    if told not in get_args(CardKind):
        kinds = ", ".join(get_args(CardKind))
        raise MessageError("unknown kind of card", where=draft.message.source, fix=f"data.card is one of {kinds}")
    kind: CardKind = told
    return kind


def _words(draft: Draft) -> list[Element]:
    """List the free text: the author's own words for the web replace the paragraphs, sign-off and legal lines stay."""
    free = [each for each in draft.elements if each.kind not in _STRUCTURED]
    block = draft.blocks.get("web", "").strip()
    if block:
        return [Element("paragraph", block, _ALWAYS), *(each for each in free if each.kind != "paragraph")]
    if not draft.elements:
        return [Element("paragraph", each, 1) for each in draft.text.split("\n\n") if each.strip()]
    return free


def _fit(draft: Draft, kind: str) -> tuple[dict[str, Any], list[Loss]]:
    """Take words by rank while there is room; after the first paragraph that does not fit none follows."""
    words, kept, losses = _words(draft), list[int](), list[Loss]()
    full: set[str] = set()
    for at in sorted(range(len(words)), key=lambda each: (words[each].rank, each)):
        trial, word = sorted([*kept, at]), words[at]
        fits = word.kind not in full and len(_seen(_made(draft, [words[each] for each in trial]))) <= ROOM[kind]
        if fits or word.rank == _ALWAYS:
            kept = trial
        else:
            full.add(word.kind)
            losses.append(Loss(word.kind, f"no room on a {kind} card"))
    if len(_clean(draft.headline)) > HEADLINE_ROOM:
        losses.append(Loss("headline", f"cut at {HEADLINE_ROOM} characters"))
    return _made(draft, [words[at] for at in kept]), losses


def _made(draft: Draft, words: list[Element]) -> dict[str, Any]:
    """Lay the words out on a card; facts that stand nowhere yet become notes."""
    offer, cta = draft.offer, draft.cta
    sentence = next((_clean(each.text) for each in draft.elements if each.kind == "offer"), "")
    made: dict[str, Any] = {
        "headline": _cut(_clean(draft.headline or draft.brand.name)),
        "body": "\n\n".join(_clean(part) for each in words if each.kind == "paragraph" for part in _PARTS.split(each.text)),
        "offer": sentence or (offer.label if offer else ""), "code": offer.code if offer else "",
        "deadline": offer.deadline if offer else "", "label": _clean(cta.label) if cta else "",
        "url": _link(draft, cta.url) if cta else "", "notes": (),
    }  # fmt: skip
    standing = _text(made)
    facts = [fact.text for fact in draft.facts if fact.text not in standing]
    made["notes"] = (*dict.fromkeys(facts), *(_clean(each.text) for each in words if each.kind != "paragraph"))
    return made


def _seen(made: dict[str, Any]) -> str:
    """Join what a person reads on the card (the link's address is behind its label)."""
    return "\n".join([*_lines(made), *([made["label"]] if made["label"] else []), *made["notes"]])


def _text(made: dict[str, Any]) -> str:
    return "\n".join([*_lines(made), *([f"{made['label']}: {made['url']}"] if made["url"] else []), *made["notes"]])


def _lines(made: dict[str, Any]) -> list[str]:
    offer = [made["offer"], *(each for each in (made["code"], made["deadline"]) if each not in made["offer"])]
    return [each for each in (made["headline"], made["body"], " ".join(filter(None, offer))) if each]


def _clean(words: str) -> str:
    """Make one line of it: no control character travels, whoever typed it."""
    return " ".join("".join(" " if _CONTROL.match(each) else each for each in words).split())


def _cut(words: str) -> str:
    if len(words) <= HEADLINE_ROOM:
        return words
    return words[: HEADLINE_ROOM - 1].rsplit(" ", 1)[0].rstrip() + "…"


def _link(draft: Draft, url: str) -> str:
    if not http_url(url):
        raise MessageError(
            "the link of a web card must be http(s)", where=draft.message.source, fix="give cta.url as an https URL"
        )
    return url


def _picture(draft: Draft) -> tuple[str, str, tuple[Loss, ...]]:
    if not draft.media:
        return "", "", ()
    first, losses = draft.media[0], [Loss("picture", "a card shows one") for _ in draft.media[1:]]
    if not http_url(first.url):
        return "", "", (Loss("picture", "a page can only show an http(s) URL"), *losses)
    return first.url, first.alt, tuple(losses)


def http_url(url: str) -> bool:
    """Tell whether a page may link to it: http or https with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
