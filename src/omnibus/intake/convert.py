"""Rows → facts, by a mapping; pure. What cannot become one says why, by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from omnibus.errors import InputError
from omnibus.facets.cart import read_lines
from omnibus.intake.mapping import Mapping_, Rule
from omnibus.intake.rows import Row
from omnibus.model.event import Event


@dataclass(frozen=True, slots=True)
class Fact:
    """Hold one event to be, and whose it is; *line* is its last row's."""

    line: int
    customer: str
    identities: Mapping[str, str]
    event: Event
    rows: tuple[Row, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """Hold one row that became nothing, and why."""

    line: int
    reason: str
    row: Row = field(repr=False)


@dataclass(frozen=True, slots=True)
class Skip:
    """Hold one row that is known to be of no interest."""

    line: int


def convert(rows: Iterable[Row], mapping: Mapping_) -> Iterator[Fact | Reject | Skip]:
    """Convert a stream of rows; rows of one group become one fact."""
    group: list[Row] = []
    for row in rows:
        if row.fault:
            yield Reject(row.line, row.fault, row)
            continue
        if group and not _same(group[-1], row, mapping):
            yield from _converted(group, mapping)
            group = []
        group.append(row)
        if not mapping.group:
            yield from _converted(group, mapping)
            group = []
    if group:
        yield from _converted(group, mapping)


def _same(one: Row, other: Row, mapping: Mapping_) -> bool:
    return bool(mapping.group) and one.values.get(mapping.group) == other.values.get(mapping.group)


def _converted(group: list[Row], mapping: Mapping_) -> Iterator[Fact | Reject | Skip]:
    good: list[Row] = []
    rule: Rule | None = None
    for row in group:
        mine = mapping.rule(row.values)
        fault = "" if mine else "no [[event]] of the mapping matches"
        if mine is not None and mine.skip:
            yield Skip(row.line)
            continue
        fault = fault or _fault(row, mine, mapping)
        if fault:
            yield Reject(row.line, fault, row)
        else:
            rule = rule or mine
            good.append(row)
    if rule is not None:
        yield _fact(good, rule, mapping)


def _fault(row: Row, rule: Rule | None, mapping: Mapping_) -> str:
    try:
        _time(row, mapping)
        for text in (mapping.customer, *mapping.identities.values()):
            if text and not _filled(text, row):
                return f"{_column(text)} is empty"
        if rule is not None and rule.lines:
            _line(row, rule)
    except KeyError as error:
        return f"there is no column {error.args[0]}"
    except InputError as error:
        return error.what
    return ""


def _fact(rows: list[Row], rule: Rule, mapping: Mapping_) -> Fact:
    first, last = rows[0], rows[-1]
    data: dict[str, Any] = {key: _value(value, first) for key, value in rule.data.items()}
    if rule.lines:
        lines = [_line(row, rule) for row in rows]
        data["lines"] = lines
        if rule.total:
            data[rule.total] = f"{sum((Decimal(x['price']) * x['quantity'] for x in lines), Decimal()):.2f}"
    customer = _filled(mapping.customer, first)
    event = Event(_text(rule.id, first), mapping.name, rule.type, _time(first, mapping), customer, data)
    identities = {kind: _filled(text, first) for kind, text in mapping.identities.items()}
    return Fact(last.line, customer, identities, event, tuple(rows))


def _line(row: Row, rule: Rule) -> dict[str, Any]:
    told = {key: _text(text, row) for key, text in rule.lines.items()}
    for name in ("quantity", "price"):
        try:
            number = Decimal(told.get(name, "1" if name == "quantity" else "0").strip() or "x")
        except InvalidOperation:
            raise InputError(f"{name} is no number") from None
        if name == "price" and number < 0:
            raise InputError("price is negative")
        told[name] = str(abs(int(number))) if name == "quantity" else f"{number:.2f}"
        if name == "quantity" and number != int(number):
            raise InputError("quantity is not whole")
    line = {**told, "quantity": int(told["quantity"])}
    read_lines([line])
    return line


def _time(row: Row, mapping: Mapping_) -> datetime:
    text = row.values[mapping.time].strip()
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{mapping.time} is no time") from None
    return when.replace(tzinfo=when.tzinfo or mapping.zone).astimezone(UTC)


def _value(value: Any, row: Row) -> Any:
    if isinstance(value, str):
        return _text(value, row)
    if isinstance(value, list):
        return [_value(each, row) for each in value]
    return {key: _value(each, row) for key, each in value.items()} if isinstance(value, dict) else value


def _text(text: str, row: Row) -> str:
    """Fill ``{Column}``; ``{line}`` is the row's line number."""
    return text.format_map(_Columns(row))


def _filled(text: str, row: Row) -> str:
    """Fill a template; empty when the column it stands for is."""
    return "" if not _values(text, row) else _text(text, row).strip()


def _values(text: str, row: Row) -> bool:
    return all(_Columns(row)[name].strip() for name in _names(text))


def _names(text: str) -> list[str]:
    return [part.partition("}")[0] for part in text.split("{")[1:]]


def _column(text: str) -> str:
    return ", ".join(_names(text)) or text


class _Columns(dict[str, str]):
    def __init__(self, row: Row) -> None:
        super().__init__({**row.values, "line": str(row.line)})

    def __missing__(self, name: str) -> str:
        raise KeyError(name)
