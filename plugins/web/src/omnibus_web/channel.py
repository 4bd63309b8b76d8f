"""The shop's own pages as a medium: cards that wait for a visit.

A card is small: what does not fit goes by rank, mandatory facts (price, code, deadline, link) always stay. Text is
carried as text, never as HTML; links and pictures are http(s) only. The page's side is ``omnibus.js``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, SecretStr

from omnibus import (
    Capabilities,
    Channel,
    ChannelSettings,
    Content,
    Context,
    Draft,
    Layout,
    Loss,
    MessageError,
    Preview,
)
from omnibus_web.contrast import colours
from omnibus_web.preview import card_page
from omnibus_web.subscriptions import HOSTS
from omnibus_web.words import Words, clean, fit, http_url

CardKind = Literal["banner", "sidebar", "inbox", "toast"]

#: characters that a person sees at once on each kind of card; our own measure, the medium has none
ROOM: dict[str, int] = {"toast": 160, "banner": 240, "sidebar": 480, "inbox": 1200}
MAX_LENGTH = 2000  # characters of the whole card, link included


class WebSettings(ChannelSettings):
    """Read ``[channels.web]``.

    Args:
        origins: the shop's origins (scheme, host, port) whose pages may speak to us; ours is always allowed.
        identify_secret: shared with the shop's backend, signs who is logged in; without it nobody is joined.
        previous_identify_secret: still accepted while the other is being rolled out.
        token_seconds: how long a page's token lives; the page renews it by itself.
        push_key: the public VAPID key (base64url), the other half of ``private_key`` in ``[channels.push]``.
        push_hosts: push services whose subscriptions are taken.
        card: the kind of card for messages that do not say (front matter ``data: {card: …}``).
    """

    origins: tuple[str, ...] = ()
    identify_secret: SecretStr | None = None
    previous_identify_secret: SecretStr | None = None
    token_seconds: int = Field(default=600, ge=30, le=86_400)
    push_key: str = Field(default="", pattern=r"^([A-Za-z0-9_-]{87})?$")
    push_hosts: tuple[str, ...] = HOSTS
    card: CardKind = "banner"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContent(Content):
    """Hold one card, complete.

    Args:
        colours: ``ground ink action on_action``, each pair readable.
        until: when the offer ends (aware); *lasts*: how long after placing it makes sense; the sooner counts.
    """

    kind: CardKind
    words: Words
    image: str = ""
    alt: str = ""
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
        words = self.words
        return {
            "kind": self.kind, "headline": words.headline, "body": words.body, "offer": words.offer,
            "code": words.code, "deadline": words.deadline, "label": words.label, "url": words.url,
            "image": self.image, "alt": self.alt, "notes": list(words.notes), "colours": dict(self.colours),
            "brand": self.brand, "locale": self.locale,
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
        words, losses = fit(draft, "web", ROOM[kind], f"{kind} card")
        if len(words.seen) > ROOM[kind]:
            losses.append(Loss(f"{kind} card", "its facts need more room; it goes to the inbox"))
            kind = "inbox"
        if len(words.text) > MAX_LENGTH:
            raise MessageError(
                f"a web card holds {MAX_LENGTH} characters, this one needs {len(words.text)}",
                where=draft.message.source or draft.message.name, fix="shorten `::: web` or the facts",
            )  # fmt: skip
        image, alt, lost = picture(draft)
        return CardContent(
            text=words.text, losses=(*losses, *lost), kind=kind, words=words, image=image, alt=alt,
            colours=colours(draft.brand), brand=clean(draft.brand.name), locale=draft.locale,
            until=draft.offer.expires if draft.offer else None, lasts=draft.message.expires,
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


def picture(draft: Draft) -> tuple[str, str, tuple[Loss, ...]]:
    """Take the first picture that a page can show: (url, alternative text, what was left out)."""
    media = [each for each in draft.media if each.url]
    if not media:
        return "", "", ()
    first, losses = media[0], [Loss("picture", "only one is shown") for _ in media[1:]]
    if not http_url(first.url):
        return "", "", (Loss("picture", "a page can only show an http(s) URL"), *losses)
    return first.url, clean(first.alt), tuple(losses)
