"""Who the person is: name, language, zone, preferred channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from omnibus.facet import Facet
from omnibus.model.event import Event
from omnibus.model.swift import swift

_FIELDS = ("name", "first_name", "locale", "zone", "prefers")


@swift
@dataclass(frozen=True, slots=True)
class Profile(Facet):
    """Fold what the person, or the shop, said about them.

    Args:
        locale: BCP 47, e.g. ``en-GB``; empty means the brand's.
        zone: IANA name; empty means unknown (the brand's, or the phone number's).
        prefers: the channel they stated; empty when they stated none.
    """

    name: ClassVar[str] = "profile"
    hears: ClassVar[tuple[str, ...]] = ("customer.identified", "customer.updated")
    private: ClassVar[tuple[str, ...]] = ("full_name", "first_name")

    full_name: str = ""
    first_name: str = ""
    locale: str = ""
    zone: str = ""
    prefers: str = ""

    def after(self, event: Event) -> Self:
        """Take over each field that the event names."""
        data = event.data
        told = {key: str(data[key] or "") for key in _FIELDS if key in data}
        full = told.get("name", self.full_name)
        made = type(self)(
            full,
            told.get("first_name", full.split(" ")[0] if "name" in told else self.first_name),
            told.get("locale", self.locale), told.get("zone", self.zone), told.get("prefers", self.prefers),
        )  # fmt: skip
        return self if made == self else made

    def view(self) -> dict[str, Any]:
        """Give ``name``, ``first_name``, ``locale``, ``zone``, ``prefers``."""
        return {
            "name": self.full_name, "first_name": self.first_name, "locale": self.locale,
            "zone": self.zone, "prefers": self.prefers,
        }  # fmt: skip
