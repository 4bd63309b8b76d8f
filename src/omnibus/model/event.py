"""Facts on a timeline: CloudEvents 1.0 attributes, and the closed set of the core's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from omnibus.model.swift import swift

#: how far into the future a claimed time may lie before it is cut back
CLOCK_SKEW = timedelta(minutes=5)

#: the core's event types, ``noun.past``; a plugin adds its own under its own noun
EVENT_TYPES = frozenset(
    {
        "customer.identified",  #: an identity or a name was learnt
        "customer.updated",  #: name, locale, zone or preference changed
        "customer.merged",  #: another customer turned out to be this person
        "customer.unmerged",  #: … and turned out not to be
        "consent.granted",  #: they allowed (channel, purpose, topic)
        "consent.withdrawn",  #: they took it back
        "product.viewed",  #: they looked at a product
        "cart.updated",  #: their cart holds these lines now
        "cart.cleared",  #: their cart is empty
        "order.placed",  #: they bought, on the web or at the till
        "order.returned",  #: they brought something back
        "code.issued",  #: a code became theirs
        "code.redeemed",  #: … and was used
        "handover.issued",  #: a token carries cart and offer to the till
        "handover.claimed",  #: … and was read there
        "visit.started",  #: they opened the site or came to the till
        "visit.ended",  #: they left
        "message.held",  #: a delivery waits until a time
        "message.dropped",  #: a policy said no
        "message.expired",  #: its deadline passed
        "message.sent",  #: a provider accepted it
        "message.delivered",  #: it arrived, or was shown
        "message.opened",  #: it was opened (machine opens are marked)
        "message.clicked",  #: its link was followed
        "message.replied",  #: it was answered
        "message.bounced",  #: it came back
        "message.complained",  #: they called it spam
        "message.unsubscribed",  #: they unsubscribed by it
        "message.failed",  #: no route worked
        "message.unknown",  #: the answer of a hand-over is lost
        "message.withdrawn",  #: it was taken off show
        "conversation.received",  #: they wrote to us
        "conversation.answered",  #: staff wrote to them
        "journey.entered",  #: a run began
        "journey.advanced",  #: a run went a step on
        "journey.left",  #: a run ended
    }
)


@swift
@dataclass(frozen=True, slots=True)
class Event:
    """State one immutable fact about one customer.

    Attributes follow CloudEvents 1.0 (id, source, type, time, subject, data). The same fact always
    bears the same (source, id), however often and in whatever order it is told.

    Args:
        subject: the customer's id as the sender of the fact knew it.
        time: when it happened; aware UTC, at most five minutes after it was received.
        data: JSON values only; out of ``repr``, for it may hold a person's words.
    """

    id: str
    source: str
    type: str
    time: datetime
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def order(self) -> tuple[datetime, str, str]:
        """Give the place on the timeline: events fold in this order, whenever they arrive."""
        return self.time, self.id, self.source


def settled_time(claimed: datetime, received: datetime) -> datetime:
    """Cut a claimed time back to what we can believe: at most five minutes after it was received."""
    return min(claimed, received + CLOCK_SKEW)
