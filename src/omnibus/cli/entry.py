"""`omnibus`: finds a command by its name, imports it then, and says errors in one line."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from omnibus.cli.failing import told
from omnibus.cli.setup import Setup

#: command → where it is defined; imported only when it is asked for
COMMANDS = {
    "demo": "omnibus.cli.demo:demo",
    "import": "omnibus.cli.importing:import_",
}


class Lazy(click.Group):
    """Import a command when it is asked for; the plugins' own commands come after ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List ours, then the plugins'."""
        return [*COMMANDS, *sorted(each for each in _setup(ctx).commands() if each not in COMMANDS)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one."""
        if name not in COMMANDS:
            return _setup(ctx).commands().get(name)
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what went wrong is said in one line, with its exit code."""
        with told(ctx):
            return super().invoke(ctx)


def _setup(ctx: click.Context) -> Setup:
    return ctx.ensure_object(Setup)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), default=Path("omnibus.toml"), show_default=True,
    envvar="OMNIBUS_CONFIG", help="The configuration file, or the folder it lies in.",
)  # fmt: skip
@click.version_option(package_name="omnibus-bus", message="omnibus %(version)s")
@click.pass_context
def main(ctx: click.Context, config: Path) -> None:
    """Accompany one customer through all channels.

    Begin with: omnibus demo, then omnibus init. Exit codes: 0 done, 1 a check failed, 2 wrong input, 3 trouble outside.
    """
    ctx.obj = Setup(config)
