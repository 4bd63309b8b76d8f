"""The Store port over PostgreSQL: each call is one short transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from omnibus.errors import ConfigError, StoreFull
from omnibus.model.customer import Customer, Identity
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.model.mailing import Mailing
from omnibus.model.offer import Redemption
from omnibus.store import Change, CodeRow, Loaded, OpenAttempt, Store, Take, Wish
from omnibus.stores.migrate import migrate
from omnibus.stores.postgres import accepting, beside, customers, loading, merging, outbox, shelf, telling
from omnibus.stores.postgres.claiming import Claiming
from omnibus.stores.postgres.engine import Connection, Engine, Stale
from omnibus.stores.postgres.hearing import Hearing
from omnibus.stores.postgres.hints import Hinting
from omnibus.stores.postgres.rolling import Rolling
from omnibus.stores.postgres.walking import Walking
from omnibus.stores.rows import DELIVERY, read_delivery
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.texts import matchless, storable

PAGE = 500
OLDEST = 15  # the first version whose MERGE, SKIP LOCKED and statistics we looked at


class Postgres(Claiming, Hinting, Hearing, Rolling, Walking, Store):
    """Keep everything in one PostgreSQL database, for any number of workers and web processes.

    Args:
        url: ``postgresql://…``, as libpq reads it.
        now: business time, for the `ended` of attempts.
    """

    def __init__(self, url: str, now: Callable[[], datetime]) -> None:
        self.now = now
        self._url = url
        self.engine = Engine(url)
        self.ear = Engine(
            url, least=0, most=1, pinned=True
        )  # one connection, for what it locks; none where nobody hears

    async def open(self) -> None:
        try:
            await asyncio.to_thread(prepare, self._url)
        except psycopg.OperationalError as error:
            why = str(error).partition("\n")[0].rpartition("failed: ")[2]  # libpq's words, which hold no password
            fix = "is it running, and right in [omnibus] `store`, or OMNIBUS_STORE?"
            raise StoreFull(f"the database cannot be reached: {why}; {fix}") from None
        await self.engine.start()
        await self.ear.start()

    async def aclose(self) -> None:
        await self.hush()
        await self.ear.stop()
        await self.engine.stop()

    async def take_work(self) -> None:
        """Do nothing: there is room for many."""

    # customers

    async def load(self, ids: Sequence[str], *, since: datetime | None = None) -> dict[str, Loaded]:
        if self._beside is not None and (known := self._beside.people(ids, since)) is not None:
            return known
        if since is None:
            return await self.engine.read(lambda db: loading.load(db, ids, since), pinned=True)
        now = self.now()
        found, self._beside = await self.engine.read(lambda db: beside.load(db, ids, since, now), pinned=True)
        return found

    async def now_called(self, ids: Sequence[str]) -> dict[str, str]:
        return await self.engine.read(lambda db: loading.canonical(db, storable(ids)))

    async def find(self, refs: Sequence[str]) -> dict[str, str]:
        return await self.engine.read(lambda db: customers.find(db, refs))

    async def create(self, wanted: Sequence[tuple[str, Sequence[Identity]]], now: datetime) -> list[str]:
        return await self.engine.write(lambda db: customers.create(db, wanted, now))

    async def merge(self, loser: str, winner: str, changes: Sequence[Change]) -> bool:
        try:
            await self.engine.write(lambda db: merging.merge(db, loser, winner, changes, self.stirring))
        except Stale:
            return False
        return True

    async def unmerge(self, loser: str, changes: Sequence[Change]) -> bool:
        try:
            await self.engine.write(lambda db: merging.unmerge(db, loser, changes, self.stirring))
        except Stale:
            return False
        return True

    async def customers(self, *, after: str = "") -> AsyncIterator[list[Customer]]:
        while True:
            page = await self.engine.read(lambda db, start=after: customers.page(db, start, PAGE))  # type: ignore[misc]
            if not page:
                return
            yield page
            after = page[-1].id

    async def ids(self, *, after: str = "") -> AsyncIterator[list[str]]:
        while page := await self.engine.read(lambda db, start=after: customers.ids(db, start, PAGE)):  # type: ignore[misc]
            yield page
            after = page[-1]

    # events

    async def events(self, subjects: Sequence[str], *, last: int | None = None) -> list[Event]:
        return await self.engine.read(lambda db: customers.events(db, subjects, last))

    async def put(self, changes: Sequence[Change]) -> list[bool]:
        if not changes:
            return []
        plain = telling.changes_are_plain(changes)
        job = telling.put if plain else customers.put
        return await self.engine.write(lambda db: job(db, changes, self.stirring), pinned=plain)

    async def rewrite(self, customer: str, bodies: dict[str, bytes], through: tuple[datetime, str, str] | None) -> None:
        change = Change(customer, 0, bodies=bodies, through=through)
        await self.engine.write(lambda db: customers.rewrite(db, change))

    # the road out

    async def accept(self, wishes: Sequence[Wish], *, take: Take | None = None) -> list[tuple[Delivery, ...] | None]:
        return await self.engine.write(lambda db: accepting.accept(db, wishes)) if wishes else []

    async def accept_many(self, mailing: Mailing) -> None:
        if mailing.ids:
            await self.engine.write(lambda db: accepting.accept_many(db, mailing))

    async def renew(self, lease: str, term: float) -> int:
        return await self.engine.write(lambda db: outbox.renew(db, lease, term))

    async def rescue(self, now: datetime, *, everything: bool = False) -> int:
        """Free rows whose lease ran out; *everything* too frees no others, for their workers may live elsewhere."""
        return await self.engine.write(lambda db: outbox.rescue(db, now))

    async def next_due(self) -> datetime | None:
        return await self.engine.read(outbox.next_due)

    async def pause(self, provider: str, until: datetime, reason: str) -> None:
        await self.engine.write(lambda db: shelf.pause(db, provider, until, reason, self.now()))

    async def pauses(self, now: datetime) -> dict[str, tuple[datetime, str]]:
        if self._beside is not None and (found := self._beside.pauses(now)) is not None:
            return found
        return await self.engine.read(lambda db: shelf.pauses(db, now))

    # looking

    async def delivery(self, id_: str) -> Delivery | None:
        row = await self._one(f"SELECT {DELIVERY} FROM delivery WHERE id = %s", id_)
        return None if row is None else read_delivery(row)

    async def deliveries(
        self, *, customer: str = "", state: Sequence[str] = (), channel: str = "", origin: str = "", last: int = 1000
    ) -> list[Delivery]:
        where, given = ["true"], list[Any]()
        if state:
            where.append("state = ANY(%s)")
            given.append([str(each) for each in state])
        for column, value in (("customer", customer), ("channel", channel), ("origin", origin)):
            if value:
                where.append(f"{column} = %s")
                given.append(value)
        sql = f"SELECT {DELIVERY} FROM delivery WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT %s"
        return [read_delivery(row) for row in await self._all(sql, *given, last)]

    async def attempts(self, delivery: str) -> list[OpenAttempt]:
        return await self.engine.read(lambda db: outbox.attempts(db, delivery))

    async def attempt_of(self, *, id_: str = "", provider: str = "", provider_id: str = "") -> OpenAttempt | None:
        return await self.engine.read(lambda db: outbox.attempt_of(db, id_, provider, provider_id))

    async def decisions(self, delivery: str) -> list[tuple[datetime, str]]:
        rows = await self._all("SELECT at, body FROM decision WHERE delivery = %s ORDER BY seq", delivery)
        return [(from_micros(row[0]), row[1]) for row in rows]

    async def audit(self, now: datetime) -> dict[str, int]:
        return await self.engine.read(lambda db: outbox.audit(db, now), snapshot=True)

    # offers, hand-overs, notes

    async def code(self, hash_: str) -> CodeRow | None:
        row = await self._one("SELECT hash, offer, customer FROM code WHERE hash = %s", hash_)
        return None if row is None else CodeRow(*row)

    async def issue(self, codes: Sequence[CodeRow]) -> None:
        await self.engine.write(lambda db: shelf.issue(db, codes))

    async def redeem(
        self, code: CodeRow, *, basket: str, customer: str, single: bool, limit: int | None, now: datetime,
        change: Change | None,
    ) -> Redemption | None:  # fmt: skip
        return await self.engine.write(
            lambda db: shelf.redeem(
                db, code, basket, customer, single=single, limit=limit, now=now, change=change, stirring=self.stirring
            )
        )

    async def put_handover(self, short: str, customer: str, expires: datetime) -> None:
        sql = "INSERT INTO handover (short, customer, expires) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        await self._do(sql, short, customer, to_micros(expires))

    async def claim_handover(self, short: str, now: datetime) -> str | None:
        sql = "SELECT customer FROM handover WHERE short = %s AND expires > %s"
        row = await self._one(sql, short, to_micros(now))
        return None if row is None else str(row[0])

    async def note(self, scope: str, name: str, value: str | None = None) -> str | None:
        if value is None:
            return await self.engine.read(lambda db: shelf.note(db, scope, name, None))
        return await self.engine.write(lambda db: shelf.note(db, scope, name, value))

    async def _do(self, sql: str, *given: Any) -> None:
        async def job(db: Connection) -> None:
            await db.execute(sql, given)

        await self.engine.write(job)

    async def _one(self, sql: str, *given: Any) -> Any:
        return next(iter(await self._all(sql, *given)), None)

    async def _all(self, sql: str, *given: Any) -> list[Any]:
        if matchless(given):
            return []

        async def job(db: Connection) -> list[Any]:
            return await (await db.execute(sql, given)).fetchall()

        return await self.engine.read(job)


def prepare(url: str) -> None:
    """Bring the database to this version's schema; several processes that start at once do it one after the other.

    Raises:
        ConfigError: the server is too old.
        psycopg.OperationalError: it cannot be reached.
    """
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as db:
        version = db.info.server_version // 10_000
        if version < OLDEST:
            raise ConfigError(f"PostgreSQL {version} is too old", where="[omnibus] store", fix=f"use {OLDEST} or newer")
        db.execute("SELECT pg_advisory_lock(7303, 1)")
        migrate("postgresql+psycopg://" + url.partition("://")[2])
