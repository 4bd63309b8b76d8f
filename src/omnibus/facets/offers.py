"""Which codes are this person's, and which they used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from omnibus.facet import Facet
from omnibus.model.event import Event
from omnibus.model.swift import swift


@swift
@dataclass(frozen=True, slots=True)
class Issued:
    """Hold one offer that became theirs; *number* counts its renewals."""

    at: datetime
    expires: datetime | None = None
    redeemed: datetime | None = None
    number: int = 1


@swift
@dataclass(frozen=True, slots=True)
class Offers(Facet):
    """Fold `code.issued` and `code.redeemed`: offer name → what became of it. Codes themselves are derived, not kept."""

    name: ClassVar[str] = "offers"
    hears: ClassVar[tuple[str, ...]] = ("code.*",)

    held: Mapping[str, Issued] = field(default_factory=dict)

    def after(self, event: Event) -> Self:
        """Note an issue (the first one of a number counts) or a redemption; event data: ``{"offer", "number"?, "expires"?}``."""
        offer = str(event.data.get("offer", ""))
        known = self.held.get(offer)
        if event.type == "code.issued":
            number, ends = int(event.data.get("number", 1)), event.data.get("expires")
            if known is not None and known.number >= number:
                return self
            known = Issued(event.time, datetime.fromisoformat(ends) if ends else None, number=number)
        else:
            known = replace(known or Issued(event.time), redeemed=event.time)
        return type(self)({**self.held, offer: known})

    def holds(self, premise: str, values: dict[str, Any], now: datetime) -> bool:
        """Judge ``offer.unredeemed`` and ``offer.valid`` for the delivery's offer (``values.offer``)."""
        known = self.held.get(str(values.get("offer", "")))
        if premise == "unredeemed":
            return known is None or known.redeemed is None
        if premise == "valid":
            return known is None or known.expires is None or known.expires > now
        raise KeyError(premise)

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        """List what a message may claim, as ``offer.…``."""
        return ("unredeemed", "valid")
