"""`omnibus demo --serve`: the example shop, open by the wall clock; its outside world is played by the sandboxes."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import click

from omnibus.cli.demo.place import placed
from omnibus.cli.demo.stage import Stage, prepare, staged
from omnibus.cli.demo.story import Play, people

PACE = 0.5  # seconds of machine time between two looks at what the outside world has to say


async def play(folder: Path, *, resume: bool, own: bool, store: str = "") -> None:
    """Open everything, say where it is, and work until stopped."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with placed(store) as url:
        prepare(folder, resume=resume, own=own, store=url)
        await _work(folder, stop)
    click.echo("closed")


async def _work(folder: Path, stop: asyncio.Event) -> None:
    async with staged(folder, None) as stage:
        await people(Play(stage, click.echo))
        _say(stage)
        working = asyncio.create_task(stage.bus.work(stop))
        while not stop.is_set():
            await stage.world.pump()
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE):
                    await stop.wait()
        await working


def _say(stage: Stage) -> None:
    key = (stage.folder / "world" / "till-1.key").read_text("utf-8")
    click.echo(f"shop    {stage.world.sandbox('web').base_url}/   (log in as ada@example.com)")
    click.echo(f"till    {stage.url}/pos/   (key {key})")
    click.echo("people  ada@example.com +442079460000, ben@example.com, cleo@example.com")
    click.echo(f"what they get is written to {stage.folder / 'world'}; Ctrl-C closes")
