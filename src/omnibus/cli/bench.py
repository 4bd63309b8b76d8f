"""`omnibus bench`: this machine's figures, as ratios side by side in one run."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from omnibus.bench.program import SCENES, Wanted, compared, goals_of, run, written
from omnibus.bench.rounds import Told
from omnibus.bench.scenes import FULL, SMOKE, Size


@click.command()
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1, 20), help="Rounds that count, after a warm-up."
)
@click.option("--only", multiple=True, metavar="SCENARIO", help="Run these scenarios only.")
@click.option("--smoke", is_flag=True, help="A few hundred units, one round: shows that it runs, not how fast.")
@click.option(
    "--full", is_flag=True, help="A million recipients, rows and events where they are asked for: an hour or two."
)
@click.option("--slow", is_flag=True, help="Plant claims and commits of one: the ratios must fall.")
@click.option("--compare", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON of an earlier run.")
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON document to this file, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def bench(
    ctx: click.Context, rounds: int, only: tuple[str, ...], *, smoke: bool, full: bool, slow: bool, compare: Path | None,
    save: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure this machine, every scenario beside its yardsticks and peers in the same run.

    Quote the ratios, never the rates. A row of ours without a figure makes the exit code 1.
    Example: omnibus bench --only campaign-noop --rounds 5
    """
    unknown = [each for each in only if each not in SCENES]
    if unknown:
        raise click.BadParameter(f"unknown scenario {unknown[0]}; known: {', '.join(SCENES)}")
    size = SMOKE if smoke else FULL if full else Size()
    with _telling(len(only) or len(SCENES)) as told:
        document = asyncio.run(run(Wanted(1 if smoke else rounds, size, only, slow), told))
    if compare is not None:
        document["compared"] = compared(json.loads(compare.read_text("utf-8")), document)
    if save is not None:
        save.write_text(written(document) + "\n", "utf-8")
    if as_json:
        click.echo(written(document))
    else:
        _show(document)
    ctx.exit(1 if document["broken"] else 0)


@contextmanager
def _telling(scenarios: int) -> Iterator[Told]:
    """Tell how far it is: in place on a terminal, line by line elsewhere."""
    if not sys.stderr.isatty():
        yield lambda text: click.echo(text, err=True)
        return
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, begun = progress.add_task("starting", total=scenarios), set[str]()

        def told(text: str) -> None:
            begun.update({text.partition(",")[0]} & SCENES.keys())
            progress.update(task, description=text, completed=max(len(begun) - 1, 0))

        yield told


def _show(document: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(_rows(document))
    others = [each for each in document["measures"] if not each["number"] and each["value"] is not None]
    if others:
        table = Table("scenario", "compared", "value", "", box=None)
        for each in others:
            table.add_row(each["scenario"], each["what"], _value(each["value"], each["unit"]), _noise(each))
        console.print(table)
    console.print(_goals(document))
    for setup in dict.fromkeys(
        f"{each['row'].partition(',')[0]}: {each['setup']}" for each in document["results"] if each["peer"]
    ):
        console.print(setup, highlight=False)
    for each in document["absent"]:
        console.print(f"{each['scenario']}, {each['row']}: no figure ({each['reason']})", highlight=False)
    for each in document.get("compared", ()):
        was, now = _value(each["before"], each["unit"]), _value(each["now"], each["unit"])
        console.print(f"{each['measure']}: {was} before, {now} now, {each['times']:g} times", highlight=False)
    console.print(_foot(document), highlight=False)


def _rows(document: dict[str, Any]) -> Table:
    table = Table("scenario", "row", "rate /s", "min–max", "CPU µs", "p50 / p99 ms", "durability", "", box=None)
    for each in document["results"]:
        waits = f"{each['p50_ms']:.1f} / {each['p99_ms']:.1f} of {each['samples']}" if each["samples"] else ""
        marks = " ".join(word for word, said in (("noisy", each["noisy"]), ("sink-bound", each["sink_bound"])) if said)
        table.add_row(
            each["scenario"], each["row"], f"{each['rate']:,.0f}", f"{each['min']:,.0f}–{each['max']:,.0f}",
            "" if each["cpu_us"] is None else f"{each['cpu_us']:,.0f}", waits, each["durability"], marks,
        )  # fmt: skip
    return table


def _goals(document: dict[str, Any]) -> Table:
    table = Table("#", "measure", "value", "must", "aim", "", box=None)
    for each in goals_of(document):
        if not each["scenario"] and len(document["settings"]["scenarios"]) < len(SCENES):
            continue
        unit = each["unit"]
        mark = "–" if each["met"] is None else "met" if each["met"] else "MISSED"
        mark += ", aim met" if each["aimed"] else ""
        table.add_row(
            each["number"], each["what"], each["reason"] if each["value"] is None else _value(each["value"], unit),
            _value(each["must"], unit), _value(each["aim"], unit), f"{mark}{_noise(each)}",
        )  # fmt: skip
    return table


def _value(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g}{'' if unit == '×' else ' '}{unit}"


def _noise(each: dict[str, Any]) -> str:
    return " noisy" if each["noisy"] else ""


def _foot(document: dict[str, Any]) -> str:
    machine, settings, versions = document["machine"], document["settings"], document["versions"]
    pinned = "one core pinned" if machine["pinned"] else "not pinned"
    return (
        f"{settings['rounds']} rounds in {document['seconds']} s, Python {machine['python']}, SQLite {versions['sqlite']},"
        f" {machine['cores']} cores, {pinned}, {machine['fdatasync_per_s']:,} fdatasync/s,"
        f" load {machine['load_at_start']} at the start{', slowness planted' if settings['slow'] else ''}"
    )
