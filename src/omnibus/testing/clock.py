"""Business time that a test sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: where a fake clock starts: a Saturday noon in winter, so that no daylight saving is near
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class FakeClock:
    """Tell business time (aware UTC) as the test wants it; ``clock.now`` is what is handed in everywhere."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """Tell the time; it stands still until somebody moves it."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move on; returns the new time.

        Raises:
            ValueError: *by* is negative; use ``set`` to go back.
        """
        if by < timedelta():
            raise ValueError("time goes forward")
        self._now += by
        return self._now

    def set(self, to: datetime) -> None:
        """Jump to an aware time, also backwards.

        Raises:
            ValueError: *to* is naive.
        """
        if to.tzinfo is None:
            raise ValueError("business time is aware")
        self._now = to.astimezone(UTC)
