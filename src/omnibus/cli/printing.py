"""How results are shown: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

WIDTH = 160  # columns where nobody looks: a pipe or a file
ID = 36  # letters of an id
EVERY = 1000  # things between two plain lines of a long work

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Give a command ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")(command)


def console(*, stderr: bool = False) -> Console:
    """Make a console for now's stdout; colours only on a terminal and without NO_COLOR."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else WIDTH, highlight=False, soft_wrap=False)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value) if isinstance(value, Path) else repr(value)


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str, title: str = "") -> None:
    """Print rows as a table, or say that there are none."""
    cells = [[Text(clean(each)) for each in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    least = 0
    for index, name in enumerate(columns):
        ids = any(_ID.fullmatch(row[index].plain) for row in cells)  # an id that is cut cannot be copied
        table.add_column(name, overflow="fold", no_wrap=ids)
        least += ID + 2 if ids else 10
    screen = console()
    if least > screen.width and least > 10 * len(columns):  # beside the ids there is no room for anything else
        for row in cells:
            screen.print(*_record(columns, row), sep="\n")
        return
    for row in cells:
        table.add_row(*row)
    screen.print(table)


def _record(columns: Sequence[str], row: Sequence[Text]) -> Iterator[Text]:
    """Write a row as lines: its first cell, then each other that is not empty under its name."""
    yield Text(row[0].plain, style="bold")
    for name, cell in zip(columns[1:], row[1:], strict=True):
        if cell.plain:
            yield Text(f"  {name:<10} ").append_text(cell)


def clean(value: Any) -> str:
    """Write a value without control characters: what strangers wrote must not steer the terminal."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    return "".join(each if each == "\n" or unicodedata.category(each) != "Cc" else "·" for each in str(value))


def moment(at: datetime | None) -> str:
    """Write a time in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else ""


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Show how far a long work is: a bar on a terminal, a plain line every thousand elsewhere; always on stderr."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), TimeElapsedColumn())
        with Progress(*columns, console=console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda count: bar.advance(task, count)
        return
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if before // EVERY != done // EVERY:
            click.echo(f"{what}: {done}", err=True)

    yield advance
