"""Accept wishes: known keys give what they gave before; deliveries of merged customers go to who they are now.

What is the same for many customers is written by one statement a table, not by one a row: each statement costs its turn
at Python's lock as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import apsw

from omnibus.errors import stranger
from omnibus.model.delivery import WAITING, Delivery
from omnibus.model.mailing import Mailing
from omnibus.store import Take, Wish
from omnibus.stores.rows import DELIVERY, delivery_row, dump, read_delivery
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.customers import canonical
from omnibus.stores.sqlite.listing import EACH, listed
from omnibus.stores.sqlite.outbox import lend
from omnibus.stores.sqlite.statements import RAISED, RAISING, URGENT
from omnibus.stores.texts import NUL

Answer = tuple[Delivery, ...] | None

_COLUMNS = f"{DELIVERY.removesuffix(', lease')}, watched"
INSERT = f"INSERT INTO delivery ({_COLUMNS}) VALUES ({', '.join('?' * 26)})"
#: ?1 lists id and customer in one text, the id ?2 characters long; what follows is the same for all. Those who were
#: merged, and those who do not exist, are left out
_SPREAD = (
    f"INSERT INTO delivery ({_COLUMNS}) SELECT substr(l.value, 1, ?2), c.id, c.id, {', '.join(f'?{n}' for n in range(3, 26))}"
    f' FROM {EACH}(?1) l CROSS JOIN customer c ON c.id=substr(l.value, ?2 + 1) WHERE c."into" IS NULL'
)
#: as RAISED, for all lanes of a list
_RAISED = f"INSERT INTO lane (customer, due, urgent) SELECT value, ?2, ?3 FROM {EACH}(?1) WHERE true {RAISING}"
TALLY = "INSERT INTO tally (name, count) VALUES ('accepted', ?1) ON CONFLICT (name) DO UPDATE SET count=count+?1"
_MERGED = f'SELECT c.id, c."into" FROM {EACH}(?) l CROSS JOIN customer c ON c.id=l.value'
_BUSY = (
    f"SELECT n.customer FROM {EACH}(?) l CROSS JOIN lane n ON n.customer=l.value"
    " WHERE n.lease IS NOT NULL OR n.urgent IS NOT NULL"
    f' UNION ALL SELECT c.id FROM {EACH}(?1) l CROSS JOIN customer c ON c.id=l.value WHERE c."into" IS NOT NULL'
)
_KEYS = f"SELECT k.key, k.digest, k.deliveries FROM {EACH}(?) l CROSS JOIN sendkey k ON k.key=l.value"


def accept(db: apsw.Connection, wishes: Sequence[Wish], take: Take | None = None) -> list[Answer]:
    """Accept each wish once; what is urgent and finds its lane empty is in hand at once.

    Raises:
        NotFound: for a customer who does not exist.
    """
    used = _used(db, [each.key for each in wishes if each.key])
    answers: list[Answer] = []
    fresh: list[Delivery] = []
    keys: dict[str, Wish] = {}
    for wish in wishes:
        if wish.key in keys:
            answers.append(keys[wish.key].deliveries if keys[wish.key].digest == wish.digest else None)
        elif wish.key in used:
            digest, before = used[wish.key]
            answers.append(tuple([_read(db, id_) for id_ in json.loads(before)]) if digest == wish.digest else None)
        else:
            fresh += wish.deliveries
            answers.append(wish.deliveries)
            if wish.key:
                keys[wish.key] = wish
    kept = [(key, each.digest, dump([one.id for one in each.deliveries])) for key, each in keys.items()]
    db.executemany("INSERT INTO sendkey (key, digest, deliveries) VALUES (?, ?, ?)", kept)
    free = _free_lanes(db, fresh) if take is not None else ()
    _insert(db, fresh)
    if take is None or not free:
        return answers
    taken = {each.customer: each.id for each in reversed(fresh) if each.customer in free and _urgent(each)}
    held = dict(list(taken.items())[: take.limit])
    lend(db, held, take.lease, take.term)
    ids = set(held.values())
    return [answer and tuple([_held(each, take, ids) for each in answer]) for answer in answers]


def _urgent(delivery: Delivery) -> bool:
    return delivery.purpose == URGENT and delivery.due is not None and delivery.due <= delivery.accepted


def _held(delivery: Delivery, take: Take, ids: set[str]) -> Delivery:
    return replace(delivery, lease=take.lease) if delivery.id in ids else delivery


def _free_lanes(db: apsw.Connection, fresh: Sequence[Delivery]) -> set[str]:
    """Tell whose urgent deliveries may go at once: nothing of theirs is in anybody's hands, nor waits as urgently."""
    who = {each.customer for each in fresh if _urgent(each)}
    return who.difference([row[0] for row in db.execute(_BUSY, (listed(list(who)),))]) if who else who


def _used(db: apsw.Connection, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Tell which keys were used before: key → digest and what was accepted."""
    return {row[0]: (row[1], row[2]) for row in db.execute(_KEYS, (listed(keys),))} if keys else {}


def _insert(db: apsw.Connection, fresh: Sequence[Delivery]) -> None:
    """Insert deliveries that differ in everything."""
    if not fresh:
        return
    owners = owners_of(db, {each.customer for each in fresh})
    rows, lanes = [], []
    for each in fresh:
        customer = owners.get(each.customer)
        if customer is None:
            raise stranger(each.customer)
        row = delivery_row(each)
        rows.append(row if customer == each.customer else (row[0], customer, *row[2:]))
        if each.state in WAITING:
            due = row[11]
            lanes.append((customer, due, due if each.purpose == URGENT else None))
    db.executemany(INSERT, rows)
    db.executemany(RAISED, lanes)
    db.execute(TALLY, (len(fresh),))


def owners_of(db: apsw.Connection, customers: Iterable[str]) -> dict[str, str]:
    """Follow merges: customer → who they are now; unknown ones are missing."""
    found: dict[str, str] = {}
    for id_, into in db.execute(_MERGED, (listed(list(customers)),)):
        who = id_ if into is None else canonical(db, id_)
        if who is not None:
            found[id_] = who
    return found


def accept_many(db: apsw.Connection, mailing: Mailing) -> None:
    """Accept the same for many customers.

    Raises:
        NotFound: for a customer who does not exist.
    """
    if not mailing.ids:
        return
    who: Sequence[str] = mailing.customers
    if NUL in "".join(who):  # a list would end there, and name somebody else
        raise stranger(next(each for each in who if NUL in each))
    if spread(db, mailing.templates, who, mailing.ids) < len(mailing.ids):
        who = _lead_on(db, mailing)
    raise_lanes(db, mailing.templates, who)
    db.execute(TALLY, (len(mailing.ids),))


def spread(db: apsw.Connection, templates: Sequence[Delivery], customers: Sequence[str], ids: Sequence[str]) -> int:
    """Insert what each of these customers gets, but for those who were merged or are not there; gives how many rows."""
    width, many, written = len(ids[0]), len(templates), db.total_changes()
    if len(set(map(len, ids))) > 1:
        raise ValueError("ids of different lengths")
    for place, template in enumerate(templates):
        pairs = listed([id_ + who for id_, who in zip(ids[place::many], customers, strict=False)])
        db.execute(_SPREAD, (pairs, width, *delivery_row(template)[3:]))
    return db.total_changes() - written


def _lead_on(db: apsw.Connection, mailing: Mailing) -> list[str]:
    """Insert what those get who were merged, as who they are now; gives who everybody is.

    Raises:
        NotFound: for a customer who does not exist.
    """
    owners = owners_of(db, set(mailing.customers))
    for each in mailing.customers:
        if each not in owners:
            raise stranger(each)
    moved = [
        (each.id, owners[each.customer], *delivery_row(each)[2:])
        for deliveries in mailing.deliveries()
        for each in deliveries
        if owners[each.customer] != each.customer
    ]
    db.executemany(INSERT, moved)
    return [owners[each] for each in mailing.customers]


def raise_lanes(db: apsw.Connection, templates: Sequence[Delivery], customers: Sequence[str]) -> None:
    """Let the lanes of customers be due when what they got is."""
    urgent = [to_micros(each.due) for each in templates if each.purpose == URGENT]
    due = min(to_micros(each.due) for each in templates)
    db.execute(_RAISED, (listed(customers), due, min(urgent, default=None)))


def _read(db: apsw.Connection, id_: str) -> Delivery:
    row = db.execute(f"SELECT {DELIVERY} FROM delivery WHERE id=?", (id_,)).fetchone()
    if row is None:
        raise LookupError(id_)
    return read_delivery(row)
