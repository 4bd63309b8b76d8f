"""What a report has to be recognised by, what it was about, and the whole of what was ever told of one customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from omnibus.model.event import Event
from omnibus.model.swift import swift


@swift
@dataclass(frozen=True, slots=True)
class Clue:
    """Say what a report has to find its hand-over by: our id of it, the provider's, or both."""

    channel: str
    provider: str
    attempt: str = ""
    provider_id: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Trace:
    """Hold the hand-over that a clue led to, and what of its delivery a report's event tells."""

    attempt: str
    channel: str
    provider: str
    identity: str
    delivery: str
    customer: str
    message: str
    purpose: str
    topic: str
    audience: str
    via: tuple[str, ...]
    tried: tuple[str, ...]
    expires: datetime | None


@swift
@dataclass(frozen=True, slots=True)
class History:
    """Hold a customer's whole timeline, in order, beside the context that is stored of it."""

    customer: str
    version: int
    bodies: dict[str, bytes] = field(repr=False)
    events: list[Event] = field(repr=False)


def matched(
    clues: Sequence[Clue], ours: Mapping[str, Sequence[Trace]], theirs: Mapping[str, Sequence[Trace]]
) -> list[Trace | None]:
    """Match each clue: by our id of the hand-over if it was by that very provider, else by theirs; the latest counts.

    Args:
        ours, theirs: hand-overs by our id, and by the provider's.
    """
    found: list[Trace | None] = []
    for each in clues:
        way = (each.channel, each.provider)
        mine = [told for told in ours.get(each.attempt, ()) if (told.channel, told.provider) == way]
        named = [told for told in theirs.get(each.provider_id, ()) if told.provider == each.provider]
        found.append(max(mine or named, key=lambda told: told.attempt, default=None))
    return found
