"""Nobody is promised what is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from omnibus.facets.offers import Offers
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.message import Purpose
from omnibus.model.offer import Offer
from omnibus.model.route import Route
from omnibus.model.verdict import SEND, Drop, Verdict
from omnibus.policy import Policy


class OfferAlive(Policy):
    """Drop marketing whose offer has ended, or whose personal code expired and is not renewed yet.

    Anything else goes without the offer: a receipt is not held back because its thank-you is over.
    """

    name: ClassVar[str] = "offer"
    persons_only: ClassVar[bool] = False

    def __init__(self, offers: Mapping[str, Offer] | None = None) -> None:
        self.offers = dict(offers or {})

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Look at the offer, and at what this person holds of it."""
        offer = self.offers.get(delivery.offer)
        if offer is None or delivery.purpose != Purpose.MARKETING or alive(offer, context, now):
            return SEND
        return Drop(f"offer {offer.name} is over")


def alive(offer: Offer, context: Context, now: datetime) -> bool:
    """Tell whether this customer can still be promised the offer."""
    if offer.ends is not None and now >= offer.ends:
        return False
    issued = context[Offers].held.get(offer.name)
    if offer.kind == "shared" or issued is None or issued.expires is None or issued.expires > now:
        return True
    return issued.redeemed is None and offer.renewable(issued.at, now)
