"""The carrier: places, repeats, withdraws."""

from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from omnibus import Content, Refused
from omnibus.testing import FakeClock
from omnibus.testing.clock import START
from omnibus.testing.contracts import ProviderContract
from omnibus.testing.drafts import TERMS, sample_attempt, sample_context, sample_draft
from omnibus_web import Cards, Site, Web

SITE = Site(Site.Settings(), now=FakeClock().now)


class NoNotes:
    async def get(self, name: str) -> str | None:
        raise AssertionError(name)

    async def set(self, name: str, value: str) -> None:
        raise AssertionError(name)


class TestSite(ProviderContract):
    provider_class = Site
    settings: ClassVar = {"card_days": 30}
    without: ClassVar = {
        "network": "a card is placed in the context, nothing leaves",
        "webhooks": "pages use the endpoints",
        "identity": "a card waits for whoever comes back",
    }

    def content(self) -> Content:
        return Web().compose(sample_draft("web"), None, sample_context((Cards,)))


async def test_the_receipt_places_the_card_and_again_the_same() -> None:
    content = Web().compose(sample_draft("web"), None, sample_context((Cards,)))
    attempt = sample_attempt()
    receipt = await SITE.send(content, "", attempt, NoNotes())
    assert receipt.provider_id == attempt.delivery
    assert receipt.details == {"card": {**content.card(), "expires": (START + timedelta(days=3)).isoformat()}}
    assert await SITE.send(content, "", replace(attempt, resent=True), NoNotes()) == receipt
    await SITE.withdraw(receipt, NoNotes())


@pytest.mark.parametrize(
    ("offer_days", "message_days", "days"), [(2, 3, 2), (9, 3, 3), (None, 4, 4), (None, None, 30), (90, None, 30)]
)
async def test_a_card_waits_no_longer_than_its_reason(
    offer_days: int | None, message_days: int | None, days: int
) -> None:
    offer = replace(TERMS, expires=START + timedelta(days=offer_days)) if offer_days else None
    draft = sample_draft("web", offer=offer)
    lasts = timedelta(days=message_days) if message_days else None
    draft = replace(draft, message=replace(draft.message, expires=lasts))
    content = Web().compose(draft, None, sample_context((Cards,)))
    receipt = await SITE.send(content, "", sample_attempt(), NoNotes())
    assert receipt.details["card"]["expires"] == (START + timedelta(days=days)).isoformat()


async def test_what_is_no_card_is_refused() -> None:
    with pytest.raises(Refused, match="not a card"):
        await SITE.send(Content(text="x"), "", sample_attempt(), NoNotes())


def test_it_tells_nothing_of_itself() -> None:
    assert str(SITE) == "site://"
