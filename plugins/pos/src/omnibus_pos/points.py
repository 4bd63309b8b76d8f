"""The facet of loyalty points, as a point of sale tells them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from omnibus import Event, Facet


@dataclass(frozen=True, slots=True)
class Points(Facet):
    """Fold `points.updated`: the newest balance counts; event data: ``{"points": int, "program"}``."""

    name: ClassVar[str] = "points"
    hears: ClassVar[tuple[str, ...]] = ("points.updated",)

    points: int | None = None
    program: str = ""

    def after(self, event: Event) -> Self:
        """Take over the balance."""
        points = event.data.get("points")
        if not isinstance(points, int):
            return self
        return replace(self, points=points, program=str(event.data.get("program", "")))
