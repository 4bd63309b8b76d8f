"""What we may still say to this person on Instagram: the facet of its windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from omnibus import Context, Conversation, Event, Facet

#: Source: https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
WINDOW = timedelta(hours=24)  # after their last message, for anybody
HUMAN = timedelta(days=7)  # after their last message, for a person with the human-agent permission
COMMENT = timedelta(days=7)  # after a comment: one private reply
KEPT = 10  # comments

#: what a person does that opens no messaging window; all other kinds do
SILENT = frozenset({"comment", "live_comment", "mention", "reaction", "edit"})


@dataclass(frozen=True, slots=True)
class Thread(Facet):
    """Fold what this person wrote to us on Instagram, and what we answered privately.

    A comment is heard too (``conversation.received``), yet opens no window: it may be answered privately once.

    Args:
        wrote: their last direct message.
        told: our last direct message to them.
        comments: comment id → when, of those not yet answered privately; the newest ten.
    """

    name: ClassVar[str] = "instagram"
    hears: ClassVar[tuple[str, ...]] = ("conversation.received", "message.replied", "message.sent")

    wrote: datetime | None = None
    told: datetime | None = None
    comments: Mapping[str, datetime] = field(default_factory=dict)

    def after(self, event: Event) -> Self:
        """Note their message, their comment, or our answer."""
        data = event.data
        if data.get("channel") != "instagram" or data.get("audience", "person") != "person":
            return self
        if event.type == "message.sent":
            left = {each: at for each, at in self.comments.items() if each != data.get("comment")}
            return replace(self, told=event.time, comments=left)
        kind = str(data.get("kind", "message"))
        if kind in {"comment", "live_comment"} and data.get("comment"):
            known = {**self.comments, str(data["comment"]): event.time}
            newest = sorted(known, key=lambda each: (known[each], each))[-KEPT:]
            return replace(self, comments={each: known[each] for each in newest})
        return self if kind in SILENT else replace(self, wrote=event.time)

    @classmethod
    def of(cls, context: Context) -> Thread:
        """Read it from a context, or make it from the conversation where the facet is not registered."""
        if cls.name in context.names:
            return context[Thread]
        return Thread(wrote=context[Conversation].heard.get("instagram"))

    @property
    def newest(self) -> str:
        """Name the newest comment not yet answered privately; empty for none."""
        return max(self.comments, key=lambda each: (self.comments[each], each), default="")

    def open(self, now: datetime) -> bool:
        """Tell whether they wrote within 24 hours."""
        return self.wrote is not None and now < self.wrote + WINDOW

    def holds(self, premise: str, values: dict[str, Any], now: datetime) -> bool:
        """Judge ``instagram.open``: they wrote within 24 hours."""
        if premise != "open":
            raise KeyError(premise)
        return self.open(now)

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        """List what a message may claim."""
        return ("open",)
