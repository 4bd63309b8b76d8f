"""Accept wishes: known keys give what they gave before; deliveries of merged customers go to who they are now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import apsw

from omnibus.errors import NotFound
from omnibus.model.delivery import WAITING, Delivery
from omnibus.store import Wish
from omnibus.stores.rows import DELIVERY, delivery_row, dump, read_delivery
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.customers import canonical
from omnibus.stores.sqlite.statements import RAISED, URGENT

_INSERT = f"INSERT INTO delivery ({DELIVERY.removesuffix(', lease')}, watched) VALUES ({', '.join('?' * 26)})"


def accept(db: apsw.Connection, wishes: Sequence[Wish]) -> list[tuple[Delivery, ...] | None]:
    """Accept each wish once; deliveries of merged customers go to who they are now."""
    answers: list[tuple[Delivery, ...] | None] = []
    fresh: list[Delivery] = []
    keys: dict[str, Wish] = {}
    for wish in wishes:
        known, answer = _kept(db, wish, keys) if wish.key else (False, None)
        if not known:
            fresh += wish.deliveries
            answer = wish.deliveries
            if wish.key:
                keys[wish.key] = wish
        answers.append(answer)
    kept = [(key, each.digest, dump([one.id for one in each.deliveries])) for key, each in keys.items()]
    db.executemany("INSERT INTO sendkey (key, digest, deliveries) VALUES (?, ?, ?)", kept)
    _insert(db, fresh)
    return answers


def _kept(db: apsw.Connection, wish: Wish, keys: Mapping[str, Wish]) -> tuple[bool, tuple[Delivery, ...] | None]:
    """Tell whether a key was used before, here or ever, and what was accepted under it; None for another digest."""
    mine = keys.get(wish.key)
    if mine is not None:
        return True, mine.deliveries if mine.digest == wish.digest else None
    row = db.execute("SELECT digest, deliveries FROM sendkey WHERE key=?", (wish.key,)).fetchone()
    if row is None:
        return False, None
    return True, tuple(_read(db, id_) for id_ in json.loads(row[1])) if row[0] == wish.digest else None


def _insert(db: apsw.Connection, fresh: Sequence[Delivery]) -> None:
    rows, lanes = [], []
    for each in fresh:
        customer = canonical(db, each.customer)
        if customer is None:
            raise NotFound(f"no customer {each.customer}", fix="`omnibus customers` lists them")
        row = delivery_row(each)
        rows.append((row[0], customer, *row[2:]))
        if each.state in WAITING:
            due = to_micros(each.due)
            lanes.append((customer, due, due if each.purpose == URGENT else None))
    db.executemany(_INSERT, rows)
    db.executemany(RAISED, lanes)
    if fresh:
        db.execute(
            "INSERT INTO tally (name, count) VALUES ('accepted', ?1) ON CONFLICT (name) DO UPDATE SET count=count+?1",
            (len(fresh),),
        )


def _read(db: apsw.Connection, id_: str) -> Delivery:
    row = db.execute(f"SELECT {DELIVERY} FROM delivery WHERE id=?", (id_,)).fetchone()
    if row is None:
        raise LookupError(id_)
    return read_delivery(row)
