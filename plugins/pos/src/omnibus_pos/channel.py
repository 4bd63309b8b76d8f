"""The card on the clerk's screen: an ambient channel that waits for the person to come to the till.

The medium's rules are ours: a card is read in a glance, so it holds one headline and a few short paragraphs;
price, code and deadline always stand on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from omnibus import Capabilities, Channel, ChannelSettings, Content, Context, Draft, Layout, Loss, MessageError, Preview
from omnibus_pos.paper import clean
from omnibus_pos.picture import card_picture

MAX_LENGTH = 600  # characters that a clerk reads in a glance


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContent(Content):
    """Hold a card as the clerk's screen shows it; *primary* and *on_primary* are brand colours ``#rrggbb``."""

    headline: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    label: str = ""
    deadline: str = ""
    expires: str = ""
    primary: str = "#1f3a5f"
    on_primary: str = "#ffffff"

    def card(self) -> dict[str, Any]:
        """Give the JSON value that `message.sent` carries to the facet."""
        return {
            "headline": self.headline, "text": self.body, "code": self.code, "label": self.label,
            "deadline": self.deadline, "expires": self.expires,
        }  # fmt: skip

    def preview(self) -> Preview:
        """Show the card in words and as an SVG in the brand's colours."""
        return Preview(
            self.text, "image/svg+xml", card_picture(self.headline, self.body, self.primary, self.on_primary)
        )


class PosSettings(ChannelSettings):
    """Take the terminals that may call the till API.

    Args:
        terminals: name of a till → its key (Bearer token).
        guesses: failed look-ups, hand-overs and codes that a terminal may make within *guess_window* seconds.
    """

    terminals: dict[str, SecretStr] = Field(default_factory=dict)
    guesses: int = Field(default=20, ge=1)
    guess_window: int = Field(default=300, ge=1)


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
        body, losses = _body(draft, facts)
        if len(body) > MAX_LENGTH:
            raise MessageError(
                f"price, code, deadline and link need {len(body)} characters, a till card holds {MAX_LENGTH}",
                where=draft.message.source or draft.message.name, fix="shorten the link or the offer's label",
            )  # fmt: skip
        headline = clean(draft.headline).replace("\n", " ")
        offer, theme = draft.offer, draft.brand.theme
        losses += [Loss(f"picture {number}", "a till card shows none") for number, _ in enumerate(draft.media, 1)]
        return CardContent(
            text=f"{headline}\n\n{body}".strip(), losses=tuple(losses), headline=headline, body=body,
            code=offer.code if offer else "", label=offer.label if offer else "",
            deadline=offer.deadline if offer else "",
            expires=offer.expires.isoformat() if offer and offer.expires else "",
            primary=theme.primary, on_primary=theme.on_primary,
        )  # fmt: skip


def _body(draft: Draft, facts: list[str]) -> tuple[str, list[Loss]]:
    """Choose what stands below the headline: the author's own block, else the elements by rank."""
    if "pos" in draft.blocks:
        pieces = [(clean(draft.blocks["pos"]), 0)]
    else:
        pieces = [(clean(each.text), each.rank) for each in draft.elements if each.kind != "headline"]
    losses: list[Loss] = []
    kept = list(range(len(pieces)))
    while len(_joined([pieces[place][0] for place in kept], facts)) > MAX_LENGTH and kept:
        worst = max(kept, key=lambda place: (pieces[place][1], place))
        kept.remove(worst)
        losses.append(Loss(f"piece {worst + 1}", f"a till card holds {MAX_LENGTH} characters"))
    return _joined([pieces[place][0] for place in kept], facts), losses


def _joined(pieces: list[str], facts: list[str]) -> str:
    text = "\n\n".join(piece for piece in pieces if piece)
    missing = [fact for fact in dict.fromkeys(facts) if fact not in text]
    return "\n".join(filter(None, (text, *missing)))
