"""One worker of ``spreading.py``: ``python -m omnibus.bench.worker FOLDER SLOTS``; it begins when its input says so."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from omnibus.bench.campaign_http import Sinks
from omnibus.bench.rounds import rest
from omnibus.bench.scenes import NOW
from omnibus.build import build
from omnibus.settings import load


async def work(folder: Path, slots: int) -> None:
    """Open the bus, say so, wait for the word, drain, and tell what was done."""
    bus = build(load(folder, environ={}), now=lambda: NOW, plugins=[Sinks()], slots=slots)
    async with bus:
        await bus.parts.store.take_work()
        await bus.next_due()  # its connections are open
        rest()
        _say("ready")
        if not await asyncio.to_thread(sys.stdin.readline):
            return
        begun, cpu = time.monotonic(), time.process_time()
        count = await bus.parts.dispatcher.drain()
        told = {"count": count, "begun": begun, "ended": time.monotonic(), "cpu": time.process_time() - cpu}
        _say(json.dumps(told))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
