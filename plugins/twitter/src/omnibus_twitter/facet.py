"""What a person did towards us on X, so that direct messages stay within X's rules and answers find their post."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from omnibus import Event, Facet


@dataclass(frozen=True, slots=True)
class Twitter(Facet):
    """Fold `conversation.received` from X.

    Args:
        wrote: when they last sent us a direct message; posts that mention us do not count.
        post: id of the last post in which they mentioned or answered us; empty for none.
    """

    name: ClassVar[str] = "twitter"
    hears: ClassVar[tuple[str, ...]] = ("conversation.received", "message.replied")

    wrote: datetime | None = None
    post: str = ""

    def after(self, event: Event) -> Self:
        """Note a direct message or a post; other channels change nothing."""
        data = event.data
        if data.get("channel") != "twitter":
            return self
        if data.get("place", "direct") == "direct":
            return replace(self, wrote=max(filter(None, (self.wrote, event.time))))
        return replace(self, post=str(data.get("post", "")))

    def holds(self, premise: str, values: dict[str, Any], now: datetime) -> bool:
        """Judge ``twitter.wrote``: they have sent us a direct message."""
        if premise != "wrote":
            raise KeyError(premise)
        return self.wrote is not None

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        """List what a message may claim."""
        return ("wrote",)
