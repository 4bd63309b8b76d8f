"""Logging, configured here and nowhere else: a line each for people, JSON for collectors; keys by an allow-list.

Libraries are heard from WARNING on, by their unformatted text, so that no address in an argument gets out; of an
exception its kind and place are told, not its words.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from traceback import extract_tb
from typing import Any

import structlog

OWN = "omnibus"  # the logger whose words are ours, and hold nothing personal

KEYS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "logger",
        "error",
        "at",
        "host",
        "port",
        "url",
        "accepted",
        "final",
        "waiting",
        "pid",
    }
)


def configure() -> None:
    """Send everything to stderr: coloured lines on a terminal, one JSON object a line elsewhere."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _allowed,
    ]
    human = sys.stderr.isatty()
    write: Any = structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*shared, write],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for each in [old for old in root.handlers if isinstance(old, Ear)]:
        root.removeHandler(each)
    root.addHandler(Ear(logging.WARNING))


def _allowed(logger: Any, method: str, told: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in told.items() if key in KEYS}


class Ear(logging.Handler):
    """Hear the libraries."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a record without its arguments."""
        told: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__
            frames = extract_tb(record.exc_info[2])
            told["at"] = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        say = structlog.get_logger()
        text = record.getMessage() if record.name == OWN else record.msg
        (say.error if record.levelno >= logging.ERROR else say.warning)(_first_line(text), **told)


def _first_line(text: Any) -> str:
    return text.partition("\n")[0] if isinstance(text, str) else type(text).__name__
