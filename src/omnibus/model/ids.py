"""Ids with an order: UUIDv7, so that indexes grow at their end."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Ids:
    """Make UUIDv7 texts that rise strictly within one process.

    Time is handed in by the caller, so a virtual clock gives virtual ids.
    Source: RFC 9562 §5.7; the 12 bits after the version count within a millisecond (§6.2, method 1).
    """

    _last: int = field(default=0)
    _pool: bytes = field(default=b"", repr=False)
    _used: int = field(default=0)

    def new(self, now: datetime) -> str:
        """Make the next id at *now* (aware); ids made later in this process sort after earlier ones of the same time."""
        stamp = int(now.timestamp() * 1000) << 12
        self._last = max(self._last + 1, stamp)
        millis, count = self._last >> 12, self._last & 0xFFF
        tail = int.from_bytes(self._random(), "big") & 0x3FFFFFFFFFFFFFFF
        number = millis << 80 | 7 << 76 | count << 64 | 2 << 62 | tail
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _random(self) -> bytes:
        """Give 8 random bytes, drawn from the system by the page: one system call for 512 ids."""
        if self._used == len(self._pool):
            self._pool, self._used = os.urandom(4096), 0
        self._used += 8
        return self._pool[self._used - 8 : self._used]
