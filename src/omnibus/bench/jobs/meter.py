"""The job of every peer, and its clock: counted inside the worker, from the first start to the last end.

Everything comes by environment: ``BENCH_URL`` of the sink, ``BENCH_COUNT`` of jobs, ``BENCH_METER`` (the file that is
written after the last one), ``BENCH_CONTEXTS`` (SQLite file: customer → JSON) when the job is to read and render.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

URL = os.environ.get("BENCH_URL", "")
TEXT = """Acme:
{{ customer.first_name | default("Hello", true) }}, your {{ cart.lines[0].name }} is waiting
Look: https://acme.example/{{ customer.id }}
{{ foot }}"""


class Meter:
    """Count starts and ends; write what was measured when all are done."""

    def __init__(self) -> None:
        self._count, self._waits = 0, list[float]()
        self._begun = self._cpu = 0.0

    def begin(self, submitted: float) -> None:
        """Note the start of a job, and how long it waited since it was submitted."""
        now = time.monotonic()
        if not self._waits:
            self._begun, self._cpu = now, _cpu()
            Path(os.environ["BENCH_METER"]).with_suffix(".begun").touch()
        self._waits.append((now - submitted) * 1000)

    def end(self) -> None:
        """Note its end."""
        self._count += 1
        if self._count == int(os.environ["BENCH_COUNT"]):
            told = {"seconds": time.monotonic() - self._begun, "cpu": _cpu() - self._cpu, "waits": self._waits}
            path = Path(os.environ["BENCH_METER"])
            path.with_suffix(".new").write_text(json.dumps(told))
            path.with_suffix(".new").rename(path)


def _cpu() -> float:
    """Give the CPU seconds of this process and of the one above it, which feeds it."""
    stat = Path(f"/proc/{os.getppid()}/stat")
    above = stat.read_text().rpartition(")")[2].split()[11:13] if stat.exists() else []
    return time.process_time() + sum(map(int, above)) / float(os.sysconf("SC_CLK_TCK"))


class Contexts:
    """Read a customer's context and render what they are told, as the same job asks; *text* as it is without contexts."""

    def __init__(self) -> None:
        self._db: sqlite3.Connection | None = None
        self._template: Any = None

    def text(self, customer: str, text: str) -> str:
        """Give the text for one customer."""
        path = os.environ.get("BENCH_CONTEXTS", "")
        if not path:
            return text
        if self._db is None:
            import jinja2  # noqa: PLC0415 - in the worker, after it forked

            self._db = sqlite3.connect(path)
            self._template = jinja2.Environment(autoescape=False).from_string(TEXT)  # noqa: S701 - plain text
        row = self._db.execute("SELECT body FROM context WHERE customer=?", (customer,)).fetchone()
        return str(self._template.render(json.loads(row[0])))


meter, contexts = Meter(), Contexts()
