"""A context's facets as one stored value."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=1000)
def _heading(name: str) -> bytes:
    return name.encode() + b"\t"


def encode_bodies(bodies: dict[str, bytes]) -> bytes:
    """Pack facets into one value: a line ``name<TAB>json`` each, sorted (JSON holds no raw line end or tab)."""
    return b"\n".join([_heading(name) + bodies[name] for name in sorted(bodies)])


def decode_bodies(packed: bytes) -> dict[str, bytes]:
    """Unpack what ``encode_bodies`` wrote, without reading the JSON."""
    found: dict[str, bytes] = {}
    for line in packed.split(b"\n"):
        name, _, body = line.partition(b"\t")
        if name:
            found[name.decode()] = body
    return found
