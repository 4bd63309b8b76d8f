"""`omnibus plugins`: what is installed, what of it is loaded, and what is broken."""

from __future__ import annotations

from typing import Any

import click

from omnibus.cli.printing import clean, json_option, print_json, print_table
from omnibus.cli.setup import Setup


@click.command()
@json_option
@click.pass_obj
def plugins(setup: Setup, *, as_json: bool) -> None:
    """List the installed plugins, what each brings, and which are broken.

    Only what the configuration enables is loaded. Example: omnibus plugins
    """
    from omnibus.parts import load_plugins
    from omnibus.plugins import installed

    loaded = load_plugins(setup.settings()).loaded
    rows: list[dict[str, Any]] = [
        {"plugin": x.name, "distribution": x.distribution, "version": x.version, "loaded": not x.error,
         "brings": list(x.brought), "error": x.error}
        for x in loaded.values()
    ]  # fmt: skip
    for entry in sorted(installed(), key=lambda each: each.name):
        if entry.name not in loaded:
            dist = entry.dist
            rows.append(
                {"plugin": entry.name, "distribution": dist.name if dist else "", "version": dist.version if dist else "",
                 "loaded": False, "brings": [], "error": ""}
            )  # fmt: skip
    if as_json:
        print_json(rows)
        return
    cells = [(x["plugin"], x["distribution"], x["version"], _state(x), "\n".join(_brief(x["brings"]))) for x in rows]
    print_table(("plugin", "distribution", "version", "state", "brings"), cells, empty="no plugin is installed")
    for each in rows:
        if each["error"]:
            click.echo(f"broken: {each['plugin']}: {clean(each['error'])}")


def _brief(brings: list[str]) -> list[str]:
    """Count the routes instead of listing them."""
    told = [each for each in brings if not each.startswith("endpoint ")]
    routes = len(brings) - len(told)
    return [*told, f"{routes} routes of the server"] if routes else told


def _state(row: dict[str, Any]) -> str:
    return "broken" if row["error"] else "loaded" if row["loaded"] else "not enabled"
