"""The facet of the till: which cards wait on the clerk's screen for this person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from omnibus import Event, Facet

KEPT, KEPT_GONE = 10, 50  # cards on show at once; a clerk reads no more
#: what every later event about the same hand-over repeats of `message.sent`
ABOUT = ("delivery", "message", "topic", "purpose", "channel", "audience", "provider", "attempt", "identity")
WORDS = ("headline", "text", "code", "label", "deadline", "offer")


@dataclass(frozen=True, slots=True)
class TillCard:
    """Hold one card on show.

    Args:
        about: the ``message.*`` fields of its hand-over (ids and words, no address).
        shown: when a clerk first saw it.
        expires: when its offer ends; an over-age card is not shown.
    """

    delivery: str
    at: datetime
    headline: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    label: str = ""
    deadline: str = ""
    offer: str = ""
    expires: datetime | None = None
    shown: datetime | None = None
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TillCards(Facet):
    """Fold placed, shown, dismissed and withdrawn cards of the channel ``pos``.

    Args:
        gone: deliveries that were taken away: one that folds behind that (same instant, smaller id) stays away.
    """

    name: ClassVar[str] = "till"
    hears: ClassVar[tuple[str, ...]] = (
        "message.sent", "message.delivered", "message.withdrawn", "tillcard.dismissed",
    )  # fmt: skip
    private: ClassVar[tuple[str, ...]] = ("cards",)

    cards: tuple[TillCard, ...] = ()
    gone: tuple[str, ...] = ()

    def after(self, event: Event) -> Self:
        """Place a card, mark it as shown or take it away; other channels' events change nothing."""
        delivery = str(event.data.get("delivery", ""))
        if event.type == "message.sent":
            return self._placed(event) if event.data.get("channel") == "pos" else self
        if event.type == "message.delivered":
            cards = tuple(
                replace(card, shown=event.time) if card.delivery == delivery and card.shown is None else card
                for card in self.cards
            )
            return self if cards == self.cards else replace(self, cards=cards)
        if event.data.get("channel") != "pos" or delivery in self.gone:
            return self
        cards = tuple(card for card in self.cards if card.delivery != delivery)
        return replace(self, cards=cards, gone=(*self.gone, delivery)[-KEPT_GONE:])

    def _placed(self, event: Event) -> Self:
        told = event.data.get("card")
        if not isinstance(told, Mapping) or event.data.get("delivery") in self.gone:
            return self
        ends = told.get("expires")
        headline, text, code, label, deadline, offer = (str(told.get(key) or "") for key in WORDS)
        card = TillCard(
            delivery=str(event.data.get("delivery", "")), at=event.time, headline=headline, text=text, code=code,
            label=label, offer=offer, deadline=deadline, expires=datetime.fromisoformat(str(ends)) if ends else None,
            about={key: str(event.data[key]) for key in ABOUT if event.data.get(key)},
        )  # fmt: skip
        others = tuple(each for each in self.cards if each.delivery != card.delivery)
        return replace(self, cards=(*others, card)[-KEPT:])

    def on_show(self, now: datetime) -> tuple[TillCard, ...]:
        """List the cards that a clerk shall see at *now*, newest first."""
        return tuple(card for card in reversed(self.cards) if card.expires is None or card.expires > now)

    def view(self) -> dict[str, Any]:
        """Give ``cards`` with headline, code, label and deadline for templates."""
        keys = ("delivery", *WORDS)
        return {"cards": [{key: getattr(card, key) for key in keys} for card in self.cards]}
