"""What moves journeys' runs on."""

from __future__ import annotations

from dataclasses import dataclass

from omnibus.model.event import Event
from omnibus.model.run import Run
from omnibus.store.change import Change
from omnibus.store.wish import Wish


@dataclass(frozen=True, slots=True)
class Stride:
    """Move one run.

    Args:
        before: revision the run must still have; None for a new run (which must not exist yet).
    """

    run: Run
    before: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """Move runs of one customer on, with all that follows, in one commit; without any, only say what was heard or put aside.

    Args:
        heard: events that journeys have now heard.
        aside: events that ask a facet that is not known; they are heard when they are asked for again.
    """

    strides: tuple[Stride, ...] = ()
    change: Change | None = None
    wishes: tuple[Wish, ...] = ()
    heard: tuple[Event, ...] = ()
    aside: tuple[Event, ...] = ()
