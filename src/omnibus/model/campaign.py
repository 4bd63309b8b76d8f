"""One message to many customers: where it stands, and the only ways from one standing to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from omnibus.model.delivery import FINAL, SHOWN, WAITING, Delivery, State

PAUSED = "campaign paused"  #: the reason of a delivery that waits for its campaign to be resumed
STOPPED = "campaign stopped"  #: the reason of one that a stop dropped
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
STEP = 0  #: a first cut has one step; the key (campaign, customer, step) has room for more


class Standing(StrEnum):
    """Say where a campaign stands."""

    LOADING = "loading"  #: its list is being read; nobody gets anything yet
    RUNNING = "running"  #: expanded and sent; for good once everybody was reached
    PAUSED = "paused"  #: what waits is held, the cursor stands still
    STOPPED = "stopped"  #: what waited was dropped


#: from → to; to stand still is always allowed and changes nothing
STEERING: Mapping[Standing, frozenset[Standing]] = {
    Standing.LOADING: frozenset({Standing.STOPPED}),
    Standing.RUNNING: frozenset({Standing.PAUSED, Standing.STOPPED}),
    Standing.PAUSED: frozenset({Standing.RUNNING, Standing.STOPPED}),
    Standing.STOPPED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Campaign:
    """Hold one campaign as stored.

    Args:
        name: unique; *id* names this very launch of it.
        source: everybody (``all``), or a list that was read in (``list``).
        digest: hash of what was asked for; the same name for something else is a conflict.
        cursor: the last customer id that was expanded; the next chunk starts after it.
        whole: the last one was expanded.
        recipients: people it is meant for, *expanded* of them have deliveries; two who turn out to be one person become one recipient.
        accepted: deliveries made; *rejected*: lines of the list that name nobody.
        pressing: waiting deliveries of it that want out soon; only told when asked for.
        asleep: a pause is over, and some of what it held may not be woken yet; only told when asked for.
    """

    name: str
    id: str
    message: str
    source: Literal["all", "list"]
    launched: datetime
    standing: Standing = Standing.LOADING
    digest: str = ""
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    changed: datetime | None = None
    cursor: str = ""
    whole: bool = False
    recipients: int = 0
    expanded: int = 0
    accepted: int = 0
    rejected: int = 0
    reason: str = ""
    pressing: int = 0
    asleep: bool = False

    @property
    def origin(self) -> str:
        """Name it as its deliveries do."""
        return origin_of(self.name)

    @property
    def left(self) -> int:
        """Count the people who have no delivery yet."""
        return max(self.recipients - self.expanded, 0)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Ask to expand the next customers of a campaign, in customer order, and to move its cursor in the same commit.

    Args:
        campaign: as it was read; another cursor or standing in the store means that somebody was faster.
        templates: the deliveries that one customer gets, as made for nobody.
        ids: for the deliveries of the whole chunk, customer by customer; more than are needed does no harm.
        size: how many customers at most.
    """

    campaign: Campaign
    templates: tuple[Delivery, ...]
    ids: tuple[str, ...]
    size: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """Add a campaign up.

    Args:
        states: deliveries by state; *reasons*: state → reason → deliveries, of those held, dropped, failed and expired.
    """

    campaign: Campaign
    states: Mapping[str, int]
    reasons: Mapping[str, Mapping[str, int]]

    @property
    def waiting(self) -> int:
        """Count the deliveries that are not at their end."""
        return sum(self.states.get(each.value, 0) for each in WAITING)

    @property
    def final(self) -> int:
        """Count the deliveries that are."""
        return sum(self.states.get(each.value, 0) for each in FINAL)

    @property
    def handed_over(self) -> int:
        """Count the deliveries that a provider took, whatever became of them then."""
        return sum(self.states.get(each.value, 0) for each in (*SHOWN, State.BOUNCED, State.WITHDRAWN))

    @property
    def finished(self) -> bool:
        """Tell whether nothing more will come of it."""
        ended = self.campaign.whole or self.campaign.standing is Standing.STOPPED
        return ended and not self.waiting

    @property
    def standing(self) -> str:
        """Say where it stands; a running one that reached everybody is done."""
        running = self.campaign.standing is Standing.RUNNING
        return "done" if running and self.finished else self.campaign.standing.value


def origin_of(name: str) -> str:
    """Name a campaign as its deliveries do, and as a rest of it is named among the providers' pauses."""
    return f"campaign:{name}"
