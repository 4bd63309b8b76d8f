"""Staging never reaches anybody else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import ClassVar

from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.route import Route
from omnibus.model.verdict import SEND, Drop, Verdict
from omnibus.policy import Policy


class Safety(Policy):
    """Let only those through whose identity matches ``[safety] only_to``.

    Args:
        only_to: glob patterns on identity values; empty lets everybody through.
    """

    name: ClassVar[str] = "safety"
    persons_only: ClassVar[bool] = False

    def __init__(self, only_to: Sequence[str] = ()) -> None:
        self.only_to = tuple(each.lower() for each in only_to)

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Verdict:
        """Match the route's identity; a public post has the account's name as its address."""
        if not self.only_to or route.capabilities.ambient:
            return SEND
        value = route.identity.value.lower() if route.identity else delivery.customer
        if any(fnmatchcase(value, pattern) for pattern in self.only_to):
            return SEND
        return Drop("not in [safety] only_to")
