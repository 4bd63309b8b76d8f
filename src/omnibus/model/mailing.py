"""The same to many, asked for at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

from omnibus.model.delivery import Delivery

_SHARED = attrgetter(*[each.name for each in fields(Delivery)[3:]])  # all but id, customer and subject, in their order


@dataclass(frozen=True, slots=True)
class Mailing:
    """Ask to accept the same for many customers, under no key.

    Args:
        templates: the deliveries that one customer gets, as made for nobody.
        customers: who gets them; *ids* are those of their deliveries, customer by customer, all of one length.
    """

    templates: tuple[Delivery, ...]
    customers: tuple[str, ...]
    ids: tuple[str, ...]

    def deliveries(self) -> list[tuple[Delivery, ...]]:
        """Make what each customer gets."""
        shared = [_SHARED(each) for each in self.templates]
        if len(shared) == 1:
            rest = shared[0]
            return [(Delivery(id_, who, who, *rest),) for id_, who in zip(self.ids, self.customers, strict=True)]
        ids = iter(self.ids)
        return [tuple([Delivery(next(ids), who, who, *rest) for rest in shared]) for who in self.customers]
