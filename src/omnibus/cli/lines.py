"""The channels of a configuration, each tried on its own; and the lines of TOML that enable another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

from pydantic import SecretStr

from omnibus.errors import ConfigError
from omnibus.plugins import Plugins, Registry, installed, served
from omnibus.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnibus.channel import Channel
    from omnibus.outbound.resolve import ChannelLine
    from omnibus.settings import Settings


@dataclass(frozen=True, slots=True)
class Tried:
    """Hold one channel of the configuration: its lines by audience, or why it cannot be used."""

    name: str
    lines: dict[tuple[str, str], ChannelLine]
    error: str = ""


def try_lines(settings: Settings, plugins: Plugins, now: Callable[[], datetime]) -> Iterator[Tried]:
    """Make each configured channel on its own; one that is wrong stops no other."""
    from omnibus.parts import make_lines

    for name in settings.channels:
        alone = settings.model_copy(update={"channels": {name: settings.channels[name]}})
        try:
            yield Tried(name, make_lines(alone, plugins, now))
        except ConfigError as error:
            yield Tried(name, {}, str(error))


@dataclass(frozen=True, slots=True)
class Idle:
    """Hold an installed channel that is not enabled, and the TOML that enables it."""

    name: str
    kinds: tuple[type[Channel], ...]
    toml: str


def idle(settings: Settings | None) -> Iterator[Idle]:
    """List the installed channels that no table enables; a plugin that cannot be loaded is left to `omnibus plugins`."""
    enabled = settings.channels if settings else {}
    plugins = Plugins()
    plugins.load({each.name for each in installed()})
    registry, shown = plugins.registry, example_tables()
    for name in sorted({channel for channel, _ in registry.channels} - set(enabled)):
        kinds = tuple(kind for (channel, _), kind in registry.channels.items() if channel == name)
        yield Idle(name, kinds, shown.get(name) or toml(name, kinds, registry))


def example_tables() -> dict[str, str]:
    """Read the tables of the example shop: what a person would write for these channels."""
    from omnibus.cli.starter import starter_folder

    text = (starter_folder() / "omnibus.toml").read_text("utf-8")
    tables = re.finditer(r"^(\[channels\.(\w+)\])[^\n]*\n((?:[^\n#\[][^\n]*\n)+)", text, re.MULTILINE)
    return {each[2]: f"{each[1]}\n{each[3]}".rstrip() for each in tables}


def toml(name: str, kinds: tuple[type[Channel], ...], registry: Registry) -> str:
    """Write the table that enables a channel with its first provider: what must be told, secrets as ``env:``."""
    provider = next((each for each in registry.providers.values() if name in served(each)), None)
    lines = [f"[channels.{name}]"]
    if provider is not None:
        lines.append(f'provider = "{provider.scheme}"')
    for shape in ([provider] if provider else []) + list(kinds):
        for key, field in shape.Settings.model_fields.items():
            told = f"{field.alias or key} = {_value(name, key, field.annotation)}"
            if field.is_required() and told not in lines:
                lines.append(told)
    return "\n".join(lines)


def secrets(settings: Settings, plugins: Plugins) -> dict[str, set[str]]:
    """Name the keys of each channel that hold secrets, as its classes declare them."""
    registry = plugins.registry
    found: dict[str, set[str]] = {}
    for name in settings.channels:
        shapes: list[Any] = [kind for (channel, _), kind in registry.channels.items() if channel == name]
        shapes += [kind for (channel, _), kind in registry.providers.items() if channel == name]
        fields = [(key, field) for shape in shapes for key, field in shape.Settings.model_fields.items()]
        found[name] = {field.alias or key for key, field in fields if _secret(field.annotation)}
    return found


def _secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_secret(each) for each in get_args(annotation))


def _value(channel: str, key: str, annotation: Any) -> str:
    if _secret(annotation):
        return f'"env:{channel}_{key}"'.upper().replace('"ENV:', '"env:')
    if annotation is int or annotation is float:
        return "0"
    return '"…"'


def takes_webhooks(provider: Provider) -> bool:
    """Tell whether a provider reports by webhooks."""
    return type(provider).verify is not Provider.verify
