"""`omnibus bench`: this machine's figures, as ratios side by side in one run."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import apsw
import click
from rich.console import Console
from rich.table import Table

from omnibus.bench.rounds import Result, measure
from omnibus.bench.scenes import SCENES, Bench, Size

SMOKE = Size(people=100, rows=1000, events=500)


@click.command()
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(1, 20), help="Rounds that count, after a warm-up."
)
@click.option("--only", multiple=True, metavar="SCENARIO", help="Run these scenarios only.")
@click.option("--smoke", is_flag=True, help="A few hundred units, one round: shows that it runs, not how fast.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def bench(rounds: int, only: tuple[str, ...], *, smoke: bool, as_json: bool) -> None:
    """Measure this machine, every scenario beside its yardstick in the same run.

    Quote the ratios, never the rates. Example: omnibus bench --only campaign-noop --rounds 5
    """
    told = asyncio.run(_run(1 if smoke else rounds, only, SMOKE if smoke else Size()))
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        _show(told)


async def _run(rounds: int, only: tuple[str, ...], size: Size) -> dict[str, Any]:
    workshop = Bench(size)
    try:
        scenes = SCENES(workshop)
        unknown = set(only) - {scene.name for scene in scenes}
        if unknown:
            known = ", ".join(scene.name for scene in scenes)
            raise click.BadParameter(f"unknown scenario {unknown.pop()}; known: {known}")
        chosen = [scene for scene in scenes if not only or scene.name in only]
        pinned = _pin()
        results = await measure(chosen, rounds, lambda text: click.echo(text, err=True))
        return {
            "schema": 1,
            "machine": _machine(pinned=pinned),
            "rounds": rounds,
            "results": [_plain(x) for x in results],
        }
    finally:
        await workshop.aclose()


def _plain(result: Result) -> dict[str, Any]:
    return result.shown()


def _pin() -> bool:
    """Keep to one core, writer thread included, where the system lets us."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return True


def _machine(*, pinned: bool) -> dict[str, Any]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {
        "python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count(), "pinned": pinned,
        "sqlite": apsw.sqlite_lib_version(), "load_at_start": round(load, 2), "folder": str(Path.cwd().name),
    }  # fmt: skip


def _show(told: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table("scenario", "rate /s", "CPU µs", "beside it", "rate /s", "ratio", "must", "", box=None)
    for each in told["results"]:
        must = "" if each["must"] is None else f"{each['must']:g}"
        mark = "" if each["met"] is None else "met" if each["met"] else "MISSED"
        table.add_row(
            each["scenario"], f"{each['rate']:,.0f}", f"{each['cpu_us']:.0f}", each["against"],
            f"{each['against_rate']:,.0f}", f"{each['ratio']:.3f}", must, f"{mark}{' noisy' if each['noisy'] else ''}",
        )  # fmt: skip
    console.print(table)
    machine = told["machine"]
    console.print(
        f"Python {machine['python']}, SQLite {machine['sqlite']}, {machine['cores']} cores,"
        f" {'one core pinned' if machine['pinned'] else 'not pinned'}, load {machine['load_at_start']} at the start"
    )
