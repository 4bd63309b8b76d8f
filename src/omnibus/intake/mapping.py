"""The mapping file: which columns make a customer, which rows make which event.

::

    [source]
    name = "till-archive"            # the events' source
    time = "InvoiceDate"             # column; naive times are in `zone`
    zone = "Europe/London"
    group = "InvoiceNo"              # rows that follow each other with the same value are one event

    [customer]
    id = "retail-{CustomerID}"       # {Column} stands for the row's value; empty: the row is rejected
    identities = { loyalty = "{CustomerID}" }

    [[event]]
    when = { InvoiceNo = "C*" }      # glob per column, all must match; the first event that matches is taken
    type = "order.returned"
    id = "{InvoiceNo}"
    data = { id = "{InvoiceNo}" }
    lines = { sku = "{StockCode}", name = "{Description}", quantity = "{Quantity}", price = "{UnitPrice}" }
    sum = "total"                    # quantity × price of the lines, under this name

    [[event]]
    when = { event = "home" }
    skip = true                      # known and of no interest
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from omnibus.errors import InputError
from omnibus.model.zones import read_zone
from omnibus.settings import suggest

KEYS = {
    "source": {"name", "time", "zone", "group", "format"},
    "customer": {"id", "identities", "profile"},
    "event": {"when", "type", "id", "data", "lines", "sum", "skip", "positive"},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Say what a row becomes.

    Args:
        when: column → glob; empty matches every row.
        lines: how each row of a group becomes a line; empty for events without lines.
        total: name under which the lines' sum stands; empty for none.
    """

    when: Mapping[str, str]
    type: str = ""
    id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)
    total: str = ""
    skip: bool = False

    def matches(self, row: Mapping[str, str]) -> bool:
        """Tell whether this rule is the row's."""
        return all(fnmatchcase(row.get(column, ""), glob) for column, glob in self.when.items())


@dataclass(frozen=True, slots=True)
class Mapping_:  # noqa: N801 - `Mapping` is taken by the standard library
    """Hold a mapping file, checked; *extra* are sections that other readers know (personas of the demo)."""

    name: str
    time: str
    zone: ZoneInfo
    customer: str
    identities: Mapping[str, str]
    profile: Mapping[str, str]
    rules: tuple[Rule, ...]
    group: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def rule(self, row: Mapping[str, str]) -> Rule | None:
        """Give the first rule that matches."""
        return next((each for each in self.rules if each.matches(row)), None)


def read_mapping(path: Path, *, extra: tuple[str, ...] = ("personas", "products", "acts", "expect")) -> Mapping_:
    """Read a mapping file.

    Raises:
        InputError: a missing or unknown key, with the nearest known one.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError("cannot be read as TOML", where=path.name, fix=str(error)) from None
    _check(told, path.name, extra)
    source, customer = told["source"], told["customer"]
    return Mapping_(
        name=str(source["name"]), time=str(source["time"]), zone=read_zone(source.get("zone", "UTC")),
        customer=str(customer.get("id", "")), identities=dict(customer.get("identities", {})),
        profile=dict(customer.get("profile", {})), rules=tuple(_rule(each) for each in told.get("event", ())),
        group=str(source.get("group", "")), extra={key: told[key] for key in extra if key in told},
    )  # fmt: skip


def _rule(told: Mapping[str, Any]) -> Rule:
    return Rule(
        dict(told.get("when", {})), str(told.get("type", "")), str(told.get("id", "")), dict(told.get("data", {})),
        dict(told.get("lines", {})), str(told.get("sum", "")), bool(told.get("skip", False)),
    )  # fmt: skip


def _check(told: Mapping[str, Any], where: str, extra: tuple[str, ...]) -> None:
    known = [*KEYS, *extra]
    for section in told:
        if section not in known:
            raise InputError(f"unknown section [{section}]", where=where, fix=suggest(section, known))
    for section, keys in KEYS.items():
        if not told.get(section) and not (section == "event" and "acts" in told):  # a replay needs no rules
            raise InputError(f"[{section}] is missing", where=where, fix="`omnibus import --help` names an example")
        _check_keys(told.get(section, []), keys, f"{where} [{section}]")
    for key in ("name", "time"):
        if key not in told["source"]:
            raise InputError(f"`{key}` is missing", where=f"{where} [source]", fix=f"add `{key} = …`")
    if not told["customer"].get("id") and not told["customer"].get("identities"):
        raise InputError(
            "a customer needs `id` or `identities`", where=f"{where} [customer]", fix='e.g. id = "shop-{user}"'
        )
    for number, rule in enumerate(told.get("event", []), 1):
        if not rule.get("skip") and not (rule.get("type") and rule.get("id")):
            raise InputError(
                "an event needs `type` and `id`", where=f"{where} [[event]] {number}", fix="or `skip = true`"
            )


def _check_keys(tables: Any, known: set[str], where: str) -> None:
    for table in [tables] if isinstance(tables, Mapping) else tables:
        for key in table:
            if key not in known:
                raise InputError(f"unknown key `{key}`", where=where, fix=suggest(key, known))
