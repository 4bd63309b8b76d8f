"""What lies in the person's cart now, wherever they filled it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Self

from omnibus.errors import InputError
from omnibus.facet import Facet
from omnibus.model.event import Event
from omnibus.model.money import Money
from omnibus.model.swift import swift


@swift
@dataclass(frozen=True, slots=True)
class Line:
    """Hold one product in a cart or order; *price* is one piece's, as a decimal text."""

    sku: str
    name: str
    quantity: int
    price: str
    url: str = ""
    image: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Cart(Facet):
    """Fold the last cart event: `cart.updated` replaces, `cart.cleared` and `order.placed` empty it.

    Event data of `cart.updated`: ``{"id", "currency", "url", "lines": [{"sku", "name", "quantity", "price", "url", "image"}]}``.
    """

    name: ClassVar[str] = "cart"
    hears: ClassVar[tuple[str, ...]] = ("cart.updated", "cart.cleared", "order.placed")

    id: str = ""
    currency: str = ""
    url: str = ""
    lines: tuple[Line, ...] = ()
    updated: datetime | None = None

    def after(self, event: Event) -> Self:
        """Take the cart as the event says."""
        if event.type != "cart.updated":
            return self if not self.lines else type(self)(updated=event.time)
        data = event.data
        return type(self)(
            id=str(data.get("id", "")), currency=str(data.get("currency", "")), url=str(data.get("url", "")),
            lines=read_lines(data.get("lines", ())), updated=event.time,
        )  # fmt: skip

    @property
    def open(self) -> bool:
        """Tell whether something lies in it."""
        return bool(self.lines)

    @property
    def total(self) -> Money:
        """Sum the lines."""
        return Money(self._sum(), self.currency)

    def _sum(self) -> Decimal:
        return sum([Decimal(line.price) * line.quantity for line in self.lines], Decimal())

    def holds(self, premise: str, values: dict[str, Any], now: datetime) -> bool:
        """Judge ``cart.open``: something lies in it."""
        if premise != "open":
            raise KeyError(premise)
        return self.open

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        """List what a message may claim."""
        return ("open",)

    def view(self) -> dict[str, Any]:
        """Give ``id url currency lines total open`` for templates."""
        lines = [
            {"sku": x.sku, "name": x.name, "quantity": x.quantity, "price": x.price, "url": x.url, "image": x.image}
            for x in self.lines
        ]
        return {
            "id": self.id, "url": self.url, "currency": self.currency, "lines": lines,
            "total": f"{self._sum():.2f}", "open": self.open,
        }  # fmt: skip


def read_lines(told: Any) -> tuple[Line, ...]:
    """Read the lines of a cart or an order.

    Raises:
        InputError: a line without sku, a quantity or price that is no number.
    """
    lines = []
    for number, each in enumerate(told or ()):
        try:
            price, quantity = Decimal(str(each.get("price", "0"))), int(each.get("quantity", 1))
            sku, sound = str(each["sku"]), price.is_finite()
        except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation, OverflowError):
            sound = False
        if not sound:
            where = f"lines[{number}]"
            raise InputError("a line needs sku, quantity (whole) and price (decimal)", where=where)
        line = Line(
            sku, str(each.get("name") or sku), quantity, f"{price:.2f}", str(each.get("url") or ""),
            str(each.get("image") or ""),
        )  # fmt: skip
        lines.append(line)
    return tuple(lines)
