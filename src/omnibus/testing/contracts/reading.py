"""Look into contents: every text they hold, wherever it is."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from omnibus.model.content import Content

#: what no text of ours holds: C0 and C1 but for tab and line ends, and a CR that ends nothing
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


E = TypeVar("E", bound=Exception)


def refusal(call: Callable[[], object], kind: type[E]) -> E | None:
    """Give the error of this kind that *call* raises, None when it raises none; another kind comes through."""
    try:
        call()
    except kind as error:
        return error
    return None


def strings(value: Any) -> Iterator[str]:
    """Walk all texts (and bytes, read as Latin-1) inside a content."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from strings(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from strings(key)
            yield from strings(each)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from strings(each)


def headers(content: Content) -> Iterator[tuple[str, str]]:
    """List the headers of a content that has a field of that name."""
    held = getattr(content, "headers", {})
    if isinstance(held, Mapping):
        yield from ((str(name), str(value)) for name, value in held.items())


def flat(text: str) -> str:
    """Write all white space as single spaces."""
    return " ".join(text.split())


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect every log line, of every logger, from debug upwards."""
    lines: list[str] = []

    class Overheard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    root, ear = logging.getLogger(), Overheard()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(ear)
