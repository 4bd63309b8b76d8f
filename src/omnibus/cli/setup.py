"""What every command gets as ``ctx.obj``: the configuration it was told, read and opened only when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from omnibus.bus import Bus
    from omnibus.settings import Settings

T = TypeVar("T")


@dataclass(slots=True)
class Setup:
    """Hold where the configuration is.

    Args:
        config: the file, or its folder.
    """

    config: Path = Path("omnibus.toml")

    def settings(self) -> Settings:
        """Read the configuration.

        Raises:
            ConfigError: it is missing or wrong.
        """
        from omnibus.settings import load

        return load(self.config)

    def run(self, act: Callable[[Bus], Awaitable[T]], *, strict: bool = False) -> T:
        """Open the bus, do one thing with it, close it.

        Args:
            strict: a wrong table stops it; a channel whose plugin is missing or broken is left out with a warning.
                Looking at what is stored needs no channel at all.
        """
        from omnibus.build import build

        settings = self.settings()
        bus = build(_without_plugins(settings) if strict else settings, strict=strict)

        async def whole() -> T:
            async with opened(bus):
                return await act(bus)

        return asyncio.run(whole())

    def commands(self) -> dict[str, click.Command]:
        """Give the commands that the enabled plugins bring; none without a readable configuration."""
        file = self.config / "omnibus.toml" if self.config.is_dir() else self.config
        if not file.exists():
            return {}
        from omnibus.errors import InputError
        from omnibus.parts import load_plugins

        try:
            registry = load_plugins(self.settings()).registry
        except InputError:
            return {}  # `omnibus config check` says what is wrong with it
        return {each.name: each for each in registry.commands if each.name}


def _without_plugins(settings: Settings) -> Settings:
    """Leave out, with a warning, the channels whose plugin is missing or broken: it stops nobody else."""
    from omnibus.cli.lines import try_lines
    from omnibus.parts import load_plugins, system_now

    plugins = load_plugins(settings)
    brought = {channel for channel, _ in plugins.registry.channels}
    lost = {name: table for name, table in settings.channels.items() if name not in brought}
    for each in try_lines(settings.model_copy(update={"channels": lost}), plugins, system_now):
        click.echo(f"warning: {each.error}; the others go on", err=True)
    left = {name: table for name, table in settings.channels.items() if name in brought}
    return settings.model_copy(update={"channels": left})


@asynccontextmanager
async def opened(bus: Bus) -> AsyncIterator[Bus]:
    """Open a bus and close it.

    Raises:
        StoreFull: its store cannot be opened.
    """
    import apsw
    from sqlalchemy.exc import SQLAlchemyError

    from omnibus.errors import StoreFull

    try:
        await bus.open()
    except (SQLAlchemyError, apsw.Error, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise StoreFull(f"the store cannot be opened: {cause}") from None
    try:
        yield bus
    finally:
        await bus.aclose()
