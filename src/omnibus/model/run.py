"""One customer going through one journey: a row, not a sleeping coroutine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """Hold where a customer stands in a journey.

    Args:
        version: the definition's; a run stays on the one it entered.
        entry: what makes this run unique for the customer, e.g. the cart's id.
        node: path of the next step, e.g. ``2`` or ``3.then.0``; empty when it has left.
        due: when to look at it next; None when it only waits for an event.
        waiting: event types it waits for.
        revision: guards against a timer and an event moving it both.
    """

    id: str
    customer: str
    journey: str
    version: str
    entry: str
    node: str
    due: datetime | None = None
    waiting: tuple[str, ...] = ()
    revision: int = 0
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    reason: str = ""
    started: datetime | None = None
