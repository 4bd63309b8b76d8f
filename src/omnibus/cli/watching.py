"""A campaign as it goes: a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from omnibus.cli.printing import clean, console
from omnibus.model.campaign import Standing
from omnibus.work import SEEN

if TYPE_CHECKING:
    from omnibus.bus import Bus
    from omnibus.model.campaign import Progress as Sums

PAUSE = 1.0  # seconds between two looks; ten times what a look costs, if that is more
LINES = 5.0  # seconds between two plain lines
NOBODY = "nobody works on this store now: `omnibus work` does"
MEMORY = 60.0  # seconds that the pace is measured over


async def working(bus: Bus) -> bool:
    """Tell whether somebody worked on the store within the last lease; a worker notes it three times in that time."""
    seen = await bus.parts.store.note(*SEEN)
    lease = timedelta(seconds=bus.parts.road.lease_term)
    return seen is not None and bus.now() - datetime.fromisoformat(seen) < lease


async def needs_work(bus: Bus, found: Sums) -> bool:
    """Tell whether a campaign waits for somebody to work, and nobody does."""
    rests = found.campaign.standing in {Standing.PAUSED, Standing.LOADING}
    return not (rests or found.finished or await working(bus))


async def follow(bus: Bus, name: str) -> Sums:
    """Show how far a campaign is until it is finished; gives its sums then."""
    seen: list[tuple[float, int]] = []
    if await needs_work(bus, await bus.campaigns.status(name)):
        click.echo(NOBODY, err=True)
    with _shown(name) as show:
        while True:
            begun = time.monotonic()
            found = await bus.campaigns.status(name)
            seen = [each for each in seen if each[0] > begun - MEMORY] + [(begun, found.final)]
            (first, then), (last, now) = seen[0], seen[-1]
            pace = (now - then) / (last - first) if now > then else 0.0
            show(found, remaining(found) / pace if pace else None)
            if found.finished:
                return found
            await asyncio.sleep(max(PAUSE, 10 * (time.monotonic() - begun)))


def remaining(found: Sums) -> float:
    """Count the deliveries still to be made or handed over; those held for later are nobody's work now, unless to be dropped."""
    campaign = found.campaign
    if campaign.standing is Standing.STOPPED:
        return found.waiting
    each = campaign.accepted / campaign.expanded if campaign.expanded else 1.0
    return campaign.left * each + found.waiting - found.states.get("held", 0)


def seconds_left(found: Sums, now: datetime) -> float | None:
    """Tell how long it takes at the pace since the launch; None when it does not go."""
    taken = (now - found.campaign.launched).total_seconds()
    if found.campaign.standing is not Standing.RUNNING or found.finished or not found.final or taken <= 0:
        return None
    return remaining(found) * taken / found.final


def summary(found: Sums) -> str:
    """Say in one line how a campaign adds up."""
    campaign, states = found.campaign, found.states
    told = [f"{campaign.expanded} of {campaign.recipients} recipients; deliveries: sent {found.handed_over}"]
    waits = found.waiting - states.get("held", 0)
    told += [f"waiting {waits}"] if waits else []
    for state in ("held", "dropped", "failed", "expired"):
        reasons = list(found.reasons.get(state, {}).items())
        why = ", ".join(f"{clean(reason)}: {count}" for reason, count in reasons[:3])
        more = f", {len(reasons) - 3} more reasons" if len(reasons) > 3 else ""
        told += [f"{state} {states[state]} ({why}{more})"] if states.get(state) else []
    return ", ".join(told)


def _time(left: float | None) -> str:
    return f"{timedelta(seconds=round(left))} left" if left is not None else ""


@contextmanager
def _shown(name: str) -> Iterator[Callable[[Sums, float | None], None]]:
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.fields[name]}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[told]}"),
            TextColumn("{task.fields[left]}"),
        )  # fmt: skip
        with Progress(*columns, console=console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None, name=name, told="", left="")

            def draw(found: Sums, left: float | None) -> None:
                states = found.states
                told = f"sent {found.handed_over}  held {states.get('held', 0)}  dropped {states.get('dropped', 0)}"
                total = found.final + remaining(found)
                total += 0 if found.campaign.standing is Standing.STOPPED else states.get("held", 0)
                said = "paused" if found.campaign.standing is Standing.PAUSED else _time(left)
                bar.update(task, total=total or 1, completed=found.final, told=told, left=said)

            yield draw
        return
    last, said = -LINES, ""

    def write(found: Sums, left: float | None) -> None:
        nonlocal last, said
        line = f"{name}: {found.standing}; {summary(found)}"
        if line != said and (found.finished or time.monotonic() - last >= LINES):
            last, said = time.monotonic(), line
            click.echo(", ".join(each for each in (line, _time(left)) if each), err=True)

    yield write
