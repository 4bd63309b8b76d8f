"""The shared object: what every channel knows of one customer now, a fold of their events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from omnibus.model.customer import Customer
from omnibus.model.event import Event


class FacetLike(Protocol):
    """Be what a context holds; the port ``omnibus.facet.Facet`` is the class to inherit."""

    name: Any
    version: Any
    hears: Any

    def after(self, event: Event) -> Any: ...  # noqa: D102
    def after_all(self, events: Sequence[Event]) -> Any: ...  # noqa: D102
    def encode(self) -> bytes: ...  # noqa: D102
    def view(self) -> dict[str, Any]: ...  # noqa: D102
    @classmethod
    def decode(cls, body: bytes) -> Any: ...  # noqa: D102
    @classmethod
    def after_encoded(cls, body: bytes, event: Event) -> bytes | None: ...  # noqa: D102


F = TypeVar("F")


def hears(facet: Any, type_: str) -> bool:
    """Tell whether a facet wants events of this type; patterns are exact or end in ``.*``."""
    return any(
        type_ == each or (each.endswith(".*") and type_.startswith(each[:-1])) or each == "*" for each in facet.hears
    )


class Facets(dict[str, type[Any]]):
    """Hold the registered facets by name, and remember what is asked of them for every event."""

    __slots__ = ("_blank", "_empty", "heard", "names")

    def __init__(self, told: Mapping[str, type[Any]]) -> None:
        super().__init__(told)
        self.names = tuple(sorted(self))
        self.heard: dict[str, tuple[str, ...]] = {}
        self._empty: dict[str, Any] = {}
        self._blank: dict[str, bytes] = {}

    def listeners(self, type_: str) -> tuple[str, ...]:
        """List the facets that want events of this type."""
        found = self.heard.get(type_)
        if found is None:
            found = self.heard[type_] = tuple(name for name, facet in self.items() if hears(facet, type_))
        return found

    def shared(self, events: Sequence[Event]) -> dict[str, Sequence[Event]]:
        """Share events out among the facets that want them; often they are all of one type, so it is asked for but once."""
        if len({each.type for each in events}) == 1:
            return dict.fromkeys(self.listeners(events[0].type), events)
        shares: dict[str, list[Event]] = {}
        known, listeners = self.heard, self.listeners
        for event in events:
            for name in known.get(event.type) or listeners(event.type):
                if name in shares:
                    shares[name].append(event)
                else:
                    shares[name] = [event]
        return shares  # type: ignore[return-value] # a list is a sequence

    def folded(self, events: Sequence[Event]) -> dict[str, bytes]:
        """Fold a whole timeline from nothing, straight to what is stored of it: ``Context.after(events).bodies()``, sooner."""
        out: dict[str, bytes] = {}
        for name, mine in sorted(self.shared(events).items()):
            body = self.written(name, self.empty(name).after_all(mine))
            if body is not None:
                out[name] = body
        return out

    def written(self, name: str, facet: Any) -> bytes | None:
        """Encode a facet; None when it holds nothing, for that is never stored."""
        if facet is self.empty(name):
            return None
        body: bytes = facet.encode()
        return None if body == self.blank(name) else body

    def empty(self, name: str) -> Any:
        """Give the facet that nothing was folded into; it is frozen, so one does for all."""
        found = self._empty.get(name)
        if found is None:
            found = self._empty[name] = self[name]()
        return found

    def blank(self, name: str) -> bytes:
        """Give the bytes of the empty facet, which are never stored."""
        found = self._blank.get(name)
        if found is None:
            found = self._blank[name] = self.empty(name).encode()
        return found


class Context:
    """Hold a customer's facets, decoded when read, re-encoded when changed. Treat it as frozen.

    ``context[Cart]`` gives the typed facet. *version* rises by one with every stored change; it guards
    attempts. *through* is the (time, id, source) of the last event folded. *spent* lists (time, channel, points) of the hand-overs that
    count against the contact budget; it comes from the attempts, not from the fold. *touched* names the facets that the last
    ``after`` changed.
    """

    __slots__ = ("_bodies", "_facets", "_made", "customer", "spent", "through", "touched", "version")

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
        self.spent, self.touched = spent, frozenset[str]()
        self.customer, self.version, self.through = customer, version, through
        self._facets = facets if type(facets) is Facets else Facets(facets)
        self._bodies = {} if bodies is None else bodies  # the loader's own: never written to
        self._made: dict[str, Any] = {} if made is None else dict(made)

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
        made = self._made.get(name)
        if made is None:
            body = self._bodies.get(name)
            made = self._made[name] = self._facets.empty(name) if body is None else self._facets[name].decode(body)
        return made

    @property
    def names(self) -> tuple[str, ...]:
        """List the registered facets, sorted."""
        return self._facets.names

    def after(self, events: Sequence[Event]) -> Context:
        """Fold events, already in timeline order, into a new context; pure."""
        now = Context(
            self.customer, self._facets, self._bodies, version=self.version, made=self._made, spent=self.spent
        )
        if not events:
            now.through = self.through
            return now
        if len(events) == 1:
            changed = [name for name in self._facets.listeners(events[0].type) if now._fold(name, events)]
        else:
            changed = [name for name, mine in self._facets.shared(events).items() if now._fold(name, mine)]
        now.touched, now.through, now.version = frozenset(changed), events[-1].order, now.version + 1
        return now

    def _fold(self, name: str, events: Sequence[Event]) -> bool:
        """Fold into one facet of a context in the making, unread where it can; tells whether that changed it."""
        body = self._bodies.get(name)
        if body is not None and len(events) == 1:
            told = self._facets[name].after_encoded(body, events[0])
            if told is not None:
                if told is not body:
                    self._bodies = {**self._bodies, name: told}
                    self._made.pop(name, None)
                return told is not body
        before = self.named(name)
        after = before.after(events[0]) if len(events) == 1 else before.after_all(events)
        if after is before:
            return False
        self._made[name] = after
        if body is not None:
            self._bodies = {each: kept for each, kept in self._bodies.items() if each != name}
        return True

    def bodies(self) -> dict[str, bytes]:
        """Encode every facet that holds something, by name in sorted order."""
        out: dict[str, bytes] = {}
        facets, told, made = self._facets, self._bodies, self._made
        for name in facets.names:
            body = told.get(name)
            if body is not None:
                out[name] = body  # as it was stored, so it holds something
                continue
            facet = made.get(name)
            body = None if facet is None else facets.written(name, facet)
            if body is not None:
                out[name] = body
        return out

    def view(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """Give plain mappings of facets, for templates and JSON: of all, or of those among *names*."""
        return {name: self.named(name).view() for name in self.names if names is None or name in names}
