"""`omnibus import`: what happened elsewhere, from CSV or NDJSON."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from omnibus.build import open_bus
from omnibus.intake import Imported, load_file, read_mapping


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--map", "mapping", required=True, type=click.Path(path_type=Path, exists=True), help="The mapping file (TOML)."
)
@click.option(
    "--rejects", type=click.Path(path_type=Path), help="Write lines that were refused here (default: FILE.rejects.csv)."
)
@click.option("--live", is_flag=True, help="Let journeys hear the events, as if they happened now.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON document.")
@click.pass_context
def import_(ctx: click.Context, file: Path, mapping: Path, rejects: Path | None, *, live: bool, as_json: bool) -> None:
    """Import a CSV or NDJSON file of events; repeating it has no effect, a cut-short run goes on where it was.

    It starts no journeys and sends nothing unless --live. Example: omnibus import orders.csv --map orders.toml
    """
    config = (ctx.find_root().params.get("config") or "omnibus.toml") if ctx.find_root().params else "omnibus.toml"
    aside = rejects or file.with_name(f"{file.name}.rejects.csv")
    done = asyncio.run(_run(Path(config), file, mapping, aside, live=live, quiet=as_json))
    shown = {**done.shown(), "rejects": str(aside) if done.rejected else None}
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    click.echo(
        f"{shown['lines']} lines: {shown['facts']} facts ({shown['new']} new), {shown['skipped']} skipped,"
        f" {shown['rejected']} rejected" + (f", see {aside}" if done.rejected else "")
    )
    for reason, count in list(shown["reasons"].items())[:8]:
        click.echo(f"  {count:>7} {reason}")


async def _run(config: Path, file: Path, mapping: Path, rejects: Path, *, live: bool, quiet: bool) -> Imported:
    plan = read_mapping(mapping)
    console = Console(stderr=True, quiet=quiet)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    async with open_bus(config) as bus:
        if not sys.stderr.isatty():
            return await load_file(bus, file, plan, rejects=rejects, live=live, told=_plain(console))
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(file.name)

            def told(so_far: Imported) -> None:
                progress.update(
                    task, description=f"{file.name}: {so_far.lines} lines, {so_far.new} new, {so_far.rejected} rejected"
                )

            return await load_file(bus, file, plan, rejects=rejects, live=live, told=told)


def _plain(console: Console) -> Any:
    def told(so_far: Imported) -> None:
        if so_far.facts % 5000 < 500:
            console.print(f"{so_far.lines} lines, {so_far.new} new, {so_far.rejected} rejected", highlight=False)

    return told
