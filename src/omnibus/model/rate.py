"""How fast a provider may be asked: so many in a second, a minute, an hour or a day."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_RATE = re.compile(r"\s*([0-9]{1,7})\s*/\s*(s|min|h|d)\s*")
_MOST = 100_000  # a second; more than one row in a database hands out
AHEAD = 0.1  # seconds whose tokens may be taken at once


@dataclass(frozen=True, slots=True)
class Rate:
    """Hold a rate as the time from one token to the next.

    Args:
        interval: microseconds, rounded up, so that no window ever holds too many.
        burst: tokens that may be taken at once after a rest: those of a tenth of a second, at least one.
    """

    interval: int
    burst: int

    @property
    def seconds(self) -> float:
        """Give the interval in seconds."""
        return self.interval / 1_000_000

    def take(self, arrival: int, want: int, now: int) -> tuple[int, int]:
        """Take up to *want* tokens; gives how many, and when the next one arrives after them.

        Source: the generic cell rate algorithm, ITU-T I.371 annex A (virtual scheduling); times in microseconds.
        """
        arrival = max(arrival, now)
        got = max(min(want, (now - arrival) // self.interval + self.burst), 0)
        return got, arrival + got * self.interval

    def wait(self, arrival: int, now: int) -> float:
        """Give the seconds until a token can be taken."""
        return max(arrival - (self.burst - 1) * self.interval - now, 0) / 1_000_000


def read_rate(told: object) -> Rate:
    """Read ``100/s``, ``6/min``, ``1000/h`` or ``50000/d``.

    Raises:
        ValueError: it is written otherwise, or is nought or more than 100,000 a second; the text names the fix.
    """
    found = _RATE.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        raise ValueError('must be a rate such as "100/s", "6/min", "1000/h" or "50000/d"')
    count, micros = int(found[1]), _UNITS[found[2]] * 1_000_000
    if not count or count > _MOST * _UNITS[found[2]]:
        raise ValueError("must be a rate from 1/d to 100000/s")
    interval = -(-micros // count)
    return Rate(interval, max(1, int(AHEAD * 1_000_000) // interval))
