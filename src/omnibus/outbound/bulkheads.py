"""BULKHEADS: a provider that does not answer takes neither the slots of the others nor a campaign with it.

Three walls; what they count is this worker's own. A hand-over that takes long lends its slot to others (``Senders``); its
provider has so many at most meanwhile. A provider that lost many answers in a row rests, for all workers and longer each time.
Then it is asked one thing at a time, until it answers something, whatever that is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from omnibus.model.message import URGENT

SILENT = 10  # answers lost in a row after which a provider rests
FIRST_REST, LONGEST_REST = 30.0, 600.0  # seconds that it rests


@dataclass(slots=True)
class _Silence:
    """Hold how long a provider has been silent: answers lost in a row, rests taken, and when the last rest ends."""

    lost: int = 0
    rests: int = 0
    until: float = 0.0


class Bulkheads:
    """Count what goes on with each provider (``channel/scheme``), and what it did not answer.

    Args:
        most: hand-overs of one provider that go on at once, but for what is urgent: as many as a worker has slots for them.
        clock: seconds of machine time, monotonic.
    """

    def __init__(self, most: int = 50, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self._clock = most, clock
        self._on: Counter[str] = Counter()
        self._silences: dict[str, _Silence] = {}

    def begin(self, provider: str, purpose: str) -> None:
        """Count a hand-over that begins, unless it is urgent."""
        self._on[provider] += purpose != URGENT

    def end(self, provider: str, purpose: str) -> None:
        """Count one that has ended, however it did."""
        self._on[provider] -= purpose != URGENT

    def room(self, provider: str) -> int:
        """Say how many more may begin now."""
        silence = self._silences.get(provider)
        return (self.most if silence is None or silence.lost < SILENT else 1) - self._on[provider]

    def answered(self, provider: str) -> None:
        """Take note of an answer, be it a refusal."""
        if self._silences:
            self._silences.pop(provider, None)

    def silent(self, provider: str) -> float:
        """Take note of a lost answer; gives the seconds that the provider is to rest now, mostly none."""
        silence, now = self._silences.setdefault(provider, _Silence()), self._clock()
        silence.lost += 1
        if silence.lost < SILENT or now < silence.until:  # what was under way when the rest began ends as it does
            return 0.0
        rest = min(FIRST_REST * 2.0**silence.rests, LONGEST_REST)
        silence.rests, silence.until = silence.rests + 1, now + rest
        return rest
