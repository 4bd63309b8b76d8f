"""What was said in both directions, on every channel, in one thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from omnibus.facet import Facet
from omnibus.model.event import Event
from omnibus.model.swift import swift

KEPT = 20


@swift
@dataclass(frozen=True, slots=True)
class Utterance:
    """Hold one utterance."""

    at: datetime
    by: Literal["customer", "staff"]
    channel: str
    text: str = field(default="", repr=False)


@swift
@dataclass(frozen=True, slots=True)
class Conversation(Facet):
    """Fold `conversation.received`, `conversation.answered` and `message.replied`.

    Args:
        heard: channel → when they last wrote there; messaging windows are reckoned from it.
    """

    name: ClassVar[str] = "conversation"
    hears: ClassVar[tuple[str, ...]] = ("conversation.*", "message.replied")
    private: ClassVar[tuple[str, ...]] = ("turns",)

    turns: tuple[Utterance, ...] = ()
    heard: Mapping[str, datetime] = field(default_factory=dict)

    def after(self, event: Event) -> Self:
        """Add a turn; event data: ``{"channel", "text"}``."""
        channel, text = str(event.data.get("channel", "")), str(event.data.get("text", ""))
        mine = event.type != "conversation.answered"
        turn = Utterance(event.time, "customer" if mine else "staff", channel, text)
        heard = {**self.heard, channel: event.time} if mine else self.heard
        return type(self)((*self.turns, turn)[-KEPT:], heard)

    @property
    def waiting(self) -> bool:
        """Tell whether the last word is theirs."""
        return bool(self.turns) and self.turns[-1].by == "customer"

    def holds(self, premise: str, values: dict[str, Any], now: datetime) -> bool:
        """Judge ``conversation.quiet``: nobody waits for our answer."""
        if premise != "quiet":
            raise KeyError(premise)
        return not self.waiting

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        """List what a message may claim."""
        return ("quiet",)
