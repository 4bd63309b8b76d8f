"""Records of a CSV: a broken one is told with its line, and what follows is still read."""

from __future__ import annotations

import csv
import io

from omnibus.cells import records


def test_a_record_is_told_by_the_line_it_begins_on() -> None:
    file = io.StringIO('a,b\n"two\nlines",1\n\nlast,2\n')
    reader = csv.reader(file)
    next(reader)
    assert list(records(reader)) == [(2, ["two\nlines", "1"], ""), (5, ["last", "2"], "")]


def test_what_is_no_csv_ends_nothing() -> None:
    long = "x" * (csv.field_size_limit() + 1)
    broken, good = records(csv.reader(io.StringIO(f"{long},1\ngood,2\n")))
    assert broken[:2] == (1, [])
    assert broken[2].startswith("not CSV: field larger than field limit")
    assert good == (2, ["good", "2"], "")
