"""What a printer's model has: its code pages and their numbers, from python-escpos's profiles.

Numbers differ by model and several pages hold a euro, so they are never guessed.
Profiles: https://github.com/receipt-print-hq/escpos-printer-db
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from omnibus_pos.commands import PAGES


@cache
def code_pages(model: str) -> Mapping[str, int]:
    """Give the single-byte code pages of a model that we can spell in, with their numbers.

    Raises:
        ValueError: python-escpos knows no such model; the text lists those it knows.
    """
    from escpos.capabilities import CAPABILITIES  # noqa: PLC0415 - a third of a second, only for who names a model

    known = CAPABILITIES["profiles"]
    if model not in known:
        raise ValueError(f"unknown model; python-escpos knows {', '.join(sorted(known))}")
    found: dict[str, int] = {}
    for number, name in known[model]["codePages"].items():
        codec = name.lower().replace("iso_8859", "iso8859")
        if codec in PAGES and int(number) < found.get(codec, 256):
            found[codec] = int(number)
    return found
