"""PORT: a rule that gives verdicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar

from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.route import Route
from omnibus.model.verdict import Verdict


class Policy(ABC):
    """Judge one route of one delivery; a pure function of its arguments.

    Args:
        name: how `why` and stored reasons call it.
        persons_only: it does not bind what is said to the public.
        ambient: it also binds ambient channels (a card that waits for a visit).
    """

    name: ClassVar[str]
    persons_only: ClassVar[bool] = True
    ambient: ClassVar[bool] = True

    @abstractmethod
    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Say Send, Hold(until) or Drop(reason); *now* is business time, aware UTC."""
