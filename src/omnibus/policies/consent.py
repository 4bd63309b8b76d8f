"""Marketing needs a yes; everything else stops at a no."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from omnibus.facets.consent import Consent
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.message import Purpose
from omnibus.model.route import Route
from omnibus.model.verdict import Drop, Send, Verdict
from omnibus.policy import Policy


class ConsentGiven(Policy):
    """Ask the consent facet per (brand, channel, purpose, topic).

    Marketing: an entry must allow it; on ambient channels, which speak in a visit that the person opened,
    it is enough that nobody said no. Service: goes unless refused. Transactional: they asked for it.
    """

    name: ClassVar[str] = "consent"

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Look the deciding entry up; `why` shows its event."""
        if delivery.purpose == Purpose.TRANSACTIONAL:
            return Send("transactional")
        entry = context[Consent].answer(brand.name, route.channel, delivery.purpose, delivery.topic)
        if entry is not None:
            said = f"{entry.source} {entry.event} at {entry.at.isoformat()}"
            return Send(f"granted by {said}") if entry.granted else Drop(f"consent withdrawn ({said})")
        if delivery.purpose == Purpose.SERVICE or route.capabilities.ambient:
            return Send("nobody said no")
        return Drop("no consent")
