"""The shared object: what every channel knows of one customer now, a fold of their events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol, TypeVar

from omnibus.errors import FacetError
from omnibus.model.customer import Customer
from omnibus.model.event import Event
from omnibus.model.fault import FAULTS, FacetFault, read_faults, write_faults


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
        faults: dict[str, FacetFault] = {}
        for name, mine in sorted(self.shared(events).items()):
            body = self.written(name, self.after(self.empty(name), mine))
            if type(body) is FacetFault:
                faults[name] = body
            elif body is not None:
                out[name] = body
        if faults:
            out[FAULTS] = write_faults(faults)
        return out

    def after(self, facet: Any, events: Sequence[Event]) -> Any:
        """Fold events into a facet; a ``FacetFault`` when its code raises: whatever has happened, the other facets go on."""
        try:
            return facet.after(events[0]) if len(events) == 1 else facet.after_all(events)
        except Exception:  # noqa: BLE001 - a facet may be anybody's; which event it was is found out below
            return _after_each(facet, events)

    def written(self, name: str, facet: Any) -> bytes | FacetFault | None:
        """Encode a facet; None when it holds nothing, for that is never stored."""
        if facet is self.empty(name):
            return None
        if type(facet) is FacetFault:
            return facet
        try:
            body: bytes = facet.encode()
        except Exception as error:  # noqa: BLE001 - as above
            return FacetFault.of(error)
        return None if body == self.blank(name) else body

    def read(self, name: str, body: bytes | None) -> Any:
        """Decode a facet; a ``FacetFault`` when it cannot be read, for its fields changed and its version did not."""
        if body is None:
            return self.empty(name)
        try:
            return self[name].decode(body)
        except Exception as error:  # noqa: BLE001 - as above
            return FacetFault.of(error)

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


def _after_each(facet: Any, events: Sequence[Event]) -> Any:
    for event in events:
        try:
            facet = facet.after(event)
        except Exception as error:  # noqa: BLE001 - as above
            return FacetFault.of(error, event.id, event.source)
    return facet


class Context:
    """Hold a customer's facets, decoded when read, re-encoded when changed. Treat it as frozen.

    ``context[Cart]`` gives the typed facet. *version* rises by one with every stored change; it guards
    attempts. *through* is the (time, id, source) of the last event folded. *spent* lists (time, channel, points) of the hand-overs that
    count against the contact budget; it comes from the attempts, not from the fold. *touched* names the facets that the last
    ``after`` changed. *faults* tells why a facet could not be folded: it is unknown, until the whole timeline is folded anew.
    """

    __slots__ = ("_bodies", "_facets", "_made", "customer", "faults", "spent", "through", "touched", "version")

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
        self.faults: Mapping[str, FacetFault] = read_faults(self._bodies[FAULTS]) if FAULTS in self._bodies else {}

    def __repr__(self) -> str:
        """Name the customer and the version, nothing personal."""
        return f"Context({self.customer.id}, version={self.version})"

    def __getitem__(self, facet: type[F]) -> F:
        """Give the typed facet; an empty one when nothing has been folded into it yet.

        Raises:
            FacetError: it could not be folded, so what it would say is not known.
        """
        made: F = self.named(facet.name)  # type: ignore[attr-defined]
        return made

    def named(self, name: str) -> Any:
        """Give a facet by its name.

        Raises:
            KeyError: no facet of that name is registered.
            FacetError: as above.
        """
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self.faults.get(name) or self._facets.read(name, self._bodies.get(name))
        if type(made) is FacetFault:
            raise FacetError(name, self.customer.id, made.error, made.event, made.source)
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
        if name in self.faults:
            return False  # what follows on what is not known is not known either
        body = self._bodies.get(name)
        if body is not None and len(events) == 1:
            told = self._unread(name, body, events[0])
            if told is not None:
                if told is not body:
                    self._bodies = {**self._bodies, name: told}
                    self._made.pop(name, None)
                return told is not body
        before = self._made.get(name)
        if before is None:
            before = self._facets.read(name, body)
        after = before if type(before) is FacetFault else self._facets.after(before, events)
        if type(after) is FacetFault:
            self.faults = {**self.faults, name: after}
        elif after is before:
            return False
        self._made[name] = after
        if body is not None:
            self._bodies = {each: kept for each, kept in self._bodies.items() if each != name}
        return True

    def _unread(self, name: str, body: bytes, event: Event) -> bytes | None:
        try:
            told: bytes | None = self._facets[name].after_encoded(body, event)
        except Exception:  # noqa: BLE001 - a short cut that fails is none
            return None
        return told

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
            written = None if facet is None else facets.written(name, facet)
            if type(written) is FacetFault:
                self.faults = {**self.faults, name: written}
                made[name] = written
            elif written is not None:
                out[name] = written
        if self.faults:
            out[FAULTS] = write_faults(self.faults)
        return out

    def view(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """Give plain mappings of facets, for templates and JSON: of those among *names*, or of all that are known.

        Raises:
            FacetError: one of those asked for by name could not be folded.
        """
        wanted = [each for each in self.names if each in names] if names is not None else self._known()
        return {name: self._shown(name) for name in wanted}

    def _shown(self, name: str) -> Any:
        facet = self.named(name)
        try:
            return facet.view()
        except Exception as error:
            raise FacetError(name, self.customer.id, type(error).__name__) from error

    def _known(self) -> list[str]:
        found = []
        for name in self.names:
            with suppress(FacetError):
                self.named(name)
                found.append(name)
        return found
