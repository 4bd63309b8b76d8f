"""Plugins: found by entry point, loaded only when the configuration enables them, each on its own.

A broken plugin is kept with its reason for `omnibus plugins` and `omnibus doctor`, and stops nobody else.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pluggy

from omnibus import hookspecs
from omnibus.channel import Channel
from omnibus.endpoint import Endpoint
from omnibus.errors import PluginError
from omnibus.facet import Facet
from omnibus.policy import Policy
from omnibus.provider import Provider

GROUP = "omnibus"


@dataclass(frozen=True, slots=True)
class Installed:
    """Describe one plugin: where it is from and what it brought, or why it could not."""

    name: str
    distribution: str = ""
    version: str = ""
    brought: tuple[str, ...] = ()
    error: str = ""


@dataclass(slots=True)
class Registry:
    """Hold what plugins brought, by name; a second thing of a name is an error that names both."""

    channels: dict[tuple[str, str], type[Channel]] = field(default_factory=dict)
    providers: dict[tuple[str, str], type[Provider]] = field(default_factory=dict)
    facets: dict[str, type[Facet]] = field(default_factory=dict)
    policies: dict[str, type[Policy]] = field(default_factory=dict)
    endpoints: list[Endpoint] = field(default_factory=list)
    commands: list[click.Command] = field(default_factory=list)
    sandboxes: list[type[Any]] = field(default_factory=list)

    def add(self, *things: Any) -> None:
        """Take things in, each to its shelf.

        Raises:
            PluginError: it is none of ours, or its name is taken.
        """
        for thing in things:
            self._add(thing)

    def _add(self, thing: Any) -> None:
        if isinstance(thing, Endpoint):
            self.endpoints.append(thing)
        elif isinstance(thing, click.Command):
            self.commands.append(thing)
        elif not isinstance(thing, type):
            raise PluginError(
                f"register() got {type(thing).__name__}; it takes classes, Endpoint values and click commands"
            )
        elif issubclass(thing, Channel):
            _once(self.channels, (thing.name, thing.audience), thing)
        elif issubclass(thing, Provider):
            for channel in served(thing):
                if self.providers.get((channel, thing.scheme)) is not thing:
                    _once(self.providers, (channel, thing.scheme), thing)
        elif issubclass(thing, Facet):
            _once(self.facets, thing.name, thing)
        elif issubclass(thing, Policy):
            _once(self.policies, thing.name, thing)
        else:
            raise PluginError(f"{thing.__name__} is no Channel, Provider, Facet or Policy")

    def take(self, other: Registry) -> None:
        """Take over what one plugin brought, all or nothing."""
        trial = Registry(dict(self.channels), dict(self.providers), dict(self.facets), dict(self.policies))
        for thing in other.things():
            trial._add(thing)
        self.add(*other.things(), *other.endpoints, *other.commands)

    def things(self) -> list[type[Any]]:
        """List the classes."""
        providers = list(dict.fromkeys(self.providers.values()))
        return [*self.channels.values(), *providers, *self.facets.values(), *self.policies.values()]


def served(provider: type[Provider]) -> tuple[str, ...]:
    """List the names of the channels that a provider carries."""
    channels = provider.channel if isinstance(provider.channel, tuple) else (provider.channel,)
    return tuple(dict.fromkeys(each.name for each in channels))


def _once(shelf: dict[Any, Any], key: Any, thing: type[Any]) -> None:
    if key in shelf:
        first = shelf[key]
        raise PluginError(
            f"{thing.__module__}.{thing.__name__} and {first.__module__}.{first.__name__} have one name: {key}"
        )
    shelf[key] = thing


class Plugins:
    """Load plugins and keep what they brought.

    Args:
        built_in: facets and policies of the core, which come first and by the same way.
    """

    def __init__(self, built_in: Iterable[Any] = ()) -> None:
        self.registry = Registry()
        self.registry.add(*built_in)
        self.loaded: dict[str, Installed] = {}
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)

    def load(self, names: Collection[str], files: Iterable[Path] = (), objects: Iterable[Any] = ()) -> None:
        """Load the entry points of these names, then local files, then objects handed in.

        A broken entry point or file is kept with its reason; a broken object is raised as PluginError.
        """
        seen: set[str] = set()
        for entry in sorted(installed(), key=lambda each: each.name):
            if entry.name in names and entry.value not in seen:
                seen.add(entry.value)
                dist = entry.dist
                self._try(entry.name, entry.load, dist.name if dist else "", dist.version if dist else "")
            elif entry.name in names:
                first = next(
                    each
                    for each in self.loaded.values()
                    if each.name in {e.name for e in installed() if e.value == entry.value}
                )
                self.loaded[entry.name] = Installed(
                    entry.name, first.distribution, first.version, first.brought, first.error
                )
        for path in files:
            self._try(path.stem, lambda path=path: _from_file(path), str(path.name), "")
        for thing in objects:
            name = getattr(thing, "__name__", type(thing).__name__)
            self._try(name, lambda thing=thing: thing, "handed in", "")
            if self.loaded[name].error:  # whoever hands it in is there to be told
                raise PluginError(f"the plugin {name} cannot be used: {self.loaded[name].error}")

    def _try(self, name: str, load: Any, distribution: str, version: str) -> None:
        own = Registry()
        try:
            plugin = load()
            _agree(plugin)
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
            if not self._manager.get_hookcallers(plugin):
                raise PluginError("it has no @hookimpl of ours")
            others = [each for each in self._manager.get_plugins() if each is not plugin]
            self._manager.subset_hook_caller("omnibus_register", others)(register=own.add)
            self.registry.take(own)
        except Exception as error:  # noqa: BLE001 - kept and shown; the others go on
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            self.loaded[name] = Installed(name, distribution, version, error=f"{type(error).__name__}: {error}")
            return
        self.loaded[name] = Installed(name, distribution, version, tuple(sorted(_describe(own))))

    def sandboxes(self) -> list[type[Any]]:
        """List the sandboxes of the loaded plugins; imported only now."""
        shelf: list[type[Any]] = []
        self._manager.hook.omnibus_sandbox(register=lambda *things: shelf.extend(things))
        return sorted(shelf, key=lambda each: (each.channel, each.name))


def installed() -> list[EntryPoint]:
    """List the entry points that are installed, without importing them."""
    return list(entry_points(group=GROUP))


def _agree(plugin: Any) -> None:
    wanted = getattr(plugin, "requires_hookspec", hookspecs.HOOKSPEC_VERSION)
    if wanted != hookspecs.HOOKSPEC_VERSION:
        raise PluginError(f"it wants hook specification {wanted}, this is {hookspecs.HOOKSPEC_VERSION}")


def _from_file(path: Path) -> ModuleType:
    name = f"omnibus_local_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise PluginError(f"the file {path.name} is not there")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _describe(own: Registry) -> Iterable[str]:
    yield from (f"channel {name} ({audience})" for name, audience in own.channels)
    yield from (f"provider {scheme} of {channel}" for channel, scheme in own.providers)
    yield from (f"facet {name}" for name in own.facets)
    yield from (f"policy {name}" for name in own.policies)
    yield from (f"endpoint {each.method} /{each.channel}{each.path}" for each in own.endpoints)
    yield from (f"command {each.name}" for each in own.commands)
