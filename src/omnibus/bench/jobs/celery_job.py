"""Celery's worker and its enqueueing: ``celery -A celery_job worker``, or run as a script with count and pace."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from typing import Any

bench: Any = import_module("meter")  # beside this file: found over PYTHONPATH
app: Any = import_module("celery").Celery("bench", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_default_queue=os.environ["BENCH_RUN"], task_ignore_result=True, task_acks_late=True,
    worker_prefetch_multiplier=50, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False,
)  # fmt: skip
_session: Any = None


def job(id_: str, customer: str, text: str, submitted: float) -> None:
    """Post one message on a kept connection."""
    global _session  # noqa: PLW0603 - one session a process, made after the fork
    bench.meter.begin(submitted)
    if _session is None:
        _session = import_module("requests").Session()
    told = {"id": id_, "to": f"{customer}@example.com", "text": bench.contexts.text(customer, text)}
    _session.post(bench.URL, json=told, timeout=30).raise_for_status()
    bench.meter.end()


task = app.task(job, name="job")


def enqueue(count: int, pace: float, text: str) -> None:
    """Submit so many jobs, one each *pace* seconds, and print how long it took."""
    begun = time.monotonic()
    for number in range(count):
        task.apply_async((f"{os.environ['BENCH_RUN']}-{number:08d}", f"c{number:07d}", text, time.monotonic()))
        if pace:
            time.sleep(pace)
    sys.stdout.write(f"{time.monotonic() - begun}\n")


if __name__ == "__main__":
    enqueue(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
