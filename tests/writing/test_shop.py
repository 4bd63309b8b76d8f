"""The example shop: everything in it reads, points to what exists, and says the same everywhere."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from omnibus.facets import BUILT_IN
from omnibus.model.draft import Draft, OptOut
from omnibus.settings import load
from omnibus.writing import Writer, read_brand, read_journeys, read_messages, terms_for

SHOP = Path(__file__).parents[2] / "examples" / "shop"
NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
PREMISES = {
    f"{'offer' if facet.name == 'offers' else facet.name}.{word}" for facet in BUILT_IN for word in facet.premises()
}
CART = {
    "id": "77", "url": "https://shop.acme.example/cart/77", "currency": "GBP", "total": "48.00", "open": True,
    "lines": [{"sku": "MUG", "name": "Harbour mug", "quantity": 2, "price": "24.00", "image": "", "url": ""}],
}  # fmt: skip
VALUES = {
    "receipt": {"order": "A-1"},
    "order-thanks": {"order": "A-1", "total": "48.00", "currency": "GBP"},
    "abandoned-interest": {
        "sku": "MUG", "name": "Harbour mug", "price": "24.00", "currency": "GBP", "url": "https://shop.acme.example/mug", "image": None,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def settings():
    return load(SHOP, {})


@pytest.fixture(scope="module")
def messages(settings):
    return read_messages(
        settings.omnibus.messages, channels=settings.channels, premises=PREMISES, offers=settings.offers
    )


@pytest.fixture
def write(settings, messages):
    writer = Writer(read_brand(settings.omnibus.brand))

    def write(told: str, locale: str = "en-GB", **values) -> Draft:
        message = messages.pick(told, locale)
        offer = settings.offers.get(message.offer)
        terms = offer and terms_for(offer, offer.code or "7K2M-9PQX", offer.expires(NOW), locale, "Europe/London")
        view = {facet.name: facet().view() for facet in BUILT_IN} | {"cart": CART}
        view["customer"] = {**view.pop("profile"), "id": "c1", "first_name": "Ada"}
        return writer.draft(
            message, view=view, values={**VALUES.get(told, {}), **values}, locale=locale, zone="Europe/London", delivery="d1",
            terms=terms, opt_out=OptOut(), now=NOW,
        )  # fmt: skip

    return write


def test_what_there_is(settings, messages):
    journeys = read_journeys(settings.omnibus.journeys, messages=messages.names, premises=PREMISES)
    assert sorted(journeys) == ["cart-rescue", "interest", "order", "receipt", "welcome"]
    assert messages.names == (
        "abandoned-interest", "cart-reminder", "cart-reminder-2", "launch", "launch-post", "launch-story", "order-thanks",
        "receipt", "welcome",
    )  # fmt: skip
    english = [name for name in messages.names if "de" not in messages.by_name[name]]
    assert english == ["launch-post", "launch-story"]  # to the public; a person reads one language, not two in one mail
    assert sorted(settings.channels) == ["email", "instagram", "pos", "receipt", "sms", "twitter", "web"]


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_every_message_can_be_written(messages, write, locale):
    for name in messages.names:
        made = write(name, locale)
        assert made.headline
        assert made.elements[0].text == made.headline


def test_one_story_in_three_places(write):
    email, post, story = write("launch"), write("launch-post"), write("launch-story")
    assert email.facts == post.facts == story.facts
    assert [fact.text for fact in email.facts] == [
        "£24.00", "HARBOUR15", "24 December 2026", "https://shop.acme.example/harbour-mug",
    ]  # fmt: skip
    assert email.media == post.media == story.media
    assert Path(email.media[0].url).read_bytes().startswith(b"\x89PNG")
    assert [each.message.audience for each in (email, post, story)] == ["person", "public", "public"]


@pytest.mark.parametrize("name", ["cart-reminder", "cart-reminder-2"])
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_the_authors_own_sms_states_every_fact(write, name, locale):
    made = write(name, locale)
    assert [fact.text for fact in made.facts if fact.text not in made.blocks["sms"]] == []


def test_what_is_not_known_is_left_out(write):
    made = write("abandoned-interest", name=None, price=None, url=None)
    assert made.headline == "Still thinking about the piece you looked at?"
    assert made.text == "Have a look whenever it suits you."
    assert [fact.kind for fact in made.facts] == ["code", "deadline", "link"]


def test_nothing_the_brand_avoids_is_said(messages, write):
    for name in messages.names:
        made = write(name)
        said = " ".join([made.headline, made.text, *made.blocks.values()])
        assert [word for word in made.brand.voice.avoid if word in said.lower()] == []
        assert said.count("!") <= made.brand.voice.max_exclamations + len(made.blocks)
