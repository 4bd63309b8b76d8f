"""`omnibus`: finds a command by its name, imports it then, and says errors in one line."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from omnibus.cli.failing import told
from omnibus.cli.setup import Setup

#: command → where it is defined, imported only when it is asked for; and its sentence, so that --help imports nothing
COMMANDS = {
    "init": ("omnibus.cli.init:init", "Write the example shop into a folder, with a master key."),
    "demo": ("omnibus.cli.demo:demo", "Tell the story of one customer in six channels, on a virtual clock."),
    "doctor": ("omnibus.cli.doctor:doctor", "Examine this machine, the configuration, the store and every channel."),
    "channels": ("omnibus.cli.channels:channels", "List the channels: enabled ones, and how to enable the others."),
    "plugins": ("omnibus.cli.plugins:plugins", "List the installed plugins, what each brings, and which are broken."),
    "config": ("omnibus.cli.config:config", "Check or show the configuration."),
    "import": ("omnibus.cli.importing:import_", "Import a CSV or NDJSON file of events; repeating it has no effect."),
    "customers": ("omnibus.cli.customers:customers", "List, show and add customers."),
    "merge": ("omnibus.cli.merging:merge", "Let two customers be one person."),
    "unmerge": ("omnibus.cli.merging:unmerge", "Take a merge back."),
    "track": ("omnibus.cli.tracking:track", "Put a fact on a customer's timeline."),
    "send": ("omnibus.cli.sending:send", "Accept a message to a customer."),
    "publish": ("omnibus.cli.sending:publish", "Accept a message to the public of some channels."),
    "campaign": ("omnibus.cli.campaigns:campaign", "Send one message to many: start, watch, pause, resume, stop."),
    "preview": ("omnibus.cli.previewing:preview", "Show what each channel would say to a customer now."),
    "work": ("omnibus.cli.working:work", "Work on what is due until stopped."),
    "serve": ("omnibus.cli.working:serve", "Serve webhooks, the web stream and the till API until stopped."),
    "timeline": ("omnibus.cli.looking:timeline", "List what happened to a customer, oldest first."),
    "deliveries": ("omnibus.cli.looking:deliveries", "List deliveries, newest first, each with its state and reason."),
    "why": ("omnibus.cli.why:why", "Tell the whole decision behind a delivery."),
    "dead": ("omnibus.cli.looking:dead", "List what a fault stopped: parked deliveries, and facets."),
    "audit": ("omnibus.cli.books:audit", "Balance the books: accepted = final + waiting, and nothing amiss."),
    "prune": ("omnibus.cli.pruning:prune", "Remove what is finished and older than [keep] says."),
    "rebuild": ("omnibus.cli.books:rebuild", "Fold contexts anew from their events, and compare byte by byte."),
    "redeem": ("omnibus.cli.offers:redeem", "Redeem a code for a basket."),
    "handover": ("omnibus.cli.offers:handover", "Make a code that carries cart and offer to the till, or read one."),
    "bench": ("omnibus.cli.bench:bench", "Measure this machine: ratios side by side in one run."),
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
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        own = [(name, sentence) for name, (_, sentence) in COMMANDS.items()]
        others = _setup(ctx).commands()
        brought = [(name, others[name].get_short_help_str()) for name in sorted(others) if name not in COMMANDS]
        for title, rows in (("Commands", own), ("Commands of plugins", brought)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what went wrong is said in one line, with its exit code."""
        with told(ctx):
            return super().invoke(ctx)


def _setup(ctx: click.Context) -> Setup:
    if isinstance(ctx.obj, Setup):
        return ctx.obj
    return Setup(Path(ctx.params.get("config") or "omnibus.toml"))  # --help stands before the callback


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), default=Path("omnibus.toml"), show_default=True, is_eager=True,
    envvar="OMNIBUS_CONFIG", help="The configuration file, or the folder it lies in.",
)  # fmt: skip
@click.version_option(package_name="omnibus-bus", message="omnibus %(version)s")
@click.pass_context
def main(ctx: click.Context, config: Path) -> None:
    """Accompany one customer through all channels.

    Begin with `omnibus demo`, then `omnibus init`. Exit codes: 0 done, 1 a check failed, 2 wrong input, 3 trouble
    of the store or a provider. Example: omnibus -c shop/omnibus.toml doctor
    """
    ctx.obj = Setup(config)
