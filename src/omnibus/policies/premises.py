"""The reason for a message must still be true when it leaves."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.route import Route
from omnibus.model.verdict import SEND, Drop, Verdict
from omnibus.policy import Policy
from omnibus.premises import holds, premise_values


class Premises(Policy):
    """Drop what lost its reason: a paid cart, a redeemed offer."""

    name: ClassVar[str] = "premises"

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Check each premise of the message against the context as it is now."""
        if not delivery.premises:
            return SEND
        values = premise_values(delivery)
        for premise in delivery.premises:
            if not holds(premise, context, values, now):
                return Drop(f"premise {premise} no longer holds")
        return SEND
