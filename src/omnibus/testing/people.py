"""Customers, identities and folded timelines in memory, for ``FakeDesk``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from omnibus.customers.identities import normalised
from omnibus.errors import InputError, NotFound
from omnibus.model.context import Context, hears
from omnibus.model.customer import Customer, Identity
from omnibus.model.event import EVENT_TYPES, Event
from omnibus.model.ids import Ids

if TYPE_CHECKING:
    from collections.abc import Iterable


class People:
    """Keep who is who and what happened to them; every write folds at once, in timeline order."""

    def __init__(self, facets: Iterable[type[Any]]) -> None:
        self.facets: dict[str, type[Any]] = {each.name: each for each in facets}
        self.events: list[Event] = []
        self._seen: set[tuple[str, str]] = set()
        self._customers: dict[str, Customer] = {}
        self._owners: dict[tuple[str, str], str] = {}
        self._merged_into: dict[str, str] = {}
        self._contexts: dict[str, Context] = {}
        self._ids = Ids()

    def who(self, customer: str) -> str:
        """Follow merges to the id that this customer has now.

        Raises:
            NotFound: no such customer.
        """
        while customer in self._merged_into:
            customer = self._merged_into[customer]
        if customer not in self._customers:
            raise NotFound(f"no customer {customer}")
        return customer

    def owner(self, kind: str, value: str) -> Customer | None:
        """Find who has this identity."""
        found = self._owners.get((kind, normalised(kind, value)))
        return None if found is None else self._customers[self.who(found)]

    def add(self, now: datetime, id_: str = "") -> Customer:
        """Make a customer without identities."""
        made = Customer(id_ or self._ids.new(now))
        self._customers[made.id] = made
        self._contexts[made.id] = Context(made, self.facets)
        return made

    def give(self, customer: str, identity: Identity) -> Customer:
        """Give a customer an identity that nobody else has; again: verified stays verified."""
        owner = self.who(customer)
        mine = self._customers[owner]
        known = {(each.kind, each.value): each for each in mine.identities}
        place = identity.kind, identity.value
        before = known.get(place, identity)
        known[place] = replace(before, verified=before.verified or identity.verified)
        self._owners[place] = owner
        return self._keep(replace(mine, identities=tuple(known.values())))

    def merge(self, one: str, two: str) -> Customer:
        """Make two customers one: the older one's id stays; identities and timelines are joined."""
        kept, gone = sorted((self.who(one), self.who(two)))
        loser = self._customers.pop(gone)
        self._merged_into[gone] = kept
        version = self._contexts.pop(gone).version + self._contexts[kept].version
        mine = self._customers[kept]
        made = self._keep(replace(mine, identities=(*mine.identities, *loser.identities)))
        self._refold(made, version)
        return made

    def store(self, event: Event) -> bool:
        """Put an event on its subject's timeline and fold it; False when it was there already.

        Raises:
            InputError: unknown type, or a facet cannot read the data; nothing is stored then.
            NotFound: no such customer.
        """
        owner = self.who(event.subject)
        self._check_type(event.type)
        if (event.source, event.id) in self._seen:
            return False
        before = self._contexts[owner]
        if before.through is None or event.order > before.through:
            self._contexts[owner] = _sound(before.after([event]))
            self._remember(event)
            return True
        _sound(Context(before.customer, self.facets).after([event]))  # unreadable data is refused before it is stored
        self._remember(event)
        self._refold(self._customers[owner], before.version)
        return True

    def context(self, customer: str) -> Context:
        """Give what is known now."""
        return self._contexts[self.who(customer)]

    def timeline(self, customer: str) -> list[Event]:
        """List all events of a customer and of those merged into them, oldest first."""
        owner = self.who(customer)
        mine = [each for each in self.events if self.who(each.subject) == owner]
        return sorted(mine, key=lambda each: each.order)

    def _keep(self, customer: Customer) -> Customer:
        self._customers[customer.id] = customer
        self._contexts[customer.id].customer = customer
        return customer

    def _remember(self, event: Event) -> None:
        self._seen.add((event.source, event.id))
        self.events.append(event)

    def _refold(self, customer: Customer, version: int) -> None:
        empty = Context(customer, self.facets, version=version)
        self._contexts[customer.id] = _sound(empty.after(self.timeline(customer.id)))

    def _check_type(self, type_: str) -> None:
        nouns = {each.partition(".")[0] for each in EVENT_TYPES}
        heard = any(hears(facet, type_) for facet in self.facets.values())
        if type_ in EVENT_TYPES or (heard and "." in type_ and type_.partition(".")[0] not in nouns):
            return
        raise InputError(
            f"unknown event type `{type_}`", fix="use one of the core's, or register a facet that hears it"
        )


def _sound(context: Context) -> Context:
    """Raise what a facet raised: to whoever tests one it is to be seen."""
    for each in context.faults.values():
        if each.cause is not None:
            raise each.cause
    return context
