"""A channel's table, as it is written in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: keys of it that no plugin reads
OWN = ("provider", "rate")


def providers_of(table: Mapping[str, Any]) -> list[str]:
    """List who carries it, as written: one text or several."""
    told = table.get("provider", ())
    return list(told) if isinstance(told, list | tuple) else [told]


def scheme_of(dsn: str) -> str:
    """Read the scheme of a provider's address."""
    return str(dsn).partition("://")[0]  # what is no text is refused when its channel is made
