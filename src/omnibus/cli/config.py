"""`omnibus config`: is it right, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.failing import INPUT
from omnibus.cli.printing import clean, json_option, print_json, print_table
from omnibus.cli.setup import Setup
from omnibus.errors import InputError

if TYPE_CHECKING:
    from omnibus.settings import Settings


@click.group()
def config() -> None:
    """Check or show the configuration.

    Example: omnibus config check
    """


@config.command()
@json_option
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Read the configuration and all it points to, and say every mistake; nothing is opened or sent.

    Example: omnibus -c shop/omnibus.toml config check
    """
    setup: Setup = ctx.obj
    found = [line for each in mistakes(setup) for line in str(each).splitlines()]
    if as_json:
        print_json({"ok": not found, "mistakes": found})
    for each in found:
        click.echo(f"error: {clean(each)}", err=True)
    if not found and not as_json:
        click.echo("the configuration is right: settings, key, channels, brand, messages and journeys")
    ctx.exit(INPUT if found else 0)


def mistakes(setup: Setup) -> Iterator[InputError]:
    """Find what is wrong: the file as a whole, else each channel and each thing that it points to."""
    from omnibus.cli.lines import try_lines
    from omnibus.errors import ConfigError
    from omnibus.parts import load_plugins, system_now

    try:
        settings = setup.settings()
    except InputError as error:
        yield error
        return
    plugins = load_plugins(settings)
    for name, loaded in plugins.loaded.items():
        if loaded.error and name not in settings.channels:  # that of a channel is told with the channel
            yield ConfigError(f"the plugin {name} cannot be used: {loaded.error}")
    for each in try_lines(settings, plugins, system_now):
        if each.error:
            yield ConfigError(each.error)
    for key in ("messages", "journeys"):
        if f"omnibus.{key}" in settings.origins and not (folder := getattr(settings.omnibus, key)).is_dir():
            fix = "make it, or name the one that is meant"
            yield ConfigError(f"there is no folder {folder.name}", where=f"[omnibus] {key}", fix=fix)
    yield from content_mistakes(settings)


def content_mistakes(settings: Settings) -> Iterator[InputError]:
    """Find what is wrong with key, brand, messages and journeys: the first mistake there, as the bus would."""
    from omnibus.build import build

    try:
        build(settings, strict=False)
    except InputError as error:
        yield error


@config.command()
@json_option
@click.pass_obj
def show(setup: Setup, *, as_json: bool) -> None:
    """Show every value, secrets masked, and where it came from.

    Example: omnibus config show --json
    """
    settings = setup.settings()
    values, origins = _shown(settings), settings.origins
    if as_json:
        print_json({"path": settings.path, "values": values, "origins": origins, "unread": list(settings.unread)})
        return
    rows = [(key, value, _origin(key, origins)) for key, value in _leaves(values, "")]
    print_table(("key", "value", "from"), rows, empty="nothing is configured")


def _shown(settings: Settings) -> dict[str, Any]:
    """Give the values as they may be printed: what a plugin declares as secret is masked, whatever its name."""
    from omnibus.cli.lines import secrets
    from omnibus.parts import load_plugins

    declared = secrets(settings, load_plugins(settings))
    values = settings.shown()
    for name, table in values["channels"].items():
        hidden = {key: _masked(value) for key, value in table.items() if key in declared.get(name, ())}
        values["channels"][name] = {**table, **hidden}
    return values


def _masked(value: Any) -> Any:
    """Put dots for every text that is no reference."""
    from omnibus.settings import MASK

    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return value if not isinstance(value, str) or value.startswith(("env:", "file:")) else MASK


def _leaves(values: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        dotted = f"{before}{key}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{dotted}.")
        else:
            yield dotted, value


def _origin(key: str, origins: dict[str, str]) -> str:
    """Find where a key came from; one that was made of another's text has that one's origin."""
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return "default"
