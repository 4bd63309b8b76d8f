"""Dead and complaining identities are left in peace."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from omnibus.facets.consent import Consent
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.message import Purpose
from omnibus.model.route import Route
from omnibus.model.verdict import SEND, Drop, Verdict
from omnibus.policy import Policy


class NotSuppressed(Policy):
    """Refuse identities that bounced for good, complained or opted out."""

    name: ClassVar[str] = "suppression"
    ambient: ClassVar[bool] = False

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Ask by identity ref; a complaint binds marketing only."""
        found = context[Consent].suppressed.get(route.identity.ref) if route.identity else None
        if found is None or (found.marketing_only and delivery.purpose != Purpose.MARKETING):
            return SEND
        return Drop(f"suppressed: {found.reason}")
