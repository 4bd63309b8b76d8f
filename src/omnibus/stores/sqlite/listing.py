"""Hand a whole list to one statement: as an array, and as JSON where APSW was built without arrays.

Source: sqlite.org/carray.html (``SQLITE_ENABLE_CARRAY``), sqlite.org/json1.html#jeach.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from typing import Any

import apsw

from omnibus.stores.texts import NUL, storable

ARRAYS = "ENABLE_CARRAY" in apsw.compile_options
#: the table ``{EACH}(?)``, whose column `value` gives what ``listed`` was given
EACH = "carray" if ARRAYS else "json_each"


def listed(values: Sequence[str], *, arrays: bool = ARRAYS) -> Any:
    """Bind texts for EACH; an array's would end at a NUL and name somebody else, so what nobody is called is left out."""
    if not arrays:
        return json.dumps(list(values))
    if NUL in "".join(values):
        values = storable(values)
    return apsw.carray(tuple(values)) if values else None  # it takes no empty array, and NULL for nothing


def numbered(values: Sequence[int], *, arrays: bool = ARRAYS) -> Any:
    """Bind whole numbers for EACH."""
    if not arrays:
        return json.dumps(list(values))
    return apsw.carray(array("q", values), flags=apsw.SQLITE_CARRAY_INT64) if values else None
