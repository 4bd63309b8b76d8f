"""Nobody is woken: outside their waking hours a message waits for their morning."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omnibus.facets.profile import Profile
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.message import Purpose
from omnibus.model.route import Route
from omnibus.model.verdict import SEND, Hold, Send, Verdict
from omnibus.policy import Policy


class QuietHours(Policy):
    """Hold marketing and service in the customer's night, by the wall clock of their zone.

    Args:
        begins, ends: local wall times; a night may span midnight. Both equal: never quiet.
    """

    name: ClassVar[str] = "quiet_hours"
    ambient: ClassVar[bool] = False

    def __init__(self, begins: time = time(21), ends: time = time(8)) -> None:
        self.begins, self.ends = begins, ends

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Hold until their morning; a receipt or a code that they asked for goes at once."""
        if delivery.purpose == Purpose.TRANSACTIONAL:
            return Send("transactional")
        return _said(now, context[Profile].zone or brand.zone, self.begins, self.ends)


@lru_cache(maxsize=1024)
def _said(now: datetime, zone: str, begins: time, ends: time) -> Verdict:
    """Answer once for all who live in a zone: a batch is judged at one moment."""
    found = zone_of(zone)
    until = morning(now, found, begins, ends)
    return SEND if until is None else Hold(until, f"quiet hours in {found.key}")


def zone_of(name: str) -> ZoneInfo:
    """Find a zone; an unknown name counts as UTC (it was refused when it was told)."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def morning(now: datetime, zone: ZoneInfo, begins: time, ends: time) -> datetime | None:
    """Give the end of the quiet hours that *now* lies in, as UTC; None when they are awake.

    Wall clock in, instant out: through UTC both ways, so a fold never ends a night early and a gap never drops it.
    """
    local = now.astimezone(zone)
    wall = local.time().replace(tzinfo=None)
    if begins == ends:
        return None
    spans = begins > ends
    quiet = (wall >= begins or wall < ends) if spans else begins <= wall < ends
    if not quiet:
        return None
    day = local.date() + timedelta(days=1) if spans and wall >= begins else local.date()
    end = datetime.combine(day, ends, tzinfo=zone).astimezone(UTC)
    if end <= now:  # the fold's second pass of the same wall time
        end = datetime.combine(day, ends, tzinfo=zone).replace(fold=1).astimezone(UTC)
    return end if end > now else None
