"""What happened between us: contacts, answers, interest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from omnibus.facet import Facet, writer
from omnibus.model.event import Event
from omnibus.model.swift import swift

KEPT_TOUCHES, KEPT_VIEWS = 64, 10

_CONTACTS = frozenset({
    "message.sent", "message.delivered", "message.opened", "message.clicked", "message.replied", "conversation.received",
    "order.placed",
})  # fmt: skip


@swift
@dataclass(frozen=True, slots=True)
class Touch:
    """Hold one contact: what happened on which channel, and by which message."""

    at: datetime
    what: str
    channel: str
    message: str = ""
    place: str = ""


@swift
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


@swift
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
        if event.type not in _CONTACTS:
            return self.after_all((event,))
        if event.data.get("machine"):
            return self
        return type(self)((*self.touches, _touch(event))[-KEPT_TOUCHES:], self.views, self.visiting)

    @classmethod
    def after_encoded(cls, body: bytes, event: Event) -> bytes | None:
        """Add a contact behind the others; within a JSON text no quote stands bare, so what ends them is found by looking for it."""
        if event.type not in _CONTACTS:
            return None
        if event.data.get("machine"):
            return body
        told, end, rest = body.partition(_END)
        count = told.count(_TOUCH)
        if not end or not told.startswith(_BEGIN) or count > KEPT_TOUCHES:
            return None
        kept = told[len(_BEGIN) :] if count < KEPT_TOUCHES else told[told.index(_TOUCH, len(_BEGIN) + 1) :]
        return b"".join((_BEGIN, kept, b"," if kept else b"", _written(_touch(event)), end, rest))

    def after_all(self, events: Sequence[Event]) -> Self:
        """Add all that happened; only of what is kept a view or a touch is made."""
        touched, viewed, visiting = list[Event](), dict[str, Event](), self.visiting
        for event in events:
            data, type_ = event.data, event.type
            if type_ == "product.viewed":
                sku = str(data.get("sku") or "")
                viewed.pop(sku, None)
                viewed[sku] = event  # seen again: it goes to the end
            elif type_.startswith("visit."):
                visiting = str(data.get("place", "web")) if type_ == "visit.started" else ""
            elif not data.get("machine"):
                touched.append(event)
        touches, views = self._touches(touched), self._views(viewed)
        if touches is self.touches and visiting == self.visiting and views == self.views:
            return self
        return type(self)(touches, views, visiting)

    def _touches(self, fresh: Sequence[Event]) -> tuple[Touch, ...]:
        return (
            (*self.touches, *[_touch(each) for each in fresh[-KEPT_TOUCHES:]])[-KEPT_TOUCHES:]
            if fresh
            else self.touches
        )

    def _views(self, fresh: Mapping[str, Event]) -> tuple[View, ...]:
        if not fresh:
            return self.views
        before = [each for each in self.views if each.sku not in fresh]
        return (*before, *[_view(each) for each in list(fresh.values())[-KEPT_VIEWS:]])[-KEPT_VIEWS:]

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


_written = writer(Touch)
_BEGIN, _TOUCH, _END = b'{"touches":[', b'{"at":', b'],"views":['


def _view(event: Event) -> View:
    get = event.data.get
    return View(
        event.time, str(get("sku") or ""), str(get("name") or ""), str(get("price") or ""), str(get("currency") or ""),
        str(get("url") or ""), str(get("image") or ""),
    )  # fmt: skip


def _touch(event: Event) -> Touch:
    data = event.data
    channel = str(data.get("channel") or data.get("place") or "")
    return Touch(event.time, event.type.partition(".")[2], channel, str(data.get("message") or ""))
