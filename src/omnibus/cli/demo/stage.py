"""The stage: a state folder, the sandboxes, the bus with virtual time, and its server, all on this machine."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from omnibus.build import build
from omnibus.bus import Bus
from omnibus.cli.starter import write_starter
from omnibus.errors import InputError
from omnibus.plugins import Plugins, installed
from omnibus.server.serving import serving
from omnibus.settings import load
from omnibus.simulate import Drive, VirtualClock, WallClock
from omnibus.testing import World

LOOK = 0.5  # seconds of machine time between two looks at leases
MARK = "omnibus-demo.json"  # shows that a folder is ours to go on with, or to replace

#: one provider a channel plays in the demo; others stay at home
CAST = {
    ("email", "smtp"), ("sms", "twilio"), ("twitter", "x"), ("instagram", "graph"), ("web", "site"), ("pos", "till"),
    ("receipt", "escpos"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold what the story plays on."""

    folder: Path
    bus: Bus
    world: World
    drive: Drive
    url: str

    @property
    def clock(self) -> VirtualClock | WallClock:
        """Give the clock."""
        return self.drive.clock


def prepare(folder: Path, *, resume: bool, own: bool, store: str = "") -> None:
    """Make the state folder ready: a new one, or the one to go on with.

    Args:
        own: the folder is the default one, which a new run replaces.
        store: where its data is kept, instead of a file in the folder.

    Raises:
        InputError: there is nothing to resume, or something else lies there.
    """
    mark = folder / MARK
    if resume:
        if not mark.exists():
            raise InputError("there is no run to resume", where=str(folder), fix="start one without --resume")
        return
    if mark.exists() and own:
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        fix = "--resume goes on with it, or name an empty folder" if mark.exists() else "name an empty folder"
        raise InputError("the folder is not empty", where=str(folder), fix=fix)
    folder.mkdir(parents=True, exist_ok=True)
    write_starter(folder / "shop")
    mark.touch(mode=0o600)  # the store's URL may hold a password
    mark.write_text(json.dumps({"port": _free_port(), "store": store}))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _rescued(bus: Bus) -> None:
    """Free what a killed run held: at once in a file of our own, when its lease runs out in a database of many."""
    store = bus.parts.store
    await store.rescue(bus.now(), everything=True)
    while any(each.lease for each in await store.deliveries()):
        await asyncio.sleep(LOOK)
        await store.rescue(bus.now(), everything=True)


@asynccontextmanager
async def staged(
    folder: Path, start: datetime | None, *, ticked: Callable[[datetime], None] = lambda now: None, slots: int = 8,
    without: Collection[str] = (), **overrides: Any,
) -> AsyncIterator[Stage]:  # fmt: skip
    """Set the stage in a prepared folder and strike it afterwards.

    Args:
        start: where virtual time begins; None for the time of this machine.
        without: channels whose plugin is left out.
        overrides: settings, as ``omnibus.settings.load`` takes them.
    """
    begun = json.loads((folder / MARK).read_text())
    port = int(begun["port"])
    listener = socket.create_server(("127.0.0.1", port))  # the same on resume: promised webhooks name it
    url = f"http://127.0.0.1:{port}"
    clock = WallClock() if start is None else VirtualClock(start, folder / "clock")
    world = World(folder / "world", clock.now, url)
    plugins = Plugins()
    plugins.load({each.name for each in installed()} - set(without))
    cast = [each for each in plugins.sandboxes() if (each.channel, each.name) in CAST]
    try:
        tables = await world.start(*cast)
        told = {"public_url": url, "store": begun.get("store") or f"sqlite:{folder / 'omnibus.db'}", **overrides}
        settings = load(folder / "shop", environ={}, **told)
        # the sandboxes' tables replace those of the example: its providers are elsewhere
        settings = settings.model_copy(update={"channels": {name: dict(table) for name, table in tables.items()}})
        bus = build(settings, now=clock.now, slots=slots)
        async with bus, serving(bus, listener):
            await bus.parts.store.take_work()
            await _rescued(bus)
            yield Stage(folder, bus, world, Drive(bus, world, clock, ticked), url)
    finally:
        await world.stop()
        listener.close()
