"""taskiq's worker and its enqueueing: ``taskiq worker taskiq_job:broker``, or run as a script with count and pace."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from importlib import import_module
from typing import Any

bench: Any = import_module("meter")  # beside this file: found over PYTHONPATH
_run = os.environ["BENCH_RUN"]
broker: Any = import_module("taskiq_nats").PullBasedJetStreamBroker(
    [os.environ["BENCH_BROKER"]], subject=f"jobs.{_run}", stream_name=f"stream-{_run}", durable=f"worker-{_run}",
    pull_consume_batch=int(os.environ["BENCH_BATCH"]), pull_consume_timeout=None,
)  # fmt: skip
# no time-out: with one, nats-py 2.16 raises what taskiq-nats 0.7 does not expect, and the idle worker ends
_session: Any = None


async def job(id_: str, customer: str, text: str, submitted: float) -> None:
    """Post one message on a kept connection."""
    global _session  # noqa: PLW0603 - one session a process
    bench.meter.begin(submitted)
    if _session is None:
        http = import_module("aiohttp")
        _session = http.ClientSession(connector=http.TCPConnector(limit=50))
    told = {"id": id_, "to": f"{customer}@example.com", "text": bench.contexts.text(customer, text)}
    async with _session.post(bench.URL, json=told) as answer:
        answer.raise_for_status()
        await answer.read()
    bench.meter.end()


task = broker.register_task(job, task_name="job")


async def enqueue(count: int, pace: float, text: str) -> None:
    """Submit so many jobs, fifty at once or one each *pace* seconds, and print how long it took."""
    await broker.startup()
    numbers, begun = iter(range(count)), time.monotonic()

    async def submit() -> None:
        for number in numbers:
            await task.kiq(f"{_run}-{number:08d}", f"c{number:07d}", text, time.monotonic())
            if pace:
                await asyncio.sleep(pace)

    await asyncio.gather(*(submit() for _ in range(1 if pace else 50)))
    sys.stdout.write(f"{time.monotonic() - begun}\n")
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(enqueue(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
