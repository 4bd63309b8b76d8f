from dataclasses import replace
from datetime import timedelta

import pytest

from omnibus import Event, MessageError, Purpose
from omnibus.testing import ChannelContract, sample_context, sample_draft
from omnibus.testing.clock import START
from omnibus_pos import PaperReceipt, Pos, TillCards
from omnibus_pos.paper import Columns, Cut, Logo, QrCode, Text


class TestPos(ChannelContract):
    facets = (TillCards,)

    def channel(self):
        return Pos()


class TestPaperReceipt(ChannelContract):
    def channel(self):
        return PaperReceipt(PaperReceipt.Settings(columns=42))


def order(**changes):
    data = {
        "id": "B-1", "place": "till", "currency": "EUR", "total": "42.50", "codes": ["ADA7"],
        "lines": [
            {"sku": "S1", "name": "Trail Boots", "quantity": 1, "price": "39.00"},
            {"sku": "S2", "name": "Laces", "quantity": 2, "price": "1.75"},
        ],
    }  # fmt: skip
    return Event("B-1", "till:1", "order.placed", START - timedelta(minutes=1), "c1", {**data, **changes})


def test_a_receipt_prints_the_last_order_its_total_and_the_code():
    draft = sample_draft("receipt", purpose=Purpose.TRANSACTIONAL, locale="de-DE")
    content = PaperReceipt().compose(draft, None, sample_context(events=[order()]))
    assert [each for each in content.pieces if isinstance(each, Columns)] == [
        Columns("1 x Trail Boots", "39.00"),
        Columns("2 x Laces", "3.50"),
        Columns("Summe", "42.50 EUR", bold=True),
    ]
    assert [each for each in content.pieces if isinstance(each, QrCode)] == [QrCode("ADA7-K2M9-3QXT", 6)]
    assert isinstance(content.pieces[0], Logo)
    assert content.pieces[-1] == Cut()
    assert Text("Job 000000000001", "centre") in content.pieces
    assert content.losses == ()


def test_marketing_on_paper_prints_no_order():
    content = PaperReceipt().compose(sample_draft("receipt"), None, sample_context(events=[order()]))
    assert not [each for each in content.pieces if isinstance(each, Columns)]


def test_a_fact_is_never_broken_over_two_lines_where_it_fits_on_one():
    for columns in range(24, 60):
        channel = PaperReceipt(PaperReceipt.Settings(columns=columns))
        content = channel.compose(sample_draft("receipt"), None, sample_context())
        lines = content.preview().text.split("\n")
        for fact in content.must:
            assert len(fact) > columns or any(fact in line for line in lines), (columns, fact)
            assert max(map(len, lines)) <= columns


def test_the_cards_of_the_screen_keep_facts_before_words():
    draft = sample_draft("pos", paragraphs=("word " * 200, "It is €39.00."))
    content = Pos().compose(draft, None, sample_context())
    assert "€39.00" in content.text
    assert [loss.what for loss in content.losses] == ["paragraph"]
    assert content.card() == {
        "headline": "Ada, your Trail Boots are waiting", "text": content.body, "code": "ADA7-K2M9-3QXT",
        "label": "15 % off", "deadline": "24 November 2026", "offer": "comeback", "expires": (START + timedelta(days=3)).isoformat(),
    }  # fmt: skip


def test_facts_longer_than_a_card_name_the_file():
    draft = sample_draft("pos")
    with pytest.raises(MessageError, match=r"messages/cart-reminder\.md.*shorten"):
        Pos().compose(
            replace(draft, cta=None, facts=(replace(draft.facts[0], text="x" * 700),)), None, sample_context()
        )


def placed(delivery, at=START, **card):
    words = {"headline": "Hello", "text": "Boots", "code": "C", "label": "", "deadline": "", "expires": "", **card}
    data = {"delivery": delivery, "message": "m", "channel": "pos", "attempt": f"{delivery}-1", "card": words}
    return Event(f"{delivery}:sent", "omnibus", "message.sent", at, "c1", data)


def about(type_, delivery, at=START):
    return Event(f"{delivery}:{type_}", "omnibus", type_, at, "c1", {"delivery": delivery, "channel": "pos"})


def fold(*events):
    return sample_context([TillCards], events)[TillCards]


def test_a_card_is_placed_shown_and_taken_away():
    soon = (START + timedelta(hours=1)).isoformat()
    cards = fold(placed("d1"), placed("d2", expires=soon), about("message.delivered", "d1"))
    assert [(card.delivery, card.shown) for card in cards.cards] == [("d1", START), ("d2", None)]
    assert [card.delivery for card in cards.on_show(START)] == ["d2", "d1"]
    assert [card.delivery for card in cards.on_show(START + timedelta(hours=1))] == ["d1"]
    assert fold(placed("d1"), about("message.withdrawn", "d1")).cards == ()
    assert fold(placed("d1"), about("tillcard.dismissed", "d1")).cards == ()


def test_other_channels_and_repeats_change_nothing():
    empty = TillCards()
    web = placed("d1")
    assert empty.after(replace(web, data={**web.data, "channel": "web"})) is empty
    once = fold(placed("d1"), about("message.delivered", "d1"))
    assert once.after(about("message.delivered", "d1", START + timedelta(hours=1))) is once
    assert fold(about("message.withdrawn", "d1"), placed("d1")).cards == ()
    gone = about("message.withdrawn", "d9")
    assert once.after(replace(gone, data={**gone.data, "channel": "web"})) is once
    assert len(fold(placed("d1"), placed("d1")).cards) == 1
    assert TillCards.decode(once.encode()) == once
