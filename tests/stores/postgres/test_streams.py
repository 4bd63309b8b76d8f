"""Several web processes on one store, really: `omnibus serve` twice, a customer's stream on either, and one that dies."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from pathlib import Path

import pytest

from omnibus.build import open_bus
from omnibus.settings import make_key
from omnibus_web.visitor import Visitor

ENDS = 180.0  # seconds after which a page that is told nothing gives up
TOML = '[omnibus]\nstore = "{}"\n[policy]\nquiet_hours = false\n[channels.web]\nprovider = "site"\n'
CARD = "---\nvia: [web]\npurpose: service\ntopic: news\ndata: {card: banner}\n---\n# The mug is back\n"


def command(folder: Path, *told: str) -> list[str]:
    return [sys.executable, "-m", "omnibus", "-c", str(folder / "omnibus.toml"), *told]


@contextmanager
def running(folder: Path, *told: str) -> Iterator[subprocess.Popen[str]]:
    """Run one of a shop's processes until the test is over."""
    with subprocess.Popen(command(folder, *told), stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str], event: str) -> dict[str, str]:
    """Read what a process says until it says this."""
    for line in process.stderr:  # type: ignore[union-attr]
        if (said := json.loads(line))["event"] == event:
            return said
    raise AssertionError(f"it ended with {process.wait()} before it said {event!r}")


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Path:
    for name in ("messages", "journeys"):
        (tmp_path / name).mkdir()
    (tmp_path / "messages" / "back.md").write_text(CARD)
    (tmp_path / "brand.toml").write_text('name = "Acme"\nurl = "https://acme.example"\n')
    (tmp_path / "omnibus.toml").write_text(TOML.format(url))
    make_key(tmp_path / "omnibus.key")
    return tmp_path


async def seen(page: Visitor, sku: str) -> list[str]:
    """Wait until a page shows a product that was looked at; gives all that it shows."""
    await page.until(lambda _: sku in [each["sku"] for each in page.views])
    return [each["sku"] for each in page.views]


async def test_a_stream_hangs_on_any_process_and_outlives_it(folder: Path) -> None:
    """An event through one shows on the other, both ways; a worker's card on both; a dead one's page goes to the other."""
    async with asyncio.timeout(ENDS), AsyncExitStack() as pages:
        stack = pages.enter_context(ExitStack())
        first, second = (stack.enter_context(running(folder, "serve", "--port", "0")) for _ in range(2))
        worker = stack.enter_context(running(folder, "work"))
        urls = [told(each, "serving")["url"] for each in (first, second)]
        here, there = [await pages.enter_async_context(aclosing(Visitor(each))) for each in urls]
        await here.arrive()
        there.secret = here.secret  # another tab of the same browser
        await there.arrive()
        await here.watch()
        await there.watch()

        await here.view("mug", "Harbour mug", url="https://acme.example/mug")
        assert await seen(there, "mug") == ["mug"]
        await there.view("hat", "Harbour hat", url="https://acme.example/hat")
        assert await seen(here, "hat") == ["hat", "mug"]

        told(worker, "started")
        async with open_bus(folder / "omnibus.toml", environ={}) as bus:
            ((customer,),) = [page async for page in bus.customers.all()]
            await bus.send("back", customer)
        for each in (here, there):
            (card,) = await each.until(bool)
            assert card["headline"] == "The mug is back"

        first.send_signal(signal.SIGKILL)
        first.wait()
        await here.aclose()  # as a page's stream ends when its process dies
        again = await pages.enter_async_context(aclosing(Visitor(urls[1])))
        again.secret, again.last = here.secret, here.last
        await again.track("visit.started")
        await again.watch()
        await there.view("cap", "Harbour cap", url="https://acme.example/cap")
        assert await seen(again, "cap") == ["cap", "hat", "mug"]
