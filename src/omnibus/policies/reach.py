"""Some channels may only answer: Instagram for 24 hours after they wrote."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.route import Route
from omnibus.model.verdict import SEND, Drop, Verdict
from omnibus.policy import Policy


class InReach(Policy):
    """Drop a route whose window is closed; the channel said so when the route was resolved."""

    name: ClassVar[str] = "reach"

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Read the route's reach."""
        reach = route.reach
        if reach.open and (reach.until is None or now < reach.until):
            return SEND
        return Drop(f"out of reach: {reach.reason or 'the window is closed'}")
