"""The facet: pure, so plain events are enough."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from omnibus import Event
from omnibus_web.cards import KEPT, REMEMBERED, Cards

from .conftest import FACE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_ids = itertools.count()


def event(type_: str, delivery: str, minute: int = 0, **data: Any) -> Event:
    told = {"delivery": delivery, "channel": "web", "message": delivery, **data}
    return Event(f"e{next(_ids)}", "omnibus", type_, NOON + timedelta(minutes=minute), "ada", told)


def fold(*events: Event) -> Cards:
    cards = Cards()
    for each in events:
        cards = cards.after(each)
    return cards


def test_placed_shown_clicked() -> None:
    ends = NOON + timedelta(days=3)
    cards = fold(
        event("message.sent", "d1", card={**FACE, "expires": ends.isoformat()}, topic="cart", provider="web/site"),
        event("message.delivered", "d1", 1),
        event("message.delivered", "d1", 2),
        event("message.clicked", "d1", 3),
    )
    [card] = cards.on_show(NOON)
    assert (card.placed, card.shown, card.clicked, card.expires) == (
        NOON, NOON + timedelta(minutes=1), NOON + timedelta(minutes=3), ends,
    )  # fmt: skip
    assert card.face == FACE
    assert card.about == {
        "delivery": "d1", "channel": "web", "message": "d1", "topic": "cart", "provider": "web/site",
    }  # fmt: skip
    assert cards.on_show(ends) == ()


def test_what_ended_never_comes_back() -> None:
    for type_, how in (
        ("card.dismissed", "dismissed"),
        ("message.withdrawn", "withdrawn"),
        ("message.failed", "failed"),
    ):
        cards = fold(event("message.sent", "d1", card=FACE), event(type_, "d1", 1))
        assert (cards.cards, cards.ended) == ({}, {"d1": how})
        again = cards.after(event("message.sent", "d1", 2, card=FACE))
        assert again is cards
        assert cards.after(event("card.dismissed", "d1", 3)) is cards


def test_other_channels_and_events_without_a_card_change_nothing() -> None:
    cards = fold(event("message.sent", "d1", card=FACE))
    for each in (
        event("message.sent", "d2", channel="email"),
        event("message.sent", "d3"),
        event("message.withdrawn", "d1", channel="email"),
        event("message.delivered", "unknown"),
        Event("x", "omnibus", "message.sent", NOON, "ada", {"channel": "web"}),
    ):
        assert cards.after(each) is cards


def test_the_same_message_again_replaces_its_card_except_in_the_inbox() -> None:
    cards = fold(*(event("message.sent", f"d{n}", n, card=FACE, message="reminder") for n in range(3)))
    assert (list(cards.cards), cards.ended) == (["d2"], {"d0": "replaced", "d1": "replaced"})
    letter = {**FACE, "kind": "inbox"}
    cards = fold(*(event("message.sent", f"d{n}", n, card=letter, message="order-ready") for n in range(3)))
    assert [card.id for card in cards.on_show(NOON)] == ["d2", "d1", "d0"]


def test_it_stays_small() -> None:
    cards = fold(*(event("message.sent", f"d{n:03}", n, card=FACE) for n in range(KEPT + REMEMBERED + 10)))
    assert (len(cards.cards), len(cards.ended)) == (KEPT, REMEMBERED)
    assert min(cards.cards) == f"d{REMEMBERED + 10:03}"


def test_it_is_stored_as_the_same_bytes() -> None:
    cards = fold(
        event("message.sent", "d1", card=FACE), event("message.delivered", "d1", 1), event("card.dismissed", "d2", 2)
    )
    assert Cards.decode(cards.encode()) == cards
    assert Cards.decode(cards.encode()).encode() == cards.encode()
    assert FACE["headline"] not in repr(cards)
