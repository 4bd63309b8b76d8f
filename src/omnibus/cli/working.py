"""`omnibus work` and `serve`: processes that run until they are told to stop, and then end cleanly."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.logs import configure
from omnibus.cli.setup import Setup
from omnibus.cli.spreading import refuse_on_sqlite, spread
from omnibus.errors import InputError

if TYPE_CHECKING:
    from omnibus.bus import Bus


@click.command()
@click.option("--drain", is_flag=True, help="End when nothing is due now.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Workers, each its own process."
)
@click.pass_obj
def work(setup: Setup, *, drain: bool, processes: int) -> None:
    """Work on what is due until stopped: hand over, move journeys, rescue what a dead worker held.

    Ctrl-C ends it when what is in flight is finished. Several processes need PostgreSQL; when one dies all end, and
    the exit code is 3. Example: omnibus work --processes 4
    """
    if processes > 1:
        refuse_on_sqlite(setup.settings().omnibus.store)
        asyncio.run(spread(setup.config, processes, *(["--drain"] if drain else [])))
        return
    configure()

    async def draining(bus: Bus) -> None:
        settle_in()
        await bus.parts.store.take_work()
        await bus.parts.store.rescue(bus.now(), everything=True)
        await bus.drain()
        await _say("drained", bus)

    async def working(bus: Bus) -> None:
        settle_in()
        await until_stopped(bus, bus.work)

    setup.run(draining if drain else working, strict=True)


@click.command()
@click.option("--host", help="Where to listen; [server] host if not given.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port; [server] port if not given, 0 for a free one.")
@click.option("--work", "working", is_flag=True, help="Work on what is due in this process, too.")
@click.pass_obj
def serve(setup: Setup, host: str | None, port: int | None, *, working: bool) -> None:
    """Serve webhooks, the web stream and the till API until stopped; Ctrl-C ends it cleanly.

    Example: omnibus serve --port 8000 --work
    """
    try:
        from omnibus.server.serving import serving
    except ModuleNotFoundError as error:
        what = f"the server needs {error.name}"
        raise InputError(what, where="serve", fix="`pip install 'omnibus-bus[server]'`") from None

    server = setup.settings().server
    listener = listen(server.host if host is None else host, server.port if port is None else port)
    configure()

    async def running(bus: Bus) -> None:
        settle_in()

        async def whole(stop: asyncio.Event) -> None:
            async with serving(bus, listener) as url:
                _log().info("serving", url=url)
                await (bus.work(stop) if working else stop.wait())

        await until_stopped(bus, whole)

    with listener:
        setup.run(running, strict=True)


def settle_in() -> None:
    """Let the collector of cycles leave alone what stays for good (modules, templates, schemas), and look less often.

    A message makes hundreds of values and no cycles; looking through all that was imported cost it 5 to 8 % of its CPU.
    Only our own processes do this: in an app the collector is the app's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def listen(host: str, port: int) -> socket.socket:
    """Listen before anything else is opened.

    Raises:
        InputError: the address is taken or is none of this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(
            f"cannot listen: {reason}", where=f"{host}:{port}", fix="give another --host or --port"
        ) from None


async def until_stopped(bus: Bus, act: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run *act* until SIGINT or SIGTERM; a second one ends at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stopping() -> None:
        stop.set()
        bus.parts.bell.ring()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, stopping)
    _log().info("started", pid=os.getpid())
    try:
        await act(stop)
    finally:
        for each in signals:
            loop.remove_signal_handler(each)
    await _say("stopped", bus)


async def _say(what: str, bus: Bus) -> None:
    counts = await bus.audit()
    _log().info(what, accepted=counts["accepted"], final=counts["final"], waiting=counts["waiting"])


def _log() -> Any:
    import structlog

    return structlog.get_logger()
