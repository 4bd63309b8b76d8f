"""What a text may hold that is stored as it is: ids, sources, keys, baskets. Anything but NUL.

PostgreSQL's text has no room for one, and a list of SQLite's ends at it. What people say is stored as JSON, which
escapes it, so nothing of that is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omnibus.errors import InputError

NUL = "\0"


def refuse(*texts: str) -> None:
    """Refuse texts that cannot be stored as they are.

    Raises:
        InputError: one holds a NUL; nothing is stored.
    """
    for each in texts:
        if NUL in each:
            raise nul()


def nul() -> InputError:
    """Say that a text holds a NUL."""
    return InputError("a text holds a NUL character", fix="take it out of the id, key or name that you gave")


def without_nul(text: str) -> str:
    """Take it out of what a provider or a policy said: nobody can be asked to say it again."""
    return text.replace(NUL, "")


def storable(texts: Iterable[str]) -> list[str]:
    """Leave out what nobody can have stored."""
    return [each for each in texts if NUL not in each]


def matchless(given: Iterable[Any]) -> bool:
    """Tell whether nothing that is stored can equal one of these."""
    return any(isinstance(each, str) and NUL in each for each in given)
