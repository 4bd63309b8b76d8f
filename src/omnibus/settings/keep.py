"""``[keep]``: how long what is finished stays in the store."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from omnibus.model.duration import read_duration
from omnibus.settings.section import Section

SHORTEST = timedelta(days=7)  # what was asked for twice within it has its effect once, whatever is set (promise 3)


def _length(told: Any) -> timedelta | None:
    return None if told is None or told is False or told == "false" else read_duration(told)


Length = Annotated[timedelta | None, BeforeValidator(_length)]


class Retention(Section):
    """Read ``[keep]``: how long what is finished stays before `work` prunes it; false keeps it for ever.

    Args:
        deliveries: finished ones with their attempts and reasons; the customer's timeline and all counts stay.
        repeats: how long the same send key has its effect once, and the list of a campaign that is over is kept; at least 7d, and no longer than `deliveries`.
    """

    deliveries: Length = timedelta(days=90)
    repeats: Length = timedelta(days=30)

    @model_validator(mode="after")
    def _fits(self) -> Retention:
        if self.repeats is not None and self.repeats < SHORTEST:
            raise ValueError("must keep `repeats` for 7d or more")
        if self.deliveries is not None and (self.repeats is None or self.deliveries < self.repeats):
            raise ValueError("must keep `deliveries` as long as `repeats`, or longer")
        return self
