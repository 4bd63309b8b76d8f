"""A context's facets as one stored value."""

from __future__ import annotations

from functools import lru_cache

from omnibus.model.fault import FAULTS

#: how the value of a customer begins of whom a facet could not be folded
FAULTY = f"{FAULTS}\t".encode()


@lru_cache(maxsize=1000)
def _form(names: tuple[str, ...]) -> tuple[list[str], bytes]:
    """Write what all contexts of the same facets have in common, with a gap for each facet."""
    ordered = sorted(names)
    return ordered, b"\n".join([name.encode().replace(b"%", b"%%") + b"\t%b" for name in ordered])


def encode_bodies(bodies: dict[str, bytes]) -> bytes:
    """Pack facets into one value: a line ``name<TAB>json`` each, sorted (JSON holds no raw line end or tab)."""
    ordered, form = _form(tuple(bodies))
    return form % tuple([bodies[name] for name in ordered])


def decode_bodies(packed: bytes) -> dict[str, bytes]:
    """Unpack what ``encode_bodies`` wrote, without reading the JSON."""
    found: dict[str, bytes] = {}
    for line in packed.split(b"\n"):
        name, _, body = line.partition(b"\t")
        if name:
            found[name.decode()] = body
    return found
