"""What the store answers to journeys: what they have to hear or to wake now, and who that is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omnibus.model.event import Event
from omnibus.model.run import Run
from omnibus.store.loaded import Loaded

EntryKey = tuple[str, str, str]  # customer, journey, and what for: no two runs have all three in common


@dataclass(frozen=True, slots=True)
class Walker:
    """Hold a customer as journeys see them: what is known of them, and their live runs, the latest first."""

    loaded: Loaded
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Cues:
    """Hold what journeys are to do now.

    Args:
        events: those not heard yet, in the order they were stored.
        due: runs whose time has come, the earliest first.
        walkers: the customers whom both are about, by the id that event or run names.
    """

    events: Sequence[Event]
    due: Sequence[Run]
    walkers: dict[str, Walker]
