"""Rows of CSV and NDJSON files, plain or gzipped, with their line numbers; nothing is held but the row."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnibus.cells import records
from omnibus.errors import InputError


@dataclass(frozen=True, slots=True)
class Record:
    """Hold one row; *fault* says why it cannot be read (then *values* is empty)."""

    line: int
    values: dict[str, str] = field(repr=False)
    fault: str = ""
    raw: str = field(default="", repr=False)


def read_rows(path: Path) -> Iterator[Record]:
    """Stream the rows of a file; the format is told by its name (``.csv``, ``.ndjson``, ``.jsonl``, each also ``.gz``).

    Raises:
        InputError: the file is missing, of an unknown kind, or a CSV without a header.
    """
    name = path.name.removesuffix(".gz")
    if not path.exists():
        raise InputError("there is no such file", where=str(path))
    try:
        binary: Any = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - closed by the with below
        with binary, io.TextIOWrapper(binary, "utf-8", errors="replace", newline="") as file:
            if name.endswith(".csv"):
                yield from _csv(file, path.name)
            elif name.endswith((".ndjson", ".jsonl")):
                yield from _ndjson(file)
            else:
                raise InputError(
                    "unknown kind of file", where=path.name, fix="give .csv, .ndjson or .jsonl, also with .gz"
                )
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError("the file is damaged", where=path.name, fix=str(error)) from None


def _csv(file: Any, where: str) -> Iterator[Record]:
    reader = csv.reader(file)
    header = next(reader, None)
    if not header or not any(each.strip() for each in header):
        raise InputError("the file has no header line", where=f"{where}:1", fix="name the columns in the first line")
    names = [each.strip().lstrip("\ufeff") for each in header]
    for line, cells, fault in records(reader):
        if fault:
            yield Record(line, {}, fault)
        elif len(cells) != len(names):
            yield Record(line, {}, f"{len(cells)} columns where the header has {len(names)}", ",".join(cells))
        else:
            yield Record(line, dict(zip(names, cells, strict=True)))


def _ndjson(file: Any) -> Iterator[Record]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            told = json.loads(text)
        except ValueError:
            yield Record(line, {}, "not JSON", text.strip())
            continue
        if not isinstance(told, dict):
            yield Record(line, {}, "not a JSON object", text.strip())
        else:
            yield Record(
                line, {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}
            )
