"""Reading what was typed: moments, JSON objects, name=value pairs; each mistake names its option."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from omnibus.errors import InputError


def read_moment(text: str | None, where: str) -> datetime | None:
    """Read an ISO 8601 time with its offset; None stays None.

    Raises:
        InputError: it is none, or has no offset.
    """
    if text is None:
        return None
    fix = "write it with its offset, as 2026-11-30T18:00:00+01:00"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError("not a time", where=where, fix=fix) from None
    if at.tzinfo is None:
        raise InputError("the time has no offset from UTC", where=where, fix=fix)
    return at


def read_object(text: str | None, where: str) -> dict[str, Any]:
    """Read a JSON object; ``-`` reads it from stdin, None is an empty one.

    Raises:
        InputError: no JSON, or no object; the text is not quoted.
    """
    if text is None:
        return {}
    try:
        told = json.loads(sys.stdin.read() if text == "-" else text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"not JSON{place}", where=where, fix="""write it as '{"sku": "mug"}'""") from None
    if not isinstance(told, dict):
        raise InputError("must be a JSON object", where=where, fix="""write it as '{"sku": "mug"}'""")
    return told


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def read_pairs(pairs: Iterable[str], where: str) -> dict[str, str]:
    """Read ``name=value`` pairs.

    Raises:
        InputError: one has no ``=`` or no name.
    """
    told = {}
    for each in pairs:
        name, found, value = each.partition("=")
        if not found or not name.isidentifier():
            raise InputError("not a pair", where=where, fix=f"write it as {where} name=value")
        told[name] = value
    return told


def one_of(word: str, known: Collection[str], where: str, what: str) -> str:
    """Hold a word against those that are known.

    Raises:
        InputError: with the nearest one.
    """
    if word not in known:
        from omnibus.settings import suggest

        raise InputError(f"unknown {what} `{word}`", where=where, fix=suggest(word, known))
    return word
