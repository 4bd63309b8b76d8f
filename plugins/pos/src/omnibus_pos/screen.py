"""The clerk's screen as provider of the channel ``pos``: placing a card needs no network, the timeline carries it.

The card travels in the details of `message.sent`; the facet ``TillCards`` folds it, the till API shows it.
"""

from __future__ import annotations

from typing import cast

from omnibus import Attempt, Content, Keep, Provider, Receipt, TryLater
from omnibus_pos.channel import CardContent, Pos


class TillScreen(Provider):
    """Place cards; the delivery's id is the card's id, so the same card placed twice is one card."""

    channel = Pos
    scheme = "till"
    idempotency = "key"
    key_window = 0

    _closed = False

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Place the card on the timeline."""
        if self._closed:
            raise TryLater("closed")
        return Receipt(attempt.delivery, {"card": cast("CardContent", content).card()})

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Do nothing here: `message.withdrawn` takes the card away."""

    async def aclose(self) -> None:
        """Take no more cards."""
        self._closed = True
