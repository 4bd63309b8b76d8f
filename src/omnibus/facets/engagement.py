"""What happened between us: contacts, answers, interest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from omnibus.facet import Facet
from omnibus.model.event import Event

KEPT_TOUCHES, KEPT_VIEWS = 64, 10
_SHOWN = ("sku", "name", "price", "currency", "url", "image")  # of a view, in its order


@dataclass(frozen=True, slots=True)
class Touch:
    """Hold one contact: what happened on which channel, and by which message."""

    at: datetime
    what: str
    channel: str
    message: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Hold one product they looked at."""

    at: datetime
    sku: str
    name: str = ""
    price: str = ""
    currency: str = ""
    url: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Engagement(Facet):
    """Fold contacts and views, the newest kept; windows (7 days, 180 days …) are computed when read.

    Machine opens (``data.machine``) are no engagement and are not kept.
    """

    name: ClassVar[str] = "engagement"
    hears: ClassVar[tuple[str, ...]] = (
        "message.sent", "message.delivered", "message.opened", "message.clicked", "message.replied",
        "conversation.received", "product.viewed", "visit.*", "order.placed",
    )  # fmt: skip

    touches: tuple[Touch, ...] = ()
    views: tuple[View, ...] = ()
    visiting: str = ""

    def after(self, event: Event) -> Self:
        """Add what happened."""
        data = event.data
        if event.type == "product.viewed":
            view = View(event.time, *[str(data.get(each) or "") for each in _SHOWN])
            views = [each for each in self.views if each.sku != view.sku]
            return type(self)(self.touches, (*views, view)[-KEPT_VIEWS:], self.visiting)
        if event.type.startswith("visit."):
            place = str(data.get("place", "web"))
            return type(self)(self.touches, self.views, place if event.type == "visit.started" else "")
        if data.get("machine"):
            return self
        what = event.type.split(".")[1]
        channel = str(data.get("channel") or data.get("place") or "")
        touch = Touch(event.time, what, channel, str(data.get("message") or ""))
        return type(self)((*self.touches, touch)[-KEPT_TOUCHES:], self.views, self.visiting)

    def answered(self, now: datetime, window: timedelta = timedelta(days=180)) -> dict[str, int]:
        """Count, per channel, what this person answered, clicked or bought from within *window*."""
        counts: dict[str, int] = {}
        for touch in self.touches:
            if touch.what in {"clicked", "replied", "received", "placed"} and now - touch.at <= window:
                counts[touch.channel] = counts.get(touch.channel, 0) + 1
        return counts

    def holds(self, premise: str, values: dict[str, Any], now: datetime) -> bool:
        """Judge ``engagement.away`` (not on the site or at the till now) and ``engagement.interested`` (viewed something)."""
        match premise:
            case "away":
                return not self.visiting
            case "interested":
                return bool(self.views)
        raise KeyError(premise)

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        """List what a message may claim."""
        return ("away", "interested")
