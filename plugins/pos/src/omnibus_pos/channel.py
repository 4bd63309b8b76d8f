"""The card on the clerk's screen: an ambient channel that waits for the person to come to the till.

The medium's rules are ours: a card is read in a glance, so it holds one headline and a few short paragraphs;
price, code and deadline always stand on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field, SecretStr, field_validator

from omnibus import (
    Capabilities,
    Cart,
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
from omnibus_pos.choose import chosen, joined, line
from omnibus_pos.paper import clean
from omnibus_pos.passes import seed_of
from omnibus_pos.picture import card_picture

MAX_LENGTH = 600  # characters that a clerk reads in a glance
MAX_HEADLINE = 120  # characters


@dataclass(frozen=True, slots=True)
class Item:
    """Hold one line of the open cart; *price* is one piece's, a decimal text."""

    sku: str
    name: str
    quantity: int
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContent(Content):
    """Hold a card as the clerk's screen shows it, and what another point of sale needs to show the same.

    Args:
        cart: the open cart's lines in *currency*.
        who: ``email`` and ``phone`` of the person, where known.
        primary, on_primary: brand colours ``#rrggbb``.
    """

    headline: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    brand: str = ""
    code: str = field(default="", repr=False)
    label: str = ""
    deadline: str = ""
    offer: str = ""
    expires: str = ""
    percent: int = 0
    cart: tuple[Item, ...] = field(default=(), repr=False)
    currency: str = ""
    who: Mapping[str, str] = field(default_factory=dict, repr=False)
    primary: str = "#1f3a5f"
    on_primary: str = "#ffffff"

    def card(self) -> dict[str, Any]:
        """Give the JSON value that `message.sent` carries to the facet."""
        return {
            "headline": self.headline, "text": self.body, "code": self.code, "label": self.label,
            "deadline": self.deadline, "offer": self.offer, "expires": self.expires,
        }  # fmt: skip

    def preview(self) -> Preview:
        """Show the card in words and as an SVG in the brand's colours."""
        return Preview(
            self.text,
            "image/svg+xml",
            card_picture(self.headline or self.brand, self.body, self.primary, self.on_primary),
        )


class PosSettings(ChannelSettings):
    """Take the terminals that may call the till API.

    Args:
        terminals: name of a till → its key (Bearer token).
        guesses: failed look-ups, hand-overs and codes that a terminal may make within *guess_window* seconds.
        pass_key: 32 random bytes, hex or base64, that sign passes which tills read offline.
    """

    terminals: dict[str, SecretStr] = Field(default_factory=dict)
    guesses: int = Field(default=20, ge=1)
    guess_window: int = Field(default=300, ge=1)
    pass_key: SecretStr | None = None

    @field_validator("pass_key")
    @classmethod
    def _long_enough(cls, told: SecretStr | None) -> SecretStr | None:
        if told is not None:
            seed_of(told.get_secret_value())
        return told


class Pos(Channel):
    """Compose the card for the clerk's screen."""

    name = "pos"
    audience = "person"
    identity = None
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_length=MAX_LENGTH, ambient=True, withdraw=True, reports=("delivered",), points=0
    )
    Settings = PosSettings

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> CardContent:
        """Keep the elements that fit, by rank, and every fact.

        Raises:
            MessageError: the facts alone are longer than a card.
        """
        facts = [clean(fact.text) for fact in draft.facts]
        why = f"a till card holds {MAX_LENGTH} characters"
        pieces, losses = chosen(draft, "pos", lambda text: len(text) <= MAX_LENGTH, why, MAX_HEADLINE)
        headline = "".join(text for kind, text in pieces if kind == "headline")
        body = joined([text for kind, text in pieces if kind != "headline"], facts, headline)
        text = f"{headline}\n\n{body}".strip()
        if len(text) > MAX_LENGTH:
            raise MessageError(
                f"price, code, deadline and link need {len(text)} characters, a till card holds {MAX_LENGTH}",
                where=draft.message.source or draft.message.name, fix="shorten the link or the offer's label",
            )  # fmt: skip
        offer, theme = draft.offer, draft.brand.theme
        losses += [Loss("picture", "a till card shows none") for _ in draft.media]
        return CardContent(
            text=text, losses=tuple(losses), headline=headline, body=body, brand=line(draft.brand.name),
            code=clean(offer.code) if offer else "", label=line(offer.label) if offer else "",
            deadline=line(offer.deadline) if offer else "", offer=offer.offer if offer else "",
            expires=offer.expires.isoformat() if offer and offer.expires else "",
            percent=offer.percent if offer else 0, cart=items(context), currency=context[Cart].currency,
            who=_who(context), primary=theme.primary, on_primary=theme.on_primary,
        )  # fmt: skip


def items(context: Context) -> tuple[Item, ...]:
    """Give the lines of the open cart, each on one line of text."""
    return tuple(Item(line(each.sku), line(each.name), each.quantity, each.price) for each in context[Cart].lines)


def _who(context: Context) -> dict[str, str]:
    """Give the first email address and phone number, verified ones before others."""
    known = {kind: context.customer.reached_by(kind) for kind in ("email", "phone")}
    return {kind: found[0].value for kind, found in known.items() if found}
