"""Hear what journeys have not heard yet: each chunk by one worker, beside others who hear other customers' events.

A chunk is kept by advisory locks on slots of customers, held by a connection of their own from one look to the next.
They cost no write, end with the process, and end after a minute of silence wherever the worker is: it was a lease, then.
Whoever hears a chunk again moves nothing twice, for runs move by their revision.

Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS,
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-IDLE-SESSION-TIMEOUT
"""

from __future__ import annotations

from datetime import datetime

from omnibus.model.event import Event
from omnibus.store import Cues
from omnibus.stores.postgres import loading
from omnibus.stores.postgres.engine import Connection
from omnibus.stores.rows import EVENT, RUN, read_events, read_run
from omnibus.stores.schema import to_micros

FAR = 10  # chunks ahead that are looked at for customers whom nobody hears
FREE = "SELECT pg_advisory_unlock_all(), set_config('idle_session_timeout', '60s', false)"
#: one row after the other, until there are enough: no lock is taken for a row that is not given
TAKE = (
    "SELECT e.seq, e.subject FROM (SELECT seq, subject FROM event WHERE heard = 0 ORDER BY seq LIMIT %s) e"
    " WHERE pg_try_advisory_lock(7306, hashtext(e.subject) & 255) LIMIT %s"
)
#: once the locks are held: whoever had them before may have heard some of it
STILL = f"SELECT {EVENT} FROM event WHERE seq = ANY(%s) AND heard = 0 ORDER BY seq"
DUE = f"SELECT {RUN} FROM run WHERE due <= %s ORDER BY due, id LIMIT %s"
#: whoever asks has heard what they took
BUSY = (
    "SELECT EXISTS (SELECT FROM event WHERE heard = 0) OR EXISTS (SELECT FROM run WHERE due <= %(now)s)"
    " OR EXISTS (SELECT FROM lane WHERE lease IS NULL AND due <= %(now)s)"
    " OR EXISTS (SELECT FROM lane WHERE lease IS NULL AND urgent <= %(now)s), pg_advisory_unlock_all()"
)


async def stirred(db: Connection, limit: int) -> list[Event]:
    """Take the next unheard events that no other worker has taken, in the order they were stored; gives up the last ones."""
    async with db.pipeline():
        await db.execute(FREE)
        taken = await db.execute(TAKE, (limit * FAR, limit))
    mine = [row[0] for row in await taken.fetchall()]
    return read_events(await (await db.execute(STILL, (mine,))).fetchall()) if mine else []


async def cues(db: Connection, now: datetime, limit: int) -> Cues:
    """Take events as ``stirred`` does, and list the runs whose time has come, with whom both are about."""
    async with db.pipeline():
        await db.execute(FREE)
        taken = await db.execute(TAKE, (limit * FAR, limit))
        woken = await db.execute(DUE, (to_micros(now), limit))
    mine = await taken.fetchall()
    due = [read_run(row) for row in await woken.fetchall()]
    who = dict.fromkeys([*(row[1] for row in mine), *(each.customer for each in due)])
    if not who:
        return Cues((), (), {})
    async with db.pipeline():
        told = await db.execute(STILL, ([row[0] for row in mine],)) if mine else None
        walkers = await loading.walkers(db, list(who))
        return Cues(read_events(await told.fetchall()) if told is not None else (), due, walkers)


async def busy(db: Connection, now: datetime) -> bool:
    """Tell whether anything is to be heard, woken or claimed; gives up the events that were taken last."""
    row = await (await db.execute(BUSY, {"now": to_micros(now)})).fetchone()
    return bool(row and row[0])
