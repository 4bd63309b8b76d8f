"""Rows to nouns and back; no statement that decides anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from pydantic_core import from_json, to_json

from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.model.run import Run
from omnibus.model.swift import many
from omnibus.store import OpenAttempt
from omnibus.stores.schema import EPOCH, MICRO, from_micros, to_micros
from omnibus.stores.texts import NUL, nul, refuse

Row = tuple[Any, ...]

DELIVERY = (
    "id, customer, subject, message, purpose, topic, brand, audience, via, state, reason, due, accepted, expires, data,"
    " origin, channel, provider, identity, provider_id, tried, attempts, faults, flagged, withdraw, lease"
)
EVENT = "id, source, type, time, subject, data"
ATTEMPT = (
    "id, delivery, customer, number, channel, provider, identity, started, outcome, reason, provider_id, points, ended,"
    " details"
)
RUN = "id, customer, journey, version, entry, node, due, waiting, revision, data, reason, started"


def dump(value: Any) -> str:
    """Write JSON, compact and stable, by the fastest writer at hand; what that one does not know is written as its text."""
    try:
        return to_json(value, inf_nan_mode="constants").decode()
    except ValueError:
        return _encode(value)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


_events = many(Event)
_ORDER = itemgetter(3, 0, 1)  # time, id, source among the columns EVENT
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode  # made once, not per row


def micros(when: datetime | None) -> int | None:
    """Write an optional time."""
    return None if when is None else to_micros(when)


def moment(stamp: int | None) -> datetime | None:
    """Read an optional time."""
    return None if stamp is None else from_micros(stamp)


def delivery_row(each: Delivery) -> Row:
    """Write a delivery as its columns (in DELIVERY order, without the lease), and whether it is watched.

    Raises:
        InputError: a NUL in its origin.
    """
    if NUL in each.origin:
        raise nul()
    accepted = to_micros(each.accepted)
    due = accepted if each.due is each.accepted else micros(each.due)
    return (
        each.id, each.customer, each.subject, each.message, each.purpose, each.topic, each.brand, each.audience,
        _list(each.via), str(each.state), each.reason, due, accepted, micros(each.expires), _data(each), each.origin,
        each.channel, each.provider, each.identity, each.provider_id, _list(each.tried), each.attempts, each.faults,
        int(each.flagged), int(each.withdraw), int(bool(each.premises)),
    )  # fmt: skip


@lru_cache(maxsize=1000)
def _list(names: tuple[str, ...]) -> str:
    """Write what many rows have in common; few such lists are made, so they are remembered."""
    return dump(names)


@lru_cache(maxsize=1000)
def _terms(premises: tuple[str, ...], offer: str) -> str:
    return f'"premises":{dump(premises)},"offer":{dump(offer)}'


def _data(each: Delivery) -> str:
    """Write what is read with the row and never searched, as one object; most of it is empty most of the time."""
    values = dump(each.values) if each.values else "{}"
    inline = dump(each.inline) if each.inline else '""'
    key = dump(each.key) if each.key else '""'
    return f'{{"values":{values},"inline":{inline},{_terms(each.premises, each.offer)},"key":{key}}}'


_STATES = {each.value: each for each in State}
_moment = lru_cache(maxsize=1024)(from_micros)  # what was accepted together, is due and expires together


@lru_cache(maxsize=1024)
def _names(text: str) -> tuple[str, ...]:
    return tuple(load(text))


@lru_cache(maxsize=256)
def _told(text: str) -> tuple[dict[str, Any], str, tuple[str, ...], str, str]:
    """Read what a delivery was told; a campaign tells all of them the same, and nobody writes into it."""
    data = load(text)
    return data["values"], data["inline"], tuple(data["premises"]), data["offer"], data.get("key", "")


def read_delivery(row: Row) -> Delivery:
    """Read the columns DELIVERY."""
    (
        id_, customer, subject, message, purpose, topic, brand, audience, via, state, reason, due, accepted, expires, data,
        origin, channel, provider, identity, provider_id, tried, attempts, faults, flagged, withdraw, lease,
    ) = row  # fmt: skip
    values, inline, premises, offer, key = _told(data)
    return Delivery(
        id_, customer, subject, message, purpose, brand, _names(via), _STATES[state],
        _moment(accepted if due is None else due), _moment(accepted), None if expires is None else _moment(expires), topic, audience, reason, values, inline, key, origin, premises,
        offer, channel, provider, identity, provider_id, _names(tried), attempts, faults, lease or "", bool(flagged),
        bool(withdraw),
    )  # fmt: skip


def event_row(each: Event, heard: int) -> Row:
    """Write an event as source, id, type, time, subject, data, heard.

    Raises:
        InputError: a NUL in its id, source or subject.
    """
    if NUL in each.id or NUL in each.source or NUL in each.subject:
        raise nul()
    return each.source, each.id, each.type, to_micros(each.time), each.subject, dump(dict(each.data)), heard


def load(text: str | bytes) -> Any:
    """Read JSON, by the fastest reader at hand; what is too deep for that one is left to the standard library's."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def read_events(rows: Iterable[Row]) -> list[Event]:
    """Read rows of the columns EVENT; written out, for a timeline has many."""
    told = list(rows)
    try:
        return _events([(i, src, kind, EPOCH + MICRO * t, who, from_json(data)) for i, src, kind, t, who, data in told])
    except ValueError:
        return _events([(*row[:3], from_micros(row[3]), row[4], load(row[5])) for row in told])


def in_order(rows: list[Row]) -> list[Row]:
    """Sort rows of the columns EVENT as a timeline goes: by time, id and source."""
    rows.sort(key=_ORDER)
    return rows


def read_attempt(row: Row) -> OpenAttempt:
    """Read the columns ATTEMPT."""
    return OpenAttempt(
        id=row[0], delivery=row[1], customer=row[2], number=row[3], channel=row[4], provider=row[5], identity=row[6],
        started=from_micros(row[7]), outcome=row[8], reason=row[9], provider_id=row[10], points=row[11],
        ended=moment(row[12]), details=row[13],
    )  # fmt: skip


def run_row(each: Run, started: datetime) -> Row:
    """Write a run as the columns RUN.

    Raises:
        InputError: a NUL in what it was entered for.
    """
    refuse(each.entry)
    return (
        each.id, each.customer, each.journey, each.version, each.entry, each.node, micros(each.due), dump(each.waiting),
        each.revision, dump(each.values), each.reason, to_micros(each.started or started),
    )  # fmt: skip


def read_run(row: Row) -> Run:
    """Read the columns RUN."""
    return Run(
        id=row[0], customer=row[1], journey=row[2], version=row[3], entry=row[4], node=row[5], due=moment(row[6]),
        waiting=tuple(json.loads(row[7])), revision=row[8], values=json.loads(row[9]), reason=row[10],
        started=from_micros(row[11]),
    )  # fmt: skip
