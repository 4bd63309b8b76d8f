"""Accept wishes: known keys give what they gave before; deliveries of merged customers go to who they are now.

What is in the acceptor's hands at once may have its attempt written down in the same commit, guarded as any other.

What is the same for many customers is written by one statement a table, not by one a row: each statement costs its turn
at Python's lock as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import apsw

from omnibus.errors import stranger
from omnibus.model.delivery import WAITING, Delivery
from omnibus.model.mailing import Mailing
from omnibus.store import Grant, Take, Wish
from omnibus.stores.rows import DELIVERY, delivery_row, dump, read_delivery
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.batch import attempt
from omnibus.stores.sqlite.customers import canonical, refresh_lane
from omnibus.stores.sqlite.listing import EACH, listed
from omnibus.stores.sqlite.outbox import machine_micros
from omnibus.stores.sqlite.statements import RAISED, RAISING, URGENT
from omnibus.stores.texts import NUL

Answer = tuple[Delivery, ...] | None

_COLUMNS = f"{DELIVERY.removesuffix(', lease')}, watched"
INSERT = f"INSERT INTO delivery ({_COLUMNS}, lease, lease_until) VALUES ({', '.join('?' * 28)})"
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
#: who they are now, and whether nothing of theirs is in anybody's hands, nor waits as urgently
_LANES = (
    f'SELECT c.id, c."into", n.lease IS NULL AND n.urgent IS NULL FROM {EACH}(?) l CROSS JOIN customer c ON c.id=l.value'
    " LEFT JOIN lane n ON n.customer=c.id"
)
#: as RAISED, for a free lane whose new delivery is in hand from the first
_LENT = (
    "INSERT INTO lane (customer, due, urgent, lease, lease_until) VALUES (?1, ?2, ?2, ?3, ?4) ON CONFLICT (customer)"
    " DO UPDATE SET due=min(coalesce(due, ?2), ?2), urgent=min(coalesce(urgent, ?2), ?2), lease=?3, lease_until=?4"
)
_BACK = (
    "UPDATE delivery SET state='queued', lease=NULL, lease_until=NULL WHERE id=? AND lease=? AND state='sending'"
    " RETURNING customer"
)
_KEYS = f"SELECT k.key, k.digest, k.deliveries FROM {EACH}(?) l CROSS JOIN sendkey k ON k.key=l.value"


class Lent(NamedTuple):
    """Hold what comes into a worker's hands when it is inserted: *taken* is customer → delivery, *until* machine time."""

    lease: str
    until: int
    taken: Mapping[str, str]


NOTHING = Lent("", 0, {})


def accept(
    db: apsw.Connection, wishes: Sequence[Wish], take: Take | None = None, stirring: frozenset[str] = frozenset()
) -> list[Answer]:
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
    if keys:
        kept = [(key, each.digest, dump([one.id for one in each.deliveries])) for key, each in keys.items()]
        db.executemany("INSERT INTO sendkey (key, digest, deliveries) VALUES (?, ?, ?)", kept)
    if take is None:
        _insert(db, fresh, owners_of(db, {each.customer for each in fresh}))
        return answers
    held = _take(db, fresh, take, stirring)
    return [answer and tuple([_held(each, take.lease, held) for each in answer]) for answer in answers]


def _take(db: apsw.Connection, fresh: Sequence[Delivery], take: Take, stirring: frozenset[str]) -> dict[str, int]:
    """Insert deliveries, those that may go at once in hand; gives what is in hand with the number of its attempt, or nought."""
    for id_ in take.back:
        for (customer,) in db.execute(_BACK, (id_, take.lease)).fetchall():
            refresh_lane(db, str(customer))
    owners, free = _standing(db, {each.customer for each in fresh})
    taken: dict[str, str] = {}
    for each in fresh:
        if each.customer in free and _urgent(each) and len(taken) < take.limit:
            taken.setdefault(each.customer, each.id)
    _insert(db, fresh, owners, Lent(take.lease, machine_micros() + int(take.term * 1_000_000), taken))
    held = dict.fromkeys(taken.values(), 0)
    if tries := [each for each in take.tries if each.delivery in held]:
        grants = zip(tries, attempt(db, tries, stirring), strict=True)
        held |= {each.delivery: each.number for each, grant in grants if grant is Grant.GRANTED}
    return held


def _urgent(delivery: Delivery) -> bool:
    return delivery.purpose == URGENT and delivery.due is not None and delivery.due <= delivery.accepted


def _held(delivery: Delivery, lease: str, held: Mapping[str, int]) -> Delivery:
    number = held.get(delivery.id)
    return delivery if number is None else replace(delivery, lease=lease, attempts=number)


def _standing(db: apsw.Connection, customers: Iterable[str]) -> tuple[dict[str, str], set[str]]:
    """Tell who they are now, and whose urgent delivery may go at once: nothing is in a hand, nor waits as urgently."""
    owners, free = dict[str, str](), set[str]()
    for id_, into, lane in db.execute(_LANES, (listed(list(customers)),)):
        if into is None:
            owners[id_] = id_
            if lane:
                free.add(id_)
        elif (who := canonical(db, id_)) is not None:
            owners[id_] = who
    return owners, free


def _used(db: apsw.Connection, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Tell which keys were used before: key → digest and what was accepted."""
    return {row[0]: (row[1], row[2]) for row in db.execute(_KEYS, (listed(keys),))} if keys else {}


def _insert(db: apsw.Connection, fresh: Sequence[Delivery], owners: Mapping[str, str], lent: Lent = NOTHING) -> None:
    """Insert deliveries that differ in everything; what is lent is in hand from the first.

    Raises:
        NotFound: for a customer who does not exist.
    """
    rows, lanes, ours = [], [], []
    for each in fresh:
        customer = owners.get(each.customer)
        if customer is None:
            raise stranger(each.customer)
        row = delivery_row(each)
        mine = lent.taken.get(customer) == each.id
        state, until = ("sending", (lent.lease, lent.until)) if mine else (row[9], (None, None))
        rows.append((row[0], customer, *row[2:9], state, *row[10:], *until))
        due = row[11]
        if mine:
            ours.append((customer, due, *until))
        elif each.state in WAITING:
            lanes.append((customer, due, due if each.purpose == URGENT else None))
    if rows:
        db.executemany(INSERT, rows)
        db.execute(TALLY, (len(rows),))
    if ours:
        db.executemany(_LENT, ours)
    if lanes:
        db.executemany(RAISED, lanes)


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
    db.executemany(INSERT, [(*each, None, None) for each in moved])
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
