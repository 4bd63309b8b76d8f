"""Lists of recipients: ids from the app, or the lines of a CSV file; what names nobody is put aside with its reason."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from omnibus.cells import records
from omnibus.errors import InputError
from omnibus.model.customer import Customer

COLUMNS = ("customer", "customer_id", "id")  # a column of one of these names holds customer ids
KINDS = ("email", "phone", "loyalty", "x", "instagram", "web", "push")  # … of one of these, identities


@dataclass(frozen=True, slots=True)
class ListEntry:
    """Hold one line of a list: whom it names.

    Args:
        line: number in the file, the header being 1; the place among ids handed in.
        kind: of the identity that *value* is; empty for a customer id.
        fault: why the line cannot be read; empty if it can.
    """

    line: int
    kind: str = ""
    value: str = field(default="", repr=False)
    fault: str = ""


def read_ids(ids: Iterable[Customer | str]) -> Iterator[ListEntry]:
    """Read customers, their ids, or identities written ``email:ada@example.com``, one at a time."""
    for line, each in enumerate(ids, 1):
        told = each.id if isinstance(each, Customer) else each
        kind, found, value = told.partition(":")
        if found and kind in KINDS:
            yield ListEntry(line, kind, value)
        else:
            yield ListEntry(line, "", told) if told else ListEntry(line, fault="empty")


def read_csv(path: Path) -> Iterator[ListEntry]:
    """Read a CSV file line by line; nothing is held but the line.

    Raises:
        InputError: no such file, no UTF-8, or no column that names anybody.
    """
    if not path.is_file():
        raise InputError("there is no such file", where=str(path))
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            header = [each.strip().lower() for each in next(reader, [])]
            place, kind = _column(header, path.name)
            yield from _entries(reader, len(header), place, kind)
        except UnicodeDecodeError:
            raise InputError("the file is not UTF-8", where=f"{path.name}:{reader.line_num + 1}") from None


def _column(header: list[str], where: str) -> tuple[int, str]:
    for name in (*COLUMNS, *KINDS):
        if name in header:
            return header.index(name), "" if name in COLUMNS else name
    known = ", ".join((*COLUMNS, *KINDS))
    raise InputError("no column names a customer", where=f"{where}:1", fix=f"name one of the columns: {known}")


def _entries(reader: Any, width: int, place: int, kind: str) -> Iterator[ListEntry]:
    for line, cells, fault in records(reader):
        value = cells[place].strip() if len(cells) == width else ""
        if value:
            yield ListEntry(line, kind, value)
        else:
            short = "empty" if len(cells) == width else f"{len(cells)} columns instead of {width}"
            yield ListEntry(line, fault=fault or short)


class Rejects:
    """Put lines aside: a CSV of line and reason, made when there is one; the line itself, for it holds addresses, is not."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.count = path, 0
        self._file: TextIO | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: int, reason: str) -> None:
        """Put one line aside."""
        self.count += 1
        if self.path is None:
            return
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(("line", "reason"))
        self._writer.writerow((line, reason))
