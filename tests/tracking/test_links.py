"""``Links``: what is said of opting out, and where a draft's links lead once they are tracked."""

from copy import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from omnibus.model.delivery import Delivery, State
from omnibus.model.draft import Element, Fact, OptOut
from omnibus.testing.drafts import CTA, sample_draft
from omnibus.tokens import Tokens
from omnibus.tracking.links import Links

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
DELIVERY = Delivery("d1", "c1", "c1", "hi", "marketing", "Acme", ("fake",), State.SENDING, NOW, NOW, topic="cart")
MAIL = "mailto:stop@acme.example?subject=unsubscribe"


class Counting(Tokens):
    """Count what is sealed."""

    sealed = 0

    def seal(self, claims, seconds):
        """Count, and seal."""
        self.sealed += 1
        return super().seal(claims, seconds)


@pytest.fixture
def tokens() -> Counting:
    return Counting(b"k" * 32, lambda: NOW)


@pytest.fixture
def links(tokens) -> Links:
    return Links(tokens, "https://talk.example", "stop@acme.example")


def test_a_page_is_sealed_once_and_only_for_who_reads_it(links, tokens):
    told = links.opt_out(DELIVERY)
    assert (told.mailto, told.word, tokens.sealed) == (MAIL, "STOP", 0)
    page = told.url
    assert (told.url, tokens.sealed) == (page, 1)
    assert page.startswith("https://talk.example/u/")
    claims = {"u": "c1", "d": "d1", "t": "cart", "p": "marketing"}
    assert links.read_opt_out(page.rpartition("/")[2]) == claims


def test_a_page_is_an_opt_out_like_any_other(links):
    plain = OptOut(links.opt_out(DELIVERY).url, MAIL)
    assert isinstance(links.opt_out(DELIVERY), OptOut)
    assert links.opt_out(DELIVERY) == plain == links.opt_out(DELIVERY)
    assert links.opt_out(DELIVERY) != OptOut("", MAIL)
    assert len({plain, links.opt_out(DELIVERY)}) == 1
    assert copy(links.opt_out(DELIVERY)) == plain
    assert replace(links.opt_out(DELIVERY), word="ENDE") == OptOut(plain.url, MAIL, "ENDE")
    assert repr(links.opt_out(DELIVERY)) == repr(plain).replace("OptOut", "Page") == "Page(word='STOP')"
    with pytest.raises(AttributeError):
        links.opt_out(DELIVERY).page  # noqa: B018 - it is the reading that fails


def test_without_a_public_url_there_is_mail_or_a_word(tokens):
    assert Links(tokens, "", "stop@acme.example").opt_out(DELIVERY) == OptOut("", MAIL)
    assert Links(tokens).opt_out(DELIVERY) == OptOut()


def test_a_link_leads_over_us_wherever_it_stands(links):
    draft = sample_draft("fake", paragraphs=[f"Look: {CTA.url}", "Nothing here"])
    made = links.tracked(draft, DELIVERY)
    ours = made.cta.url
    assert links.read_click(ours.rpartition("/")[2]) == {"c": "c1", "d": "d1", "l": CTA.url}
    assert CTA.url not in repr((made.cta, made.text, made.markdown, made.elements, made.facts))
    assert [each for each in made.elements if ours in each.text] == [
        Element(each.kind, each.text.replace(CTA.url, ours), each.rank)
        for each in draft.elements
        if CTA.url in each.text
    ]
    assert [each for each in made.elements if ours not in each.text] == [
        each for each in draft.elements if CTA.url not in each.text
    ]
    assert Fact("link", ours) in made.facts
    assert replace(made, cta=draft.cta, text="", markdown="", skeleton="", elements=(), facts=()) == replace(
        draft, text="", markdown="", skeleton="", elements=(), facts=()
    )


def test_without_a_public_url_or_a_link_a_draft_stays(links, tokens):
    draft = sample_draft("fake")
    assert Links(tokens).tracked(draft, DELIVERY) is draft
    for cta in (None, replace(CTA, url="mailto:a@b.example")):
        other = replace(draft, cta=cta)
        assert links.tracked(other, DELIVERY) is other
