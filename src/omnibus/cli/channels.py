"""`omnibus channels`: what is enabled, and how to enable the rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.printing import clean, json_option, print_json, print_table
from omnibus.cli.setup import Setup

if TYPE_CHECKING:
    from omnibus.cli.lines import Tried


@click.command()
@json_option
@click.pass_obj
def channels(setup: Setup, *, as_json: bool) -> None:
    """List the channels: enabled ones with who carries them, others with the lines that enable them.

    Example: omnibus channels --json
    """
    from omnibus.cli.lines import idle, try_lines
    from omnibus.parts import load_plugins, system_now

    settings = setup.settings()
    tried = try_lines(settings, load_plugins(settings), system_now)
    enabled = [row for each in tried for row in _rows(each)]
    others = [
        {"channel": each.name, "audiences": [kind.audience for kind in each.kinds], "toml": each.toml}
        for each in idle(settings)
    ]
    if as_json:
        print_json({"enabled": enabled, "installed": others})
        return
    columns = ("channel", "audience", "carried by", "carries", "reports", "ambient", "points")
    print_table(columns, [_cells(each) for each in enabled if not each["error"]], empty="no channel is enabled")
    for each in enabled:
        if each["error"]:
            click.echo(f"not usable: {each['channel']}: {clean(each['error'])}")
    for other in others:
        click.echo(f"\nInstalled, not enabled: {other['channel']}. These lines enable it:\n{other['toml']}")


def _rows(tried: Tried) -> list[dict[str, Any]]:
    if tried.error:
        return [{"channel": tried.name, "error": tried.error}]
    return [
        {"channel": name, "audience": audience, "providers": [str(each) for each in line.providers],
         "identity": line.channel.identity, "capabilities": asdict(line.channel.capabilities), "points": line.points,
         "error": ""}
        for (name, audience), line in tried.lines.items()
    ]  # fmt: skip


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    can = row["capabilities"]
    most = f"{can['max_length']} {can['unit']}" if can["max_length"] else ""
    carries = ", ".join(
        [each for each in (most, *(name for name in ("html", "media", "replies") if can[name])) if each]
    )
    ambient = "yes" if can["ambient"] else ""
    points = 0 if can["ambient"] else row["points"]
    return (
        row["channel"],
        row["audience"],
        " ".join(row["providers"]),
        carries,
        " ".join(can["reports"]),
        ambient,
        points,
    )
