"""Rows → facts, by a mapping; pure. What cannot become one says why, by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from omnibus.errors import InputError
from omnibus.facets.cart import read_lines
from omnibus.intake.mapping import Mapping_, Rule
from omnibus.intake.rows import Record
from omnibus.model.event import Event


@dataclass(frozen=True, slots=True)
class Converted:
    """Hold one event to be, and whose it is; *line* is its last row's."""

    line: int
    customer: str
    identities: Mapping[str, str] = field(repr=False)
    event: Event
    rows: tuple[Record, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """Hold one row that became nothing, and why."""

    line: int
    reason: str
    row: Record = field(repr=False)


@dataclass(frozen=True, slots=True)
class Skip:
    """Hold one row that is known to be of no interest."""

    line: int


@dataclass(slots=True)
class _Good:
    """Hold a row that can become a fact: its columns with `line`, and what was read of them already."""

    row: Record
    columns: dict[str, str] = field(repr=False)
    rule: Rule
    time: datetime
    customer: str
    identities: dict[str, str] = field(repr=False)
    line: dict[str, Any] | None = field(repr=False)


def convert(rows: Iterable[Record], mapping: Mapping_) -> Iterator[Converted | Reject | Skip]:
    """Convert a stream of rows; rows of one group become one fact."""
    group: list[Record] = []
    for row in rows:
        if row.fault:
            yield Reject(row.line, row.fault, row)
        elif not mapping.group:
            yield from _converted([row], mapping)
        else:
            if group and group[-1].values.get(mapping.group) != row.values.get(mapping.group):
                yield from _converted(group, mapping)
                group = []
            group.append(row)
    if group:
        yield from _converted(group, mapping)


def _converted(group: list[Record], mapping: Mapping_) -> Iterator[Converted | Reject | Skip]:
    good: list[_Good] = []
    for row in group:
        rule = mapping.rule(row.values)
        if rule is None:
            yield Reject(row.line, "no [[event]] of the mapping matches", row)
        elif rule.skip:
            yield Skip(row.line)
        else:
            read = _read(row, rule, mapping)
            if isinstance(read, str):
                yield Reject(row.line, read, row)
            else:
                good.append(read)
    if good:
        try:
            fact = _fact(good, good[0].rule, mapping)
        except KeyError as error:
            yield from (Reject(each.row.line, f"there is no column {error.args[0]}", each.row) for each in good)
        else:
            yield fact


def _read(row: Record, rule: Rule, mapping: Mapping_) -> _Good | str:
    """Read what every row must have; the fault in words where it has not."""
    columns = {**row.values, "line": str(row.line)}
    try:
        time = _time(row, mapping)
        customer = _filled(mapping.customer, columns)
        if mapping.customer and not customer:
            return f"{_column(mapping.customer)} is empty"
        identities = {}
        for kind, text in mapping.identities.items():
            identities[kind] = _filled(text, columns)
            if text and not identities[kind]:
                return f"{_column(text)} is empty"
        line = _line(columns, rule) if rule.lines else None
    except KeyError as error:
        return f"there is no column {error.args[0]}"
    except InputError as error:
        return error.what
    return _Good(row, columns, rule, time, customer, identities, line)


def _fact(good: list[_Good], rule: Rule, mapping: Mapping_) -> Converted:
    first, last = good[0], good[-1]
    data: dict[str, Any] = {key: _value(value, first.columns) for key, value in rule.data.items()}
    if rule.lines:
        lines = [each.line if each.line and each.rule is rule else _line(each.columns, rule) for each in good]
        data["lines"] = lines
        if rule.total:
            data[rule.total] = f"{sum((Decimal(x['price']) * x['quantity'] for x in lines), Decimal()):.2f}"
    event = Event(_text(rule.id, first.columns), mapping.name, rule.type, first.time, first.customer, data)
    return Converted(last.row.line, first.customer, first.identities, event, tuple([each.row for each in good]))


def _line(columns: Mapping[str, str], rule: Rule) -> dict[str, Any]:
    told = {key: _text(text, columns) for key, text in rule.lines.items()}
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


def _time(row: Record, mapping: Mapping_) -> datetime:
    text = row.values[mapping.time].strip()
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{mapping.time} is no time") from None
    return when.replace(tzinfo=when.tzinfo or mapping.zone).astimezone(UTC)


def _value(value: Any, columns: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _text(value, columns)
    if isinstance(value, list):
        return [_value(each, columns) for each in value]
    return {key: _value(each, columns) for key, each in value.items()} if isinstance(value, dict) else value


def _text(text: str, columns: Mapping[str, str]) -> str:
    """Fill ``{Column}``; ``{line}`` is the row's line number."""
    alone = _names(text)[1]
    return columns[alone] if alone else text.format_map(columns)


def _filled(text: str, columns: Mapping[str, str]) -> str:
    """Fill a template; empty when the column it stands for is."""
    for name in _names(text)[0]:
        if not columns[name].strip():
            return ""
    return _text(text, columns).strip()


@lru_cache(maxsize=1024)
def _names(text: str) -> tuple[tuple[str, ...], str]:
    """List the columns of a template, and the one of which it is nothing but the value."""
    names = tuple(part.partition("}")[0] for part in text.split("{")[1:])
    alone = names[0] if len(names) == 1 and text == f"{{{names[0]}}}" and not set(names[0]) & set("!:.[") else ""
    return names, alone


def _column(text: str) -> str:
    return ", ".join(_names(text)[0]) or text
