"""The cards of one customer: which wait, which were shown, and what became of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from omnibus import Event, Facet

KEPT, REMEMBERED = 20, 50  # cards on show, and ends remembered, per customer

#: what else a `message.*` event says, repeated on the events that a page causes
_ABOUT = ("delivery", "message", "topic", "purpose", "channel", "audience", "provider", "attempt", "identity")

End = Literal["dismissed", "withdrawn", "replaced", "failed"]

_ENDS: dict[str, End] = {
    "card.dismissed": "dismissed",
    "message.withdrawn": "withdrawn",
    "message.failed": "failed",
}


@dataclass(frozen=True, slots=True)
class Card:
    """Hold one card on show.

    Args:
        id: the delivery's id.
        face: what the page draws: kind, words, link, picture, colours.
        about: the hand-over it belongs to (message, topic, provider, attempt …).
        shown: when a page first showed it; None while it waits for a visit.
    """

    id: str
    placed: datetime
    face: Mapping[str, Any] = field(default_factory=dict, repr=False)
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)
    expires: datetime | None = None
    shown: datetime | None = None
    clicked: datetime | None = None

    @property
    def kind(self) -> str:
        """Say where on the page it goes."""
        return str(self.face.get("kind", "banner"))


@dataclass(frozen=True, slots=True)
class Cards(Facet):
    """Fold placed (`message.sent`), shown (`message.delivered`), dismissed (`card.dismissed`) and withdrawn cards.

    Args:
        cards: delivery → card, oldest first; expired ones are left out when read, by ``on_show``.
        ended: delivery → how it ended, so that nothing comes back.
    """

    name: ClassVar[str] = "cards"
    hears: ClassVar[tuple[str, ...]] = (
        "message.sent", "message.delivered", "message.clicked", "message.withdrawn", "message.failed", "card.dismissed",
    )  # fmt: skip
    private: ClassVar[tuple[str, ...]] = ("cards",)

    cards: Mapping[str, Card] = field(default_factory=dict)
    ended: Mapping[str, End] = field(default_factory=dict)

    def after(self, event: Event) -> Self:
        """Fold one event; those of other channels change nothing."""
        delivery = str(event.data.get("delivery") or "")
        if not delivery or event.data.get("channel") != "web":
            return self
        if event.type == "message.sent":
            return self._placed(delivery, event)
        if event.type in _ENDS:
            return self.without(delivery, _ENDS[event.type])
        return self._seen(delivery, event)

    def without(self, delivery: str, how: End) -> Self:
        """Take a card off show for good; a no-op when it is gone already."""
        if delivery in self.ended:
            return self
        cards = {key: card for key, card in self.cards.items() if key != delivery}
        ended = dict([*self.ended.items(), (delivery, how)][-REMEMBERED:])
        return replace(self, cards=cards, ended=ended)

    def on_show(self, now: datetime) -> tuple[Card, ...]:
        """List the cards that a page shows at *now*, newest first; expired ones are gone."""
        live = [card for card in self.cards.values() if card.expires is None or card.expires > now]
        return tuple(sorted(live, key=lambda card: (card.placed, card.id), reverse=True))

    def _placed(self, delivery: str, event: Event) -> Self:
        told = event.data.get("card")
        if delivery in self.ended or delivery in self.cards or not isinstance(told, Mapping):
            return self
        face = {key: value for key, value in told.items() if key != "expires"}
        about = {key: event.data[key] for key in _ABOUT if key in event.data}
        ends = told.get("expires")
        card = Card(delivery, event.time, face, about, datetime.fromisoformat(ends) if ends else None)
        made = replace(self, cards={**self.cards, delivery: card})
        for old in _crowded(made.cards, card):
            made = made.without(old, "replaced")
        return made

    def _seen(self, delivery: str, event: Event) -> Self:
        card = self.cards.get(delivery)
        if card is None:
            return self
        clicked = event.time if event.type == "message.clicked" else None
        seen = replace(card, shown=card.shown or event.time, clicked=card.clicked or clicked)
        return self if seen == card else replace(self, cards={**self.cards, delivery: seen})


def _crowded(cards: Mapping[str, Card], card: Card) -> list[str]:
    """List what a new card replaces: the same message's older one (the inbox keeps all), and the oldest of too many."""
    mine = card.kind, card.about.get("message")
    same = [
        each.id
        for each in cards.values()
        if each.id != card.id and card.kind != "inbox" and (each.kind, each.about.get("message")) == mine
    ]
    rest = [each for each in cards if each not in same]
    return same + rest[: max(0, len(rest) - KEPT)]
