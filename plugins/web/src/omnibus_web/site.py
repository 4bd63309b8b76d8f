"""The shop's own site as the carrier of cards: nothing leaves, the card is placed in the customer's context.

Placing is the `message.sent` event whose data hold the card; the facet ``Cards`` folds it, the stream shows it.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from omnibus import Attempt, Content, Keep, Provider, ProviderSettings, Receipt, Refused
from omnibus_web.channel import CardContent, Web


class SiteSettings(ProviderSettings):
    """Take the one thing this carrier can be told.

    Args:
        card_days: how long a card without any deadline waits for a visit.
    """

    card_days: int = Field(default=30, ge=1, le=365)


class Site(Provider):
    """Place cards; the same attempt twice places one card, for its id is the delivery's."""

    channel = Web
    scheme = "site"
    Settings = SiteSettings
    idempotency = "key"
    key_window = 0

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Return the card on the receipt; no request is made.

        Raises:
            Refused: it is no card.
        """
        if not isinstance(content, CardContent):
            raise Refused("not a card")
        ends = [attempt.started + (content.lasts or timedelta(days=self.settings.card_days))]
        if content.until is not None:
            ends.append(content.until)
        card = {**content.card(), "expires": min(ends).isoformat()}
        return Receipt(attempt.delivery, {"card": card})

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Take the card off show: the `message.withdrawn` event that follows does it."""
