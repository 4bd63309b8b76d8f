"""A facet that could not be folded: what is known of it in its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

#: stands among a context's facets, sorts before them all, and no facet may be called so
FAULTS = "!"


@final
@dataclass(frozen=True, slots=True)
class FacetFault:
    """Say what a facet's code raised and over which event; nothing that the event holds.

    Args:
        error: name of the exception's class.
        event, source: of the first event that could not be folded; empty when the facet could not be read or written.
        cause: what was raised, where that was just now.
    """

    error: str
    event: str = ""
    source: str = ""
    cause: Exception | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, error: Exception, event: str = "", source: str = "") -> FacetFault:
        """Make it of what was raised."""
        return cls(type(error).__name__, event, source, error)


def write_faults(faults: Mapping[str, FacetFault]) -> bytes:
    """Write faults by facet; the same ones always give the same bytes."""
    told = {name: [each.error, each.event, each.source] for name, each in sorted(faults.items())}
    return json.dumps(told, separators=(",", ":")).encode()


def read_faults(body: bytes) -> dict[str, FacetFault]:
    """Read what ``write_faults`` wrote."""
    return {name: FacetFault(*told) for name, told in json.loads(body).items()}
