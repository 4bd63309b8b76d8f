"""Accept wishes: known keys give what they gave before; deliveries of merged customers go to who they are now."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from omnibus.errors import stranger
from omnibus.model.delivery import WAITING, Delivery
from omnibus.model.mailing import Mailing
from omnibus.model.message import Purpose
from omnibus.store import Wish
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection, Surprise
from omnibus.stores.postgres.standing import batch, packed
from omnibus.stores.rows import DELIVERY, delivery_row, dump, read_delivery
from omnibus.stores.schema import to_micros
from omnibus.stores.texts import storable

COUNTERS = 16  # rows that share the count of what was accepted, so that no two calls wait for the same one
READ = f"SELECT {DELIVERY} FROM delivery WHERE id = ANY(%s)"
Answer = tuple[Delivery, ...] | None


class WishSheet:
    """Decide on wishes from what is known of their keys, and write them at once."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, tuple[Delivery, ...]]] = {}
        self.owners: dict[str, str] = {}
        self._fresh: list[Wish] = []

    def fits(self, wish: Wish) -> bool:
        """Tell whether the key is free, or was used for the same."""
        return not wish.key or wish.key not in self.known or self.known[wish.key][0] == wish.digest

    def take(self, wish: Wish) -> Answer:
        """Take one wish; None for a key that was used for something else.

        Raises:
            NotFound: for a customer who does not exist.
        """
        if not self.fits(wish):
            return None
        if wish.key and wish.key in self.known:
            return self.known[wish.key][1]
        for each in wish.deliveries:
            if each.customer not in self.owners:
                raise stranger(each.customer)
        self._fresh.append(wish)
        if wish.key:
            self.known[wish.key] = (wish.digest, wish.deliveries)
        return wish.deliveries

    async def write(self, db: Connection) -> None:
        """Write what was taken.

        Raises:
            Surprise: a key was used, or a customer merged, in between; the whole call runs again.
        """
        if not self._fresh:
            return
        keys = [(each.key, each.digest, dump([own.id for own in each.deliveries])) for each in self._fresh if each.key]
        taken = [each for wish in self._fresh for each in wish.deliveries]
        owners = sorted({self.owners[each.customer] for each in taken})
        async with db.pipeline():
            put = await batch(db, sql.PUT_KEYS, keys)
            await batch(db, sql.RAISE_LANES, self._lanes(taken))
            present = await db.execute(sql.PRESENT, (owners,))  # after the lanes: merges hold them, too
            await batch(db, sql.PUT_DELIVERIES, [self._row(each) for each in taken])
            name = f"accepted:{random.randrange(COUNTERS)}"  # noqa: S311 - spreads the writers
            await db.execute(sql.COUNT, (name, len(taken)))
        if (put is not None and put.rowcount != len(keys)) or len(await present.fetchall()) != len(owners):
            raise Surprise

    def _row(self, each: Delivery) -> tuple[object, ...]:
        row = delivery_row(each)
        return row[0], self.owners[each.customer], *row[2:]

    def _lanes(self, taken: Sequence[Delivery]) -> list[tuple[str, int | None, int | None]]:
        lanes: dict[str, tuple[int | None, int | None]] = {}
        for each in taken:
            due, urgent = lanes.get(self.owners[each.customer], (None, None))
            if each.state in WAITING:
                at = to_micros(each.due)
                due = at if due is None else min(due, at)
                if each.purpose == Purpose.TRANSACTIONAL.value:
                    urgent = at if urgent is None else min(urgent, at)
            lanes[self.owners[each.customer]] = (due, urgent)
        return [(customer, *dues) for customer, dues in lanes.items()]


async def open_acceptance(db: Connection, wishes: Sequence[Wish]) -> WishSheet:
    """Read what is known of the wishes' keys and customers."""
    made = WishSheet()
    if not wishes:
        return made
    async with db.pipeline():
        keys = await db.execute(sql.READ_KEYS, ([each.key for each in wishes if each.key],))
        owners = await db.execute(sql.CANONICAL, (list({one.customer for each in wishes for one in each.deliveries}),))
    made.owners = dict(await owners.fetchall())
    used = {row[0]: (row[1], json.loads(row[2])) for row in await keys.fetchall()}
    if used:
        cursor = await db.execute(READ, ([id_ for _, ids in used.values() for id_ in ids],))
        before = {row[0]: read_delivery(row) for row in await cursor.fetchall()}
        made.known = {key: (digest, tuple(before[id_] for id_ in ids)) for key, (digest, ids) in used.items()}
    return made


async def accept(db: Connection, wishes: Sequence[Wish]) -> list[Answer]:
    """Accept each wish once."""
    acceptance = await open_acceptance(db, wishes)
    answers = [acceptance.take(each) for each in wishes]
    await acceptance.write(db)
    return answers


async def accept_many(db: Connection, mailing: Mailing) -> None:
    """Accept the same for many customers, as who they are now.

    Raises:
        NotFound: for a customer who does not exist.
        Surprise: one of them was merged in between; the whole call runs again.
    """
    asked = storable(set(mailing.customers))
    owners = dict(await (await db.execute(sql.CANONICAL, (asked,))).fetchall())
    for each in mailing.customers:
        if each not in owners:
            raise stranger(each)
    await spread(db, mailing.templates, [(owners[each], each) for each in mailing.customers], mailing.ids)


async def spread(
    db: Connection, templates: Sequence[Delivery], people: Sequence[tuple[str, str]], ids: Sequence[str]
) -> None:
    """Insert what each of *people* (who they are, who was asked for) gets: lanes first, in the order of customers.

    Raises:
        Surprise: one of them is not who they were.
    """
    due = min(to_micros(each.due) for each in templates)
    urgent = min((to_micros(each.due) for each in templates if each.purpose == Purpose.TRANSACTIONAL), default=None)
    owners, subjects = [each for each, _ in people], [each for _, each in people]
    unique = sorted(set(owners))
    async with db.pipeline():
        await batch(db, sql.RAISE_LANES, [(each, due, urgent) for each in unique])
        present = await db.execute(sql.PRESENT, (unique,))  # after the lanes: merges hold them, too
        for place, template in enumerate(templates):
            shared = delivery_row(template)[3:]
            mine = zip(ids[place :: len(templates)], owners, subjects, strict=True)
            await db.execute(sql.SPREAD, (*shared, packed(mine)))
        name = f"accepted:{random.randrange(COUNTERS)}"  # noqa: S311 - spreads the writers
        await db.execute(sql.COUNT, (name, len(ids)))
    if len(await present.fetchall()) != len(unique):
        raise Surprise
