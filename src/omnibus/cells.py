"""CELLS: the records of a CSV file as somebody wrote it; one that cannot be read is told with its line, and the next is read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any


def records(reader: Any) -> Iterator[tuple[int, list[str], str]]:
    """Read what is left of a ``csv.reader``: the line a record begins on, its cells, and why it is none; empty ones are passed over.

    Line numbers count the file's lines, the first being 1: a record may be several lines long. With a fault there are no cells.
    """
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], f"not CSV: {error}"
            continue
        if cells:
            yield line, cells, ""
