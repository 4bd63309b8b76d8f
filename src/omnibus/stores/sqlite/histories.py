"""Whole timelines of many customers in four statements, handed on one by one: of the events only one customer's are held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

import apsw

from omnibus.model.trace import History
from omnibus.store import decode_bodies
from omnibus.stores.rows import EVENT, Row, in_order, read_events
from omnibus.stores.sqlite.listing import EACH, listed
from omnibus.stores.sqlite.loading import aliases, chain, now_called

T = TypeVar("T")

_IN = f"IN (SELECT value FROM {EACH}(?))"
_CONTEXT = f"SELECT customer, version, body FROM context WHERE customer {_IN}"
_EVENTS = (
    f"SELECT {EVENT} FROM event WHERE subject {_IN} ORDER BY subject, time, id"  # as the index event_timeline goes
)
_time, _subject = itemgetter(3), itemgetter(4)  # among the columns EVENT


def histories(db: apsw.Connection, ids: Sequence[str], fold: Callable[[History], T]) -> dict[str, T]:
    """Fold customers by the ids asked for: merged ids lead to who they are now, unknown ones are missing."""
    who = now_called(db, ids)
    these = list(dict.fromkeys(who.values()))
    contexts = {row[0]: row for row in db.execute(_CONTEXT, (listed(these),))}
    found: dict[str, T] = {}
    with closing(
        _timelines(db, these)
    ) as timelines:  # also when a fold fails: what is still read would keep its moment
        for id_, rows in timelines:
            _, version, body = contexts.get(id_, (id_, 0, b""))
            found[id_] = fold(History(id_, version, decode_bodies(body), read_events(rows)))
    return {asked: found[id_] for asked, id_ in who.items()}


def _timelines(db: apsw.Connection, ids: Sequence[str]) -> Generator[tuple[str, list[Row]], None, None]:
    """Give everybody's events in order; what merged people did under several ids is put together when all of it is here."""
    merged = aliases(db, listed(ids))
    left, owner = dict.fromkeys(ids), dict(zip(ids, ids, strict=True))
    owner |= {alias: id_ for id_ in ids if id_ in merged for alias in chain(id_, merged)}
    several: defaultdict[str, list[Row]] = defaultdict(list)
    for subject, rows in groupby(db.execute(_EVENTS, (listed(list(owner)),)), _subject):
        id_ = owner[subject]
        if id_ in merged:
            several[id_] += rows
            continue
        mine = list(rows)
        del left[id_]
        yield id_, mine if len(set(map(_time, mine))) == len(mine) else in_order(mine)
    for id_ in left:
        yield id_, in_order(several[id_])
