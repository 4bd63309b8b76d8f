"""The Store port over one SQLite file: each call is one job in the writer's next commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path

import apsw

from omnibus.model.campaign import Campaign, Chunk, Progress, Standing, origin_of
from omnibus.model.customer import Customer, Identity
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.model.mailing import Mailing
from omnibus.model.offer import Redemption
from omnibus.roll import Roll
from omnibus.store import Change, CodeRow, Grant, Loaded, OpenAttempt, Settlement, Store, Take, Try, Wish
from omnibus.stores.migrate import HEAD, migrate
from omnibus.stores.rows import DELIVERY, read_delivery
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.sqlite import (
    accepting,
    batch,
    books,
    campaigns,
    customers,
    dropping,
    loading,
    merging,
    outbox,
    shelf,
    upkeep,
)
from omnibus.stores.sqlite.engine import NEAR, Engine, at_once
from omnibus.stores.sqlite.hearing import Hearing
from omnibus.stores.sqlite.upkeep import Keeping
from omnibus.stores.sqlite.walking import Walking
from omnibus.stores.texts import refuse

PAGE = 500
FEW = 4  # attempts that go before many: it costs those little, and what is urgent comes in few
CLAIMED = 100  # customers of one claim: read at once, for there is nothing else that whoever claimed them could do


class Sqlite(Keeping, Hearing, Walking, Store, Roll):
    """Keep everything in one file.

    Args:
        path: the database file; made with its folder when missing.
        now: business time, for the `ended` of attempts.
    """

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self.path, self.now = path, now
        self.engine = Engine(path)
        self._claimed = False

    async def open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # the standard library's SQLite must not touch a file that this process may have open: when it closes, the locks
        # of both libraries are gone (sqlite.org/howtocorrupt.html §2.2.1); so it only comes when there is work for it
        if not await asyncio.to_thread(up_to_date, self.path):
            migrate(f"sqlite:///{self.path}")
        self.engine.start()

    async def aclose(self) -> None:
        self.engine.stop()

    async def take_work(self) -> None:
        self.engine.take_work()

    # customers

    async def load(self, ids: Sequence[str], *, since: datetime | None = None) -> dict[str, Loaded]:
        return await self.engine.read(lambda db: loading.load(db, ids, since), near=len(ids) <= CLAIMED)

    async def find(self, refs: Sequence[str]) -> dict[str, str]:
        return await self.engine.read(lambda db: loading.find(db, refs), near=len(refs) <= NEAR)

    async def create(self, wanted: Sequence[tuple[str, Sequence[Identity]]], now: datetime) -> list[str]:
        for id_, own in wanted:
            refuse(id_, *(text for each in own for text in (each.ref, each.kind, each.value, each.evidence)))
        return await self.engine.write(lambda db: customers.create(db, wanted, now))

    async def merge(self, loser: str, winner: str, changes: Sequence[Change]) -> bool:
        return await self.engine.write(lambda db: merging.merge(db, loser, winner, changes, self.stirring))

    async def unmerge(self, loser: str, changes: Sequence[Change]) -> bool:
        return await self.engine.write(lambda db: merging.unmerge(db, loser, changes, self.stirring))

    async def customers(self, *, after: str = "") -> AsyncIterator[list[Customer]]:
        while True:
            page = await self.engine.read(lambda db, start=after: loading.page(db, start, PAGE))  # type: ignore[misc]
            if not page:
                return
            yield page
            after = page[-1].id

    async def ids(self, *, after: str = "") -> AsyncIterator[list[str]]:
        while page := await self.engine.read(lambda db, start=after: loading.ids(db, start, PAGE)):  # type: ignore[misc]
            yield page
            after = page[-1]

    async def now_called(self, ids: Sequence[str]) -> dict[str, str]:
        return await self.engine.read(lambda db: loading.now_called(db, ids), near=len(ids) <= NEAR)

    # the road out

    gives = shares = True

    async def accept(self, wishes: Sequence[Wish], *, take: Take | None = None) -> list[tuple[Delivery, ...] | None]:
        refuse(*(each.key for each in wishes))
        urgent = any(each.purpose == "transactional" for wish in wishes for each in wish.deliveries)
        return await self.engine.write(lambda db: accepting.accept(db, wishes, take, self.stirring), urgent=urgent)

    async def accept_many(self, mailing: Mailing) -> None:
        urgent = any(each.purpose == "transactional" for each in mailing.templates)
        await self.engine.write(lambda db: accepting.accept_many(db, mailing), urgent=urgent)

    async def claim(
        self, now: datetime, *, limit: int, lease: str, term: float, urgent: bool = False, patient: bool = False,
        since: datetime | None = None,
    ) -> list[Delivery]:  # fmt: skip
        known = self._claimed and not urgent
        if not known and not await self.engine.read(lambda db: batch.due(db, now, urgent=urgent), near=True):
            return []  # a look costs a hundredth of a turn in the writer
        taken = await self.engine.write(
            lambda db: batch.claim(db, now, limit, lease, term, urgent=urgent), urgent=urgent, patient=patient
        )
        self._claimed = bool(taken) or (urgent and self._claimed)  # where there was something, there is more
        return taken

    async def attempt(self, tries: Sequence[Try]) -> list[Grant]:
        return await self.engine.write(lambda db: batch.attempt(db, tries, self.stirring), urgent=len(tries) <= FEW)

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        now = self.now()
        return await self.engine.write(lambda db: batch.settle(db, settlements, now, self.stirring), patient=True)

    async def renew(self, lease: str, term: float) -> int:
        return await self.engine.write(lambda db: outbox.renew(db, lease, term))

    async def rescue(self, now: datetime, *, everything: bool = False) -> int:
        return await self.engine.write(lambda db: outbox.rescue(db, now, everything=everything))

    async def next_due(self) -> datetime | None:
        sql = (
            "SELECT min(due) FROM (SELECT min(due) AS due FROM lane WHERE lease IS NULL AND due IS NOT NULL"
            " UNION ALL SELECT min(due) FROM run WHERE due IS NOT NULL)"
        )
        row = await self.engine.read(lambda db: db.execute(sql).fetchone(), near=True)
        return None if row is None or row[0] is None else from_micros(row[0])

    async def pause(self, provider: str, until: datetime, reason: str) -> None:
        await self.engine.write(lambda db: shelf.pause(db, provider, until, reason, self.now()))

    async def pauses(self, now: datetime) -> dict[str, tuple[datetime, str]]:
        return await self.engine.read(lambda db: shelf.pauses(db, now), near=True)

    # looking

    async def delivery(self, id_: str) -> Delivery | None:
        sql = f"SELECT {DELIVERY} FROM delivery WHERE id=?"
        row = await self.engine.read(lambda db: db.execute(sql, (id_,)).fetchone(), near=True)
        return None if row is None else read_delivery(row)

    async def deliveries(
        self, *, customer: str = "", state: Sequence[str] = (), channel: str = "", origin: str = "", last: int = 1000
    ) -> list[Delivery]:
        where, given = ["1=1"], list(state)
        if state:
            where.append(f"state IN ({','.join('?' * len(state))})")
        for column, value in (("customer", customer), ("channel", channel), ("origin", origin)):
            if value:
                where.append(f"{column}=?")
                given.append(value)
        sql = f"SELECT {DELIVERY} FROM delivery WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
        rows = await self.engine.read(lambda db: list(db.execute(sql, (*given, last))))
        return [read_delivery(row) for row in rows]

    async def attempts(self, delivery: str) -> list[OpenAttempt]:
        return await self.engine.read(lambda db: outbox.attempts(db, delivery), near=True)

    async def attempt_of(self, *, id_: str = "", provider: str = "", provider_id: str = "") -> OpenAttempt | None:
        return await self.engine.read(lambda db: outbox.attempt_of(db, id_, provider, provider_id), near=True)

    async def decisions(self, delivery: str) -> list[tuple[datetime, str]]:
        sql = "SELECT at, body FROM decision WHERE delivery=? ORDER BY seq"
        rows = await self.engine.read(lambda db: list(db.execute(sql, (delivery,))))
        return [(from_micros(row[0]), row[1]) for row in rows]

    async def audit(self, now: datetime) -> dict[str, int]:
        return await self.engine.read(lambda db: at_once(db, lambda: books.audit(db, now)))

    # offers, hand-overs, notes

    async def code(self, hash_: str) -> CodeRow | None:
        sql = "SELECT hash, offer, customer FROM code WHERE hash=?"
        row = await self.engine.read(lambda db: db.execute(sql, (hash_,)).fetchone(), near=True)
        return None if row is None else CodeRow(*row)

    async def issue(self, codes: Sequence[CodeRow]) -> None:
        await self.engine.write(lambda db: shelf.issue(db, codes))

    async def redeem(
        self, code: CodeRow, *, basket: str, customer: str, single: bool, limit: int | None, now: datetime,
        change: Change | None,
    ) -> Redemption | None:  # fmt: skip
        refuse(basket)
        return await self.engine.write(
            lambda db: shelf.redeem(
                db, code, basket, customer, single=single, limit=limit, now=now, change=change, stirring=self.stirring
            ),
            urgent=True,
        )

    async def put_handover(self, short: str, customer: str, expires: datetime) -> None:
        refuse(short)
        sql = "INSERT INTO handover (short, customer, expires) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        await self.engine.write(lambda db: db.execute(sql, (short, customer, to_micros(expires))) and None)

    async def claim_handover(self, short: str, now: datetime) -> str | None:
        sql = "SELECT customer FROM handover WHERE short=? AND expires>?"
        row = await self.engine.read(lambda db: db.execute(sql, (short, to_micros(now))).fetchone(), near=True)
        return None if row is None else str(row[0])

    async def note(self, scope: str, name: str, value: str | None = None) -> str | None:
        if value is None:
            return await self.engine.read(lambda db: shelf.note(db, scope, name, None), near=True)
        refuse(scope, name, value)
        return await self.engine.write(lambda db: shelf.note(db, scope, name, value))

    # campaigns

    async def enrol(self, campaign: Campaign) -> Campaign:
        return await self.engine.write(lambda db: campaigns.enrol(db, campaign))

    async def enlist(self, campaign: Campaign, who: Sequence[str]) -> list[bool | None]:
        return await self.engine.write(lambda db: campaigns.enlist(db, campaign, who))

    async def strike(self, campaign: Campaign) -> None:
        await self.engine.write(lambda db: campaigns.strike(db, campaign))

    async def begin(self, campaign: Campaign) -> Campaign | None:
        return await self.engine.write(lambda db: campaigns.begin(db, campaign))

    async def campaigns(self, name: str = "", *, soon: datetime | None = None) -> list[Campaign]:
        return await self.engine.read(lambda db: campaigns.campaigns(db, name, soon), near=soon is not None)

    async def expand(self, chunk: Chunk) -> Campaign | None:
        return await self.engine.write(lambda db: campaigns.expand(db, chunk))

    async def steer(self, name: str, standing: Standing, now: datetime, reason: str = "") -> Campaign | None:
        return await self.engine.write(lambda db: campaigns.steer(db, name, standing, now, reason), urgent=True)

    async def follow(self, name: str, now: datetime, limit: int) -> int:
        # looked for beside the writer: what the look passes over delays nobody
        seen = await self.engine.read(lambda db: campaigns.behind(db, name, now, limit))
        return await self.engine.write(lambda db: campaigns.follow(db, seen, now)) if seen else 0

    async def undone(self, name: str, limit: int, *, last: bool = False) -> list[Delivery]:
        return await self.engine.read(lambda db: dropping.undone(db, origin_of(name), limit, last=last))

    async def drop(self, facts: Sequence[tuple[Delivery, Event]]) -> int:
        return await self.engine.write(lambda db: dropping.drop(db, facts, self.stirring))

    async def forget_lists(self, before: datetime, *, limit: int) -> int:
        return await self.engine.write(lambda db: upkeep.forget_lists(db, to_micros(before), limit))

    async def progress(self, name: str) -> Progress | None:
        return await self.engine.read(lambda db: at_once(db, lambda: campaigns.progress(db, name)))


def up_to_date(path: Path) -> bool:
    """Tell whether a file has this version's schema already."""
    if not path.exists():
        return False
    db = apsw.Connection(str(path))
    try:
        db.set_busy_timeout(10_000)
        db.execute("PRAGMA query_only=ON")
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name='alembic_version'").fetchone():
            return False
        row = db.execute("SELECT version_num FROM alembic_version").fetchone()
        return row is not None and row[0] == HEAD
    finally:
        db.close()
