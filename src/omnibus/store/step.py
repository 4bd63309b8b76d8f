"""What moves a journey's run on."""

from __future__ import annotations

from dataclasses import dataclass

from omnibus.model.run import Run
from omnibus.store.change import Change
from omnibus.store.wish import Wish


@dataclass(frozen=True, slots=True)
class Step:
    """Move journey runs on, with all that follows, in one commit.

    Args:
        before: revision the run must still have; None for a new run (which must not exist yet).
        heard: events (source, id) that journeys have now heard.
    """

    run: Run
    before: int | None
    change: Change | None = None
    wishes: tuple[Wish, ...] = ()
