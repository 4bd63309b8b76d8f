"""The shared object: what every channel knows of one customer now, a fold of their events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from omnibus.model.customer import Customer
from omnibus.model.event import Event


class FacetLike(Protocol):
    """Be what a context holds; the port ``omnibus.facet.Facet`` is the class to inherit."""

    name: Any
    version: Any
    hears: Any

    def after(self, event: Event) -> Any: ...  # noqa: D102
    def encode(self) -> bytes: ...  # noqa: D102
    def view(self) -> dict[str, Any]: ...  # noqa: D102
    @classmethod
    def decode(cls, body: bytes) -> Any: ...  # noqa: D102


F = TypeVar("F")


def hears(facet: Any, type_: str) -> bool:
    """Tell whether a facet wants events of this type; patterns are exact or end in ``.*``."""
    return any(
        type_ == each or (each.endswith(".*") and type_.startswith(each[:-1])) or each == "*" for each in facet.hears
    )


@lru_cache(maxsize=4096)
def _listeners(registered: tuple[tuple[str, Any], ...], type_: str) -> tuple[str, ...]:
    return tuple(name for name, facet in registered if hears(facet, type_))


_empties: dict[Any, bytes] = {}


def _empty(facet: Any) -> bytes:
    if facet not in _empties:
        _empties[facet] = facet().encode()
    return _empties[facet]


@lru_cache(maxsize=64)
def _sorted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names))


class Context:
    """Hold a customer's facets, decoded when read, re-encoded when changed. Treat it as frozen.

    ``context[Cart]`` gives the typed facet. *version* rises by one with every stored change; it guards
    attempts. *through* is the (time, id, source) of the last event folded. *spent* lists (time, channel, points) of the hand-overs that
    count against the contact budget; it comes from the attempts, not from the fold.
    """

    __slots__ = ("_bodies", "_facets", "_made", "customer", "spent", "through", "version")

    def __init__(
        self,
        customer: Customer,
        facets: Mapping[str, type[Any]],
        bodies: Mapping[str, bytes] | None = None,
        *,
        version: int = 0,
        through: tuple[datetime, str, str] | None = None,
        made: Mapping[str, Any] | None = None,
        spent: tuple[tuple[datetime, str, int], ...] = (),
    ) -> None:
        self.spent = spent
        self.customer, self.version, self.through = customer, version, through
        self._facets, self._bodies = facets, dict(bodies or {})
        self._made: dict[str, Any] = dict(made or {})

    def __repr__(self) -> str:
        """Name the customer and the version, nothing personal."""
        return f"Context({self.customer.id}, version={self.version})"

    def __getitem__(self, facet: type[F]) -> F:
        """Give the typed facet; an empty one when nothing has been folded into it yet."""
        made: F = self.named(facet.name)  # type: ignore[attr-defined]
        return made

    def named(self, name: str) -> Any:
        """Give a facet by its name.

        Raises:
            KeyError: no facet of that name is registered.
        """
        if name not in self._made:
            facet, body = self._facets[name], self._bodies.get(name)
            self._made[name] = facet() if body is None else facet.decode(body)
        return self._made[name]

    @property
    def names(self) -> tuple[str, ...]:
        """List the registered facets, sorted."""
        return _sorted(tuple(self._facets))

    def after(self, events: Iterable[Event]) -> Context:
        """Fold events, already in timeline order, into a new context; pure."""
        made, bodies, through, changed = dict(self._made), dict(self._bodies), self.through, False
        now = Context(self.customer, self._facets, bodies, version=self.version, made=made, spent=self.spent)
        registered = tuple(self._facets.items())
        for event in events:
            through, changed = event.order, True
            for name in _listeners(registered, event.type):
                before = now.named(name)
                after = before.after(event)
                if after is not before:
                    now._made[name] = after
                    now._bodies.pop(name, None)
        now.through, now.version = through, self.version + changed
        return now

    def bodies(self) -> dict[str, bytes]:
        """Encode every facet that holds something, by name in sorted order."""
        out: dict[str, bytes] = {}
        for name in self.names:
            body = self._bodies.get(name)
            if body is None and name in self._made:
                body = self._made[name].encode()
            if body is not None and body != _empty(self._facets[name]):
                out[name] = body
        return out

    def view(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """Give plain mappings of facets, for templates and JSON: of all, or of those among *names*."""
        return {name: self.named(name).view() for name in self.names if names is None or name in names}
