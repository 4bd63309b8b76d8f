"""Rates: how much each provider allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omnibus.errors import ConfigError
from omnibus.model.rate import Rate, read_rate
from omnibus.parts.tables import providers_of, scheme_of
from omnibus.settings import Settings, suggest


def make_rates(settings: Settings, *, strict: bool = True) -> dict[str, Rate]:
    """Read what each provider allows, named as its pauses are: ``rate`` of a channel's table, a text or one by scheme.

    Raises:
        ConfigError: it is no rate, or names a provider that the channel does not use; not when *strict* is off.
    """
    rates: dict[str, Rate] = {}
    for name, raw in settings.channels.items():
        if "rate" in raw:
            try:
                rates.update(_rates(name, settings))
            except ConfigError:
                if strict:
                    raise
    return rates


def _rates(name: str, settings: Settings) -> dict[str, Rate]:
    table, where = settings.channel(name), f"{settings.path.name} [channels.{name}] rate"
    told, schemes = table["rate"], [scheme_of(each) for each in providers_of(table)]
    for scheme in told if isinstance(told, Mapping) else ():
        if scheme not in schemes:
            fix = suggest(scheme, schemes)
            raise ConfigError(f"`{scheme}` is no provider of this channel", where=where, fix=fix)
    by_scheme = told if isinstance(told, Mapping) else dict.fromkeys(schemes, told)
    return {f"{name}/{scheme}": _rate(text, where) for scheme, text in by_scheme.items()}


def _rate(told: Any, where: str) -> Rate:
    try:
        return read_rate(told)
    except ValueError as error:
        raise ConfigError(f"it {error}", where=where) from None
