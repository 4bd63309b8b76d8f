"""Keep within X's limits per endpoint: what the headers of one answer say binds the next call, of other workers too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from omnibus import Keep, TryLater
from omnibus_twitter.answers import LONGEST_PAUSE, exhausted


class Budget:
    """Remember until when an endpoint is exhausted, here and in the provider's durable notes."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    async def ask(self, endpoint: str, now: datetime, keep: Keep | None) -> None:
        """Let a call pass, or say when it may.

        Raises:
            TryLater: the window is used up; ``retry_after`` tells seconds until it ends.
        """
        end = self._ends.get(endpoint, 0.0)
        if end <= now.timestamp() and keep is not None:
            end = float(await keep.get(_note(endpoint)) or 0.0)
        left = end - now.timestamp()
        if 0 < left <= LONGEST_PAUSE:
            raise TryLater("rate_limited", retry_after=left)

    async def learn(self, endpoint: str, headers: Mapping[str, str], now: datetime, keep: Keep | None) -> None:
        """Read an answer's headers; only an exhausted window is written down."""
        end = exhausted(headers)
        if end is None or end <= now.timestamp():
            return
        self._ends[endpoint] = end
        if keep is not None:
            await keep.set(_note(endpoint), str(end))


def _note(endpoint: str) -> str:
    return f"limit {endpoint}"
