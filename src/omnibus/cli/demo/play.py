"""`omnibus demo --serve`: the example shop, open by the wall clock; its outside world is played by the sandboxes."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from omnibus.cli.demo.place import placed
from omnibus.cli.demo.report import cut
from omnibus.cli.demo.stage import Stage, prepare, staged
from omnibus.cli.demo.story import Play, people
from omnibus.cli.printing import clean
from omnibus.model.delivery import Delivery

PACE = 0.5  # seconds of machine time between two looks at what the outside world has to say
SOON = {"10m": "5s", "1h": "20s", "20h": "3m", "2d": "1m"}  # what a journey waits for → so long while somebody looks on

#: what to do first, and what comes of it
GUIDE = """
shop    {shop}/
        put something into the cart, log in as Ada; her reminder comes after 20 seconds, as a banner there and by SMS
        (between 21:00 and 8:00 in London the SMS waits for her morning)
till    {till}/pos/
        terminal key {key}
        find the phone {phone}, confirm her name, sell the cart: the banner goes, a receipt prints
world   {world}
        what people got: open the mails, the SMS, the receipt; Ctrl-C closes

people  ada@example.com {phone}, ben@example.com, cleo@example.com
"""
PHONE = "+442079460000"


async def play(folder: Path, *, resume: bool, own: bool, store: str = "") -> None:
    """Open everything, say where it is, and work until stopped."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with placed(store) as url:
        prepare(folder, resume=resume, own=own, store=url)
        for journey in (folder / "shop" / "journeys").glob("*.yaml"):
            journey.write_text(hurried(journey.read_text("utf-8")), "utf-8")
        await _work(folder, stop)
    click.echo("closed")


def hurried(journey: str) -> str:
    """Let a journey wait for seconds where it waits for hours: nobody plays for a day."""
    return re.sub(r"(wait|in): (\w+)", lambda told: f"{told[1]}: {SOON.get(told[2], told[2])}", journey)


async def _work(folder: Path, stop: asyncio.Event) -> None:
    async with staged(folder, None) as stage:
        await people(Play(stage, click.echo))
        _say(stage)
        working = asyncio.create_task(stage.bus.work(stop))
        seen: dict[str, str] = {}
        while not stop.is_set():
            await stage.world.pump()
            for line in news(seen, reversed(await stage.bus.parts.store.deliveries(last=100))):
                click.echo(f"{stage.clock.now().astimezone():%H:%M:%S}  {line}")
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE):
                    await stop.wait()
        await working


def news(seen: dict[str, str], deliveries: Iterable[Delivery]) -> list[str]:
    """Tell which deliveries came to another state since they were *seen*, one line each, and note it there."""
    told = []
    for each in deliveries:
        if seen.get(each.id) != each.state and each.state not in ("queued", "sending"):
            seen[each.id] = each.state
            way = each.channel or " ".join(each.via)
            told.append(f"{each.message:<16} {way:<20} {each.state:<10} {clean(cut(each.reason))}".rstrip())
    return told


def _say(stage: Stage) -> None:
    key = (stage.folder / "world" / "till-1.key").read_text("utf-8")
    shop, world = stage.world.sandbox("web").base_url, stage.folder / "world"
    click.echo(GUIDE.format(shop=shop, till=stage.url, key=key, phone=PHONE, world=world))
