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

from omnibus.bench.roads import Roads
from omnibus.bench.rounds import Result, measure
from omnibus.bench.scenes import SCENES, Bench, Size
from omnibus.bench.wire import SinkProcess, Wire

SMOKE = Size(people=100, rows=1000, events=500)
#: what is asked for and not measured here, with the reason
ABSENT = (
    ("campaign-http", "Celery + Redis", "no runner for this peer yet"),
    ("campaign-http", "taskiq + NATS JetStream", "no runner for this peer yet"),
    ("campaign-email", "email.message + aiosmtplib", "no scene yet"),
    ("scale-postgres", "itself with 1, 2 and 4 workers", "no scene yet"),
)


@click.command()
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(1, 20), help="Rounds that count, after a warm-up."
)
@click.option("--only", multiple=True, metavar="SCENARIO", help="Run these scenarios only.")
@click.option("--smoke", is_flag=True, help="A few hundred units, one round: shows that it runs, not how fast.")
@click.option("--full", is_flag=True, help="Memory with 100,000 and 1,000,000 recipients, 100,000 rows of the past.")
@click.option("--slow", is_flag=True, help="Plant claims and commits of one: the ratios must fall.")
@click.option("--compare", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON of an earlier run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def bench(
    rounds: int, only: tuple[str, ...], *, smoke: bool, full: bool, slow: bool, compare: Path | None, as_json: bool
) -> None:
    """Measure this machine, every scenario beside its yardstick in the same run.

    Quote the ratios, never the rates. Example: omnibus bench --only campaign-noop --rounds 5
    """
    told = asyncio.run(_run(1 if smoke else rounds, only, SMOKE if smoke else Size(), full=full, slow=slow))
    if compare is not None:
        told["compared"] = compared(json.loads(compare.read_text("utf-8")), told)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        _show(told)


async def _run(rounds: int, only: tuple[str, ...], size: Size, *, full: bool, slow: bool) -> dict[str, Any]:
    workshop, sink, small = Bench(size, slow=slow), SinkProcess(), size == SMOKE
    await sink.start()
    try:
        roads = Roads(
            workshop, past=500 if small else 100_000 if full else 20_000, few=100_000 if full else 2_000,
            many=1_000_000 if full else 20_000,
        )  # fmt: skip
        scenes = [*SCENES(workshop), *Wire(workshop, sink, 200 if small else 800).scenes(), *roads.scenes()]
        known = [*(scene.name for scene in scenes), "memory"]
        unknown = set(only) - set(known)
        if unknown:
            raise click.BadParameter(f"unknown scenario {unknown.pop()}; known: {', '.join(known)}")
        chosen = [scene for scene in scenes if not only or scene.name in only]
        pinned = _pin()
        results = await measure(chosen, rounds, lambda text: click.echo(text, err=True))
        memory = "memory" in only or (not only and not small)
        return {
            "schema": 2,
            "machine": _machine(pinned=pinned),
            "rounds": rounds,
            "slow": slow,
            "results": [_plain(x) for x in results],
            "memory": roads.memory() if memory else None,
            "absent": [dict(zip(("scenario", "against", "reason"), each, strict=True)) for each in ABSENT],
        }
    finally:
        await workshop.aclose()
        await sink.stop()


def compared(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Set the ratios of two runs side by side; rates of two machines say nothing."""
    before = {each["scenario"]: each["ratio"] for each in old["results"]}
    return [
        {"scenario": each["scenario"], "before": before[each["scenario"]], "now": each["ratio"],
         "times": round(each["ratio"] / before[each["scenario"]], 3) if before[each["scenario"]] else None}
        for each in new["results"] if each["scenario"] in before
    ]  # fmt: skip


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
    for each in told["results"]:
        if each["told"]:
            console.print(f"{each['scenario']}: {each['told']}")
    if told["memory"]:
        console.print(f"memory: {told['memory']}")
    for each in told["absent"]:
        console.print(f"{each['scenario']} against {each['against']}: not measured ({each['reason']})")
    for each in told.get("compared", ()):
        console.print(f"{each['scenario']}: ratio {each['before']} before, {each['now']} now, {each['times']} times")
    machine = told["machine"]
    console.print(
        f"Python {machine['python']}, SQLite {machine['sqlite']}, {machine['cores']} cores,"
        f" {'one core pinned' if machine['pinned'] else 'not pinned'}, load {machine['load_at_start']} at the start"
    )
