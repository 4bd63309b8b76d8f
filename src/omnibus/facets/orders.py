"""What the person bought and brought back, on the web and at the till alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from omnibus.facet import Facet
from omnibus.facets.cart import Line, read_lines
from omnibus.model.event import Event
from omnibus.model.swift import swift

KEPT = 20  # orders kept in the context; all of them stay on the timeline


@swift
@dataclass(frozen=True, slots=True)
class Order:
    """Hold one purchase; *place* is ``web`` or ``till``."""

    id: str
    at: datetime
    place: str
    total: str
    currency: str
    lines: tuple[Line, ...] = ()
    codes: tuple[str, ...] = ()
    returned: bool = False


@swift
@dataclass(frozen=True, slots=True)
class Orders(Facet):
    """Fold `order.placed` and `order.returned`.

    Event data of `order.placed`: ``{"id", "place": "web"|"till", "currency", "total", "lines": […], "codes": […], "cart"?}``;
    of `order.returned`: ``{"id": the order's, "lines"?}``.
    """

    name: ClassVar[str] = "orders"
    hears: ClassVar[tuple[str, ...]] = ("order.*",)

    count: int = 0
    recent: tuple[Order, ...] = ()
    returns: int = 0

    def after(self, event: Event) -> Self:
        """Add an order, or mark one as returned."""
        data = event.data
        if event.type == "order.returned":
            recent = tuple(
                replace(each, returned=True) if each.id == str(data.get("id")) else each for each in self.recent
            )
            return replace(self, recent=recent, returns=self.returns + 1)
        order = Order(
            id=str(data.get("id", event.id)), at=event.time, place=str(data.get("place", "web")),
            total=str(data.get("total", "0")), currency=str(data.get("currency", "")),
            lines=read_lines(data.get("lines", ()))[:KEPT], codes=tuple(map(str, data.get("codes", ()))),
        )  # fmt: skip
        return type(self)(self.count + 1, (*self.recent, order)[-KEPT:], self.returns)

    @property
    def last(self) -> Order | None:
        """Give the latest order."""
        return self.recent[-1] if self.recent else None

    def holds(self, premise: str, values: dict[str, Any], now: datetime) -> bool:
        """Judge ``orders.none``, ``orders.some`` and ``orders.not_bought`` (``values.sku`` was never in an order we still know)."""
        match premise:
            case "none":
                return self.count == 0
            case "some":
                return self.count > 0
            case "not_bought":
                return all(line.sku != values.get("sku") for order in self.recent for line in order.lines)
        raise KeyError(premise)

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        """List what a message may claim."""
        return ("none", "some", "not_bought")
