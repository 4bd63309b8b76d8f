"""The medium: the channel's contract, contrast, and how much fits on which card."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omnibus import Brand, Channel, MessageError
from omnibus.model.brand import Theme
from omnibus.testing.contracts import ChannelContract
from omnibus.testing.drafts import BRAND, TERMS, sample_context, sample_draft
from omnibus_web import CardContent, Cards, Web
from omnibus_web.contrast import TEXT_RATIO, colours, ratio, readable


class TestWeb(ChannelContract):
    facets = (Cards,)

    def channel(self) -> Channel:
        return Web()


def compose(settings: Any = None, **changes: Any) -> CardContent:
    return Web(settings).compose(sample_draft("web", **changes), None, sample_context((Cards,)))


def test_a_card_is_complete() -> None:
    content = compose()
    assert content.card() == {
        "kind": "banner", "headline": "Ada, your Trail Boots are waiting",
        "body": "We kept your Trail Boots for you.\n\nThey are €39.00 until the shop closes, in your size.",
        "offer": "15 % off with code ADA7-K2M9-3QXT until 24 November 2026", "code": "ADA7-K2M9-3QXT",
        "deadline": "24 November 2026", "label": "Finish your order", "url": "https://acme.example/c/7Qx2",
        "image": "", "alt": "", "notes": ["Acme Ltd, 1 High Street, London"],
        "colours": {"ground": "#ffffff", "ink": "#1c1c1c", "action": "#0b5d3b", "on_action": "#ffffff"},
        "brand": "Acme", "locale": "en-GB",
    }  # fmt: skip
    assert (content.until, content.lasts) == (TERMS.expires, timedelta(days=3))
    assert [loss.what for loss in content.losses] == ["sign_off"]
    assert content.text.splitlines()[-2:] == [
        "Finish your order: https://acme.example/c/7Qx2",
        "Acme Ltd, 1 High Street, London",
    ]


def test_the_kind_of_card_is_the_messages_then_the_settings() -> None:
    assert compose(data={"card": "sidebar"}).kind == "sidebar"
    assert compose(Web.Settings(card="inbox")).kind == "inbox"
    with pytest.raises(MessageError, match="one of banner, sidebar, inbox, toast"):
        compose(data={"card": "popup"})


def test_less_room_carries_less_and_says_so() -> None:
    kinds = {kind: compose(data={"card": kind}) for kind in ("toast", "banner", "sidebar", "inbox")}
    assert [len(kinds[kind].losses) for kind in kinds] == [3, 1, 0, 0]
    assert all(TERMS.code in each.text and "€39.00" in each.text for each in kinds.values())
    assert kinds["toast"].words.body in {"", "We kept your Trail Boots for you."}
    assert "€39.00" in kinds["toast"].words.notes


def test_facts_that_need_more_room_than_the_kind_go_to_the_inbox() -> None:
    content = compose(data={"card": "toast"}, offer=replace(TERMS, code="LONG-" * 40))
    assert content.kind == "inbox"
    assert "LONG-" * 40 in content.text
    assert "it goes to the inbox" in content.losses[-1].why


def test_a_file_is_no_picture_for_a_page() -> None:
    from omnibus import Media

    content = compose(media=(Media("boots.jpg"), Media("https://acme.example/2.jpg")))
    assert content.image == ""
    assert [(loss.what, loss.why) for loss in content.losses[-2:]] == [
        ("picture", "a page can only show an http(s) URL"), ("picture", "only one is shown"),
    ]  # fmt: skip


# contrast: published pairs, recomputed with WebAIM's checker
@pytest.mark.parametrize(
    ("one", "other", "value"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#fff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_is_reckoned_as_wcag_does(one: str, other: str, value: float) -> None:
    assert round(ratio(one, other), 2) == value
    assert ratio(one, other) == ratio(other, one)


@pytest.mark.parametrize("ground", ["#ffffff", "#000000", "#777777", "#ffcc00", "#1f3a5f", "#c8553d", "#00ff00"])
def test_every_brand_colour_can_be_read(ground: str) -> None:
    made = colours(replace(BRAND, theme=Theme(background=ground, text=ground, primary=ground, on_primary=ground)))
    assert ratio(made["ink"], made["ground"]) >= TEXT_RATIO
    assert ratio(made["on_action"], made["action"]) >= TEXT_RATIO
    assert readable("#1c1c1c", "#ffffff") == "#1c1c1c"


def test_a_colour_that_is_none_is_an_error_of_the_brand_file() -> None:
    with pytest.raises(MessageError, match="write it like"):
        colours(Brand("Acme", theme=Theme(primary="blue")))


def test_a_list_stays_a_list() -> None:
    content = compose(paragraphs=("We kept:\n\n- 1 × Mug\r\n- 2 ×  Coaster",))
    assert content.words.body == "We kept:\n\n- 1 × Mug\n- 2 × Coaster"


def test_an_empty_link_or_picture_is_none() -> None:
    from omnibus import CallToAction, Media

    draft = sample_draft("web", media=(Media(""),))
    draft = replace(draft, cta=CallToAction("Look", ""), facts=())
    content = Web().compose(draft, None, sample_context((Cards,)))
    assert (content.words.label, content.words.url, content.image) == ("", "", "")
    assert "picture" not in [loss.what for loss in content.losses]
