"""`omnibus demo`: one customer accompanied from the web shop to the till, on this machine, without any account."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding

from omnibus.cli.demo.checks import checked
from omnibus.cli.demo.place import placed
from omnibus.cli.demo.report import gather, show
from omnibus.cli.demo.stage import prepare, staged
from omnibus.cli.demo.story import START, Play, play_all
from omnibus.errors import InputError

DEFAULT = Path("omnibus-demo")


@click.command()
@click.option(
    "--state", type=click.Path(path_type=Path), help="Keep everything in DIR (default: ./omnibus-demo, made anew)."
)
@click.option("--resume", is_flag=True, help="Go on with the run in the state folder, e.g. after a crash.")
@click.option(
    "--events",
    type=click.Path(path_type=Path, exists=True),
    help="Replay a CSV or NDJSON of events instead of the story.",
)
@click.option(
    "--map", "mapping", type=click.Path(path_type=Path, exists=True), help="How its columns become events and people."
)
@click.option(
    "--store",
    default="",
    metavar="URL",
    help="Keep its data in an empty PostgreSQL database; `postgresql` alone starts one for this run.",
)
@click.option("--off", multiple=True, metavar="POLICY", help="Switch a policy off (with --events), to compare.")
@click.option(
    "--serve",
    "playing",
    is_flag=True,
    help="Open the shop, the till and the outside world by the wall clock, to play with.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def demo(
    state: Path | None,
    *,
    resume: bool,
    events: Path | None,
    mapping: Path | None,
    store: str,
    off: tuple[str, ...],
    as_json: bool,
    playing: bool,
) -> None:
    """Tell the story of one customer in six channels, on a virtual clock, in under a minute.

    Exits with 1 when any of it did not happen. Example: omnibus demo --state /tmp/story
    """
    folder = (state or DEFAULT).absolute()
    if store and resume:
        raise InputError("a run goes on where its data is", where="--store", fix="leave --store out")
    if playing:
        from omnibus.cli.demo.play import play

        asyncio.run(play(folder, resume=resume, own=state is None, store=store))
        return
    if events is not None:
        from omnibus.cli.demo.replay import replay

        told = asyncio.run(
            replay(folder, events, mapping, resume=resume, own=state is None, off=off, quiet=as_json, store=store)
        )
    else:
        told = asyncio.run(run(folder, resume=resume, own=state is None, quiet=as_json, store=store))
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False, default=str))
    raise SystemExit(0 if told["ok"] else 1)


async def run(folder: Path, *, resume: bool, own: bool, quiet: bool = False, store: str = "") -> dict[str, Any]:
    """Play the story in a state folder; returns the report as JSON values."""
    console = Console(quiet=quiet, width=None if sys.stdout.isatty() else 140)
    async with placed(store) as url:
        prepare(folder, resume=resume, own=own, store=url)
        async with staged(folder, START) as stage:
            play = Play(stage, lambda text: console.print(Padding(text, (0, 0, 0, 2)), highlight=False))
            await play_all(play)
            told = await gather(play, await checked(play))
    console.print()
    show(console, told)
    return told
