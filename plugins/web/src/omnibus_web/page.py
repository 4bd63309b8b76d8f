"""What a page may tell, checked: a page is a stranger, so only these types, these fields and these sizes pass.

Prices and names come from the page and are shown again (reminders, sidebar). A shop that wants them beyond doubt
tracks its carts from the backend with ``bus.track``. Orders are never taken from a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from omnibus import InputError
from omnibus_web.words import http_url

MAX_BODY = 65_536  # bytes of one request of a page
MAX_LINES = 100  # lines of a cart
MAX_WORDS = 300  # characters of a name or sku
MAX_URL = 2_000  # characters

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")


def event_id(told: Mapping[str, Any]) -> str:
    """Read the id that the page gave its event; a repeat of it is the same event.

    Raises:
        InputError: missing or of another shape.
    """
    value = told.get("id")
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InputError("`id` must be 8 to 64 letters, digits, - or _", where="id", fix="draw a UUID once per event")
    return value


def event_data(type_: object, told: object) -> dict[str, Any]:
    """Check the data of a page's event and keep only known fields.

    Raises:
        InputError: an unknown type, a missing, wrong or over-long field.
    """
    read = READ.get(type_) if isinstance(type_, str) else None
    if read is None:
        raise InputError("a page cannot tell this", where="type", fix=f"one of {', '.join(READ)}")
    if not isinstance(told, Mapping):
        raise InputError("`data` must be an object", where="data")
    return read(told)


def _viewed(told: Mapping[str, Any]) -> dict[str, Any]:
    return _product(told, "data")


def _updated(told: Mapping[str, Any]) -> dict[str, Any]:
    lines = told.get("lines")
    if not isinstance(lines, list) or len(lines) > MAX_LINES:
        raise InputError(f"a cart needs `lines`, at most {MAX_LINES}", where="data.lines")
    return {
        "id": _words(told, "id", "data"), "currency": _currency(told, "data"), "url": _url(told, "url", "data"),
        "lines": [_line(each, f"data.lines[{at}]") for at, each in enumerate(lines)],
    }  # fmt: skip


def _nothing(told: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _visit(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"place": "web"}


#: what a page may tell, and how it is read
READ: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "product.viewed": _viewed,
    "cart.updated": _updated,
    "cart.cleared": _nothing,
    "visit.started": _visit,
    "visit.ended": _visit,
}


def _line(told: object, where: str) -> dict[str, Any]:
    if not isinstance(told, Mapping):
        raise InputError("a line must be an object", where=where)
    quantity = told.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 < quantity <= 10_000:
        raise InputError("`quantity` must be a whole number from 1 to 10000", where=where)
    line = _product(told, where)
    line.pop("currency")
    return {**line, "quantity": quantity, "price": line["price"] or "0"}


def _product(told: Mapping[str, Any], where: str) -> dict[str, Any]:
    sku = _words(told, "sku", where)
    if not sku:
        raise InputError("a product needs `sku`", where=where)
    return {
        "sku": sku, "name": _words(told, "name", where), "price": _price(told, where),
        "currency": _currency(told, where), "url": _url(told, "url", where), "image": _url(told, "image", where),
    }  # fmt: skip


def _words(told: Mapping[str, Any], name: str, where: str) -> str:
    value = told.get(name) or ""
    if not isinstance(value, str) or len(value) > MAX_WORDS:
        raise InputError(f"`{name}` must be text of at most {MAX_WORDS} characters", where=where)
    return "".join(each for each in value if each.isprintable()).strip()


def _url(told: Mapping[str, Any], name: str, where: str) -> str:
    value = told.get(name) or ""
    if not isinstance(value, str) or len(value) > MAX_URL or (value and not http_url(value)):
        raise InputError(f"`{name}` must be an http(s) URL of at most {MAX_URL} characters", where=where)
    return value


def _price(told: Mapping[str, Any], where: str) -> str:
    value = told.get("price")
    if value is None or value == "":
        return ""
    try:
        price = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not 0 <= price < 10**9:
        raise InputError("`price` must be a decimal, like 39.00", where=where)
    return f"{price:.2f}"


def _currency(told: Mapping[str, Any], where: str) -> str:
    value = told.get("currency") or ""
    if not isinstance(value, str) or (value and not _CURRENCY.fullmatch(value)):
        raise InputError("`currency` must be an ISO 4217 code, like EUR", where=where)
    return value
