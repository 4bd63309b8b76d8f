"""Nobody is flooded: one contact budget over all channels, rolling."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar

from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.message import Purpose
from omnibus.model.route import Route
from omnibus.model.verdict import SEND, Drop, Hold, Verdict
from omnibus.policy import Policy
from omnibus.store import Limit


class Budget(Policy):
    """Bound the points spent on a customer within a rolling window; marketing only.

    What surely did not arrive is given back; a lost answer counts. This verdict is the early one: the same
    limits are checked once more in the transaction of the attempt.

    Args:
        points: the most over all channels in *window*; what one message costs stands on its route.
    """

    name: ClassVar[str] = "budget"
    ambient: ClassVar[bool] = False

    def __init__(self, window: timedelta = timedelta(days=7), points: int = 6) -> None:
        self.window, self.points = window, points

    def limits(self, delivery: Delivery, route: Route, now: datetime) -> tuple[Limit, ...]:
        """Give the limits that bind this route, for the attempt's transaction."""
        if delivery.purpose != Purpose.MARKETING or route.capabilities.ambient or route.audience == "public":
            return ()
        return _limits(now, self.window, self.points)

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Hold until enough is free again, or drop when that is past the deadline."""
        if not context.spent and route.points <= self.points:
            return SEND
        limits = self.limits(delivery, route, now)
        frees = [free for limit in limits if (free := self._frees(limit, route, context.spent))]
        if not frees:
            return SEND
        until = max(frees)
        reason = f"budget of {self.points} points in {self.window.days} days is spent"
        if delivery.expires is not None and until >= delivery.expires:
            return Drop(reason)
        return Hold(until, reason)

    def _frees(self, limit: Limit, route: Route, spent: Sequence[tuple[datetime, str, int]]) -> datetime | None:
        if not spent and route.points <= limit.points:
            return None
        mine = sorted(
            (at, points) for at, channel, points in spent if at >= limit.since and limit.channel in ("", channel)
        )
        over = sum(points for _, points in mine) + route.points - limit.points
        for at, points in mine:
            if over <= 0:
                break
            over -= points
            free = at + self.window
            if over <= 0:
                return free
        return None if over <= 0 else datetime.max.replace(tzinfo=limit.since.tzinfo)


@lru_cache(maxsize=64)
def _limits(now: datetime, window: timedelta, points: int) -> tuple[Limit, ...]:
    """Say it once for all who are judged at one moment."""
    return (Limit("", now - window + timedelta(microseconds=1), points),)
