"""What is told from outside must be readable before it is stored: a fact is never mended afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from omnibus.errors import InputError
from omnibus.model.event import Event

#: types that only the bus itself writes: told by anybody else they would be a lie
OWN = frozenset(
    {
        "customer.identified", "customer.merged", "customer.unmerged", "code.issued", "code.redeemed",
        "message.held", "message.dropped", "message.expired", "message.sent", "message.failed", "message.unknown",
        "message.withdrawn", "journey.entered", "journey.advanced", "journey.left",
    }
)  # fmt: skip

#: type → keys that its data must hold as text that is not empty
TEXTS = {
    "consent.granted": ("channel", "purpose"),
    "product.viewed": ("sku",),
    "order.placed": ("id",),
    "order.returned": ("id",),
}
LISTS = {"cart.updated": ("lines",), "order.placed": ("lines", "codes"), "order.returned": ("lines",)}
AMOUNTS = {"order.placed": ("total", "discount")}


def check_type(type_: str) -> None:
    """Refuse a type that only the bus writes.

    Raises:
        InputError: it is one.
    """
    if type_ in OWN:
        fix = "do what leads to it: merge, redeem, send"
        raise InputError(f"only the bus itself writes `{type_}`", where="event", fix=fix)


def check_data(event: Event) -> None:
    """Refuse data that cannot be stored or that no facet could read.

    Raises:
        InputError: it names the key.
    """
    where, data = f"event {event.id}", event.data
    if "\0" in event.id or "\0" in event.source:
        raise InputError("its id or source holds a NUL character", where="event", fix="take it out")
    for key in TEXTS.get(event.type, ()):
        if not isinstance(data.get(key), str | int) or not str(data[key]).strip():
            raise InputError(f"`{key}` is missing or no text", where=where, fix=f'give "{key}": "…"')
    for key in LISTS.get(event.type, ()):
        if not isinstance(data.get(key, ()), list | tuple):
            raise InputError(f"`{key}` must be a list", where=where)
    for key in AMOUNTS.get(event.type, ()):
        if not _amount(data.get(key, "0")):
            raise InputError(f"`{key}` must be an amount", where=where, fix='write it as "24.00"')
    if not _plain(data):
        fix = "give JSON values: no NaN, no half of a surrogate pair"
        raise InputError("the data cannot be written as JSON", where=where, fix=fix)


def _amount(told: Any) -> bool:
    try:
        return Decimal(str(told)).is_finite()
    except InvalidOperation:
        return False


def _plain(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)
    if value is None or isinstance(value, int):
        return True
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_plain, value)) and all(map(_plain, value.values()))
    return not isinstance(value, Sequence) or isinstance(value, bytes) or all(map(_plain, value))
