"""How much X lets an account write: calls per window, and paid credits; for the sandbox only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from omnibus import Response
from omnibus_twitter.sandbox_rules import problem

WINDOW = 900  # seconds of a rate-limit window
#: calls per window and user; https://docs.x.com/x-api/fundamentals/rate-limits
LIMITS = {"post": 100, "direct": 15}


class Allowance:
    """Count what the ledger says was written in this window.

    Args:
        limits: writes per window, by kind; may be changed.
        credits: writes that are paid for; None for no end.
    """

    def __init__(self, world: Any, account: str) -> None:
        self._world, self._account = world, account
        self.limits = dict(LIMITS)
        self.credits: int | None = None

    def refuse(self, kind: str) -> Response | None:
        """Answer 402 without credits, 429 over the limit; None when a write may pass."""
        if self.credits is not None and self.credits <= 0:
            detail = f"Your enrolled account [{self._account}] does not have any credits to fulfill this request."
            return problem(402, "CreditsDepleted", detail, "https://api.x.com/2/problems/credits")
        if self._used(kind) < self.limits[kind]:
            return None
        told = problem(429, "Too Many Requests", "Too Many Requests")
        return Response(429, told.body, {**told.headers, **self.left(kind)})

    def spend(self) -> None:
        """Take a credit for a write."""
        if self.credits is not None:
            self.credits -= 1

    def left(self, kind: str) -> dict[str, str]:
        """Give the headers that every answer bears."""
        end = int(self._window().timestamp()) + WINDOW
        return {
            "x-rate-limit-limit": str(self.limits[kind]), "x-rate-limit-reset": str(end),
            "x-rate-limit-remaining": str(max(self.limits[kind] - self._used(kind), 0)),
        }  # fmt: skip

    def _used(self, kind: str) -> int:
        start, used = self._window(), 0
        for each in reversed(self._world.entries):
            if datetime.fromisoformat(each.at) < start:
                break
            used += each.channel == "twitter" and each.kind == kind
        return used

    def _window(self) -> datetime:
        second = int(self._world.now().timestamp())
        return datetime.fromtimestamp(second - second % WINDOW, UTC)
