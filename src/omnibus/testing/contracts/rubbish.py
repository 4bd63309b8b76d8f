"""Bodies that are almost right: cut, of wrong types, with parts missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlencode

#: what stands where something else was expected
ODD: tuple[Any, ...] = (None, True, -1, 1e308, 10**30, "", "x", [], {}, [[]], [None], {"x": None})

FIXED = (
    b"", b" ", b"null", b"true", b"1", b'"x"', b"[]", b"{}", b"[null]", b"[[]]", b"[{}]", b"{", b"\xff\xfe\x00", b"\x00",
    b"[" * 50_000, b'{"a":' * 20_000, b"NaN", b"1" * 5_000, b"a=b", b"&&==", b"%ff%00=%", b"a" * 100_000,
)  # fmt: skip


def mutants(body: bytes, limit: int = 600) -> Iterator[bytes]:
    """Give variants of a JSON or form body: each value replaced, each key removed, the end cut off; at most *limit*."""
    yield from islice(_all(body), limit)


def _all(body: bytes) -> Iterator[bytes]:
    for end in {len(body) // 4, len(body) // 2, len(body) * 3 // 4, len(body) - 1} - {-1, len(body)}:
        yield body[:end]
    try:
        value = json.loads(body)
    except ValueError:
        yield from _forms(body)
        return
    for path in list(_paths(value)):
        for odd in (*ODD, _GONE):
            yield json.dumps(_with(value, path, odd)).encode()


def _forms(body: bytes) -> Iterator[bytes]:
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    for place, (name, _) in enumerate(pairs):
        rest = [*pairs[:place], *pairs[place + 1 :]]
        yield urlencode(rest).encode()
        for odd in ("", "x", "-1", "9" * 400, "\x00", "é" * 50):
            yield urlencode([*rest, (name, odd)]).encode()
        yield urlencode([*pairs, (name, "again")]).encode()


_GONE = object()


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _paths(each, (*path, key))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _paths(each, (*path, place))


def _with(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return None if odd is _GONE else odd
    key, *rest = path
    if isinstance(value, dict):
        if odd is _GONE and not rest:
            return {name: each for name, each in value.items() if name != key}
        return {**value, key: _with(value[key], tuple(rest), odd)}
    if odd is _GONE and not rest:
        return [each for place, each in enumerate(value) if place != key]
    return [_with(each, tuple(rest), odd) if place == key else each for place, each in enumerate(value)]
