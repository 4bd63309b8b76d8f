"""The measures that are asked for: each with what must be reached and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """Hold one line of the table.

    Args:
        number: its line; a letter where a line asks for two figures.
        unit: ``×`` for a ratio within one run, else what the figure counts.
        lower: less is better.
    """

    number: str
    what: str
    must: float
    aim: float
    unit: str = "×"
    lower: bool = False

    def reached(self, value: float, mark: float) -> bool:
        """Tell whether *value* is as good as *mark*."""
        return value <= mark if self.lower else value >= mark


GOALS = {
    each.number: each
    for each in (
        Goal("1", "durable campaign over HTTP against Celery + Redis", 9, 20),
        Goal("2", "the same against taskiq + NATS JetStream", 1, 2),
        Goal("3", "the same as a share of a plain httpx.AsyncClient loop", 0.8, 1),
        Goal("4", "CPU of the bus a message, over a bare loop with the same client", 60, 45, "µs", lower=True),
        Goal("5", "default client against httpx's own pool, 50 in flight", 15, 25),
        Goal("6", "full pipeline, provider that does nothing, against raw inserts in thousands", 0.1, 0.2),
        Goal("7", "bus.send from 50 callers against one SQLite commit a row", 5, 8),
        Goal("8", "campaign expansion against raw inserts in thousands", 0.35, 0.5),
        Goal("9", "personalised email and SMTP against email.message + aiosmtplib", 3, 8),
        Goal("10a", "PostgreSQL, provider with 50 ms: 2 workers against 1", 1.9, 1.95),
        Goal("10b", "the same: 4 workers against 1", 3.6, 3.8),
        Goal("11a", "peak memory, ten times the recipients", 1.15, 1.05, lower=True),
        Goal("11b", "peak memory of the larger campaign", 200, 120, "MiB", lower=True),
        Goal("12a", "rate beside finished rows against an empty store", 0.8, 0.9),
        Goal("12b", "rate beside delayed rows against an empty store", 0.8, 0.9),
        Goal("13", "idle: durable send to the provider's answer, p50, against Celery's start", 1, 0.5, lower=True),
        Goal("14", "transactional message during a campaign, p99", 30, 15, "ms", lower=True),
        Goal("15", "webhooks in against raw commits of 100", 0.05, 0.1),
        Goal("16a", "events imported from CSV and folded", 5000, 15_000, "/s"),
        Goal("16b", "contexts rebuilt", 20_000, 60_000, "/s"),
        Goal("17", "MIME building, guard included, against email.message", 15, 30),
        Goal("18", "SMTP client alone, 10 connections, against aiosmtplib", 3, 5),
        Goal("19", "CPU of a durable send and hand-over: an Apprise notify against it", 3, 5),
    )
}
