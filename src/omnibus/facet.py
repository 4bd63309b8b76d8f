"""PORT: one typed part of the context, with a pure ``after(event)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import TypeAdapter

from omnibus.model.event import Event


class _Forms(NamedTuple):
    """Hold a facet's ways into and out of JSON, made once."""

    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]
    show: Callable[..., Any]


_known: dict[Any, _Forms] = {}


def _forms(facet: Any) -> _Forms:
    found = _known.get(facet)
    if found is None:
        adapter: TypeAdapter[Any] = TypeAdapter(facet)
        reads, writes = adapter.validator, adapter.serializer
        found = _known[facet] = _Forms(reads.validate_json, writes.to_json, writes.to_python)
    return found


def writer(kind: type[Any]) -> Callable[[Any], bytes]:
    """Give the way to write a part of a facet as ``encode`` writes it within the whole."""
    return _forms(kind).write


class Facet:
    """Fold the events of one customer into one typed, frozen part of the context.

    Subclass as ``@dataclass(frozen=True, slots=True)`` with a default for every field, so that ``Loyalty()``
    is the empty facet. A new *version* makes the bus fold all events anew.

    Args:
        name: how messages and premises call it (``cart`` in ``cart.open``).
        hears: event types, exact or ``order.*``.
        private: fields that hold a person's words or addresses: never in segments. (Not encrypted at rest yet.)
    """

    __slots__ = ()
    name: ClassVar[str]
    version: ClassVar[int] = 1
    hears: ClassVar[tuple[str, ...]] = ()
    private: ClassVar[tuple[str, ...]] = ()

    def after(self, event: Event) -> Self:
        """Return the facet after *event*; pure; return ``self`` itself when nothing changed.

        Raises:
            InputError: its data cannot be read: refused where it is told. Whatever else is raised makes the facet unknown.
        """
        raise NotImplementedError(type(self).__name__)

    def after_all(self, events: Sequence[Event]) -> Self:
        """Return the facet after several events, exactly as ``after`` one by one would; override where that is dear."""
        now = self
        for event in events:
            now = now.after(event)
        return now

    @classmethod
    def after_encoded(cls, body: bytes, event: Event) -> bytes | None:
        """Return what ``decode(body).after(event).encode()`` would, byte by byte, where that can be told without reading it all.

        None where it cannot, which is never wrong; *body* itself when nothing changed. Override where a facet grows long.
        """
        return None

    def holds(self, premise: str, values: dict[str, Any], now: datetime) -> bool:
        """Tell whether ``<name>.<premise>`` is true now; *values* holds the delivery's ``offer`` and the sender's values.

        Raises:
            KeyError: this facet knows no such premise (found when the message file is checked).
        """
        raise KeyError(premise)

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        """List the premises this facet can judge, without its own name."""
        return ()

    def view(self) -> dict[str, Any]:
        """Give plain JSON values for templates: no objects, no calls."""
        plain: dict[str, Any] = _forms(type(self)).show(self, mode="json")
        return plain

    def encode(self) -> bytes:
        """Write it as JSON; the same facet always gives the same bytes."""
        return _forms(type(self)).write(self)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read what ``encode`` wrote."""
        made: Self = _forms(cls).read(body)
        return made
