"""Hand a whole list to one statement: as an array, and as JSON where APSW was built without arrays.

Source: sqlite.org/carray.html (``SQLITE_ENABLE_CARRAY``), sqlite.org/json1.html#jeach.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import apsw

ARRAYS = "ENABLE_CARRAY" in apsw.compile_options
#: the table ``{EACH}(?)``, whose column `value` gives what ``listed`` was given
EACH = "carray" if ARRAYS else "json_each"


def listed(values: Sequence[str], *, arrays: bool = ARRAYS) -> Any:
    """Bind texts for EACH."""
    if not arrays:
        return json.dumps(list(values))
    return apsw.carray(tuple(values)) if values else None  # it takes no empty array, and NULL for nothing
