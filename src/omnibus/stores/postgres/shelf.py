"""Codes, redemptions, hand-overs, pauses and notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from omnibus.model.offer import Redemption
from omnibus.store import Change, CodeRow
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection
from omnibus.stores.postgres.sheet import open_sheet
from omnibus.stores.postgres.standing import batch
from omnibus.stores.postgres.upkeep import void
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.texts import matchless

GUARD_CODE = "SELECT pg_advisory_xact_lock(7305, hashtext(%s))"  # baskets of one code, one after the other
GUARD_REST = "SELECT pg_advisory_xact_lock(7304, hashtext(%s))"
REDEEM = "INSERT INTO redemption (code, basket, offer, customer, once, at) VALUES (%s, %s, %s, %s, %s, %s)"
PAUSE = (
    "INSERT INTO pause AS p (provider, until, reason) VALUES (%s, %s, %s) ON CONFLICT (provider) DO UPDATE SET"
    " until = excluded.until, reason = excluded.reason WHERE excluded.until > p.until"
)
PAUSES = "SELECT provider, until, reason FROM pause WHERE until > %s"
NOTE = "INSERT INTO note (scope, name, value) VALUES (%s, %s, %s) ON CONFLICT (scope, name) DO UPDATE SET value = excluded.value"


async def issue(db: Connection, codes: Sequence[CodeRow]) -> None:
    """Write codes down; known ones stay."""
    await batch(db, sql.PUT_CODES, [(each.hash, each.offer, each.customer) for each in codes])


async def redeem(
    db: Connection, code: CodeRow, basket: str, customer: str, *, single: bool, limit: int | None, now: datetime,
    change: Change | None, stirring: frozenset[str],
) -> Redemption | None:  # fmt: skip
    """Let exactly one basket win: those of one code come one after the other."""
    await db.execute(GUARD_CODE, (code.hash,))
    once = code.hash if single else f"{code.hash}|{customer}" if customer else None
    async with db.pipeline():
        mine = await db.execute("SELECT 1 FROM redemption WHERE code = %s AND basket = %s", (code.hash, basket))
        other = await db.execute("SELECT basket FROM redemption WHERE once = %s", (once,))
        used = await db.execute("SELECT count(*) FROM redemption WHERE code = %s", (code.hash,))
    if await mine.fetchone():
        return Redemption(True, code.offer, basket, customer=customer)
    if won := await other.fetchone():
        return Redemption(False, code.offer, won[0], "already redeemed", customer=customer)
    count = await used.fetchone()
    if limit is not None and count is not None and count[0] >= limit:
        return Redemption(False, code.offer, "", "limit reached", customer=customer)
    if change is not None:
        sheet = await open_sheet(db, [change], stirring)
        if not sheet.apply(change):
            return None
        await sheet.write(db)
    await db.execute(REDEEM, (code.hash, basket, code.offer, customer, once, to_micros(now)))
    return Redemption(True, code.offer, basket, customer=customer)


async def still(db: Connection, name: str) -> None:
    """Wait for the attempts that are being committed of whom is about to rest: those that come after see that it does."""
    await db.execute(GUARD_REST, (name,))


async def pause(db: Connection, provider: str, until: datetime, reason: str, now: datetime) -> None:
    """Let a provider rest; only ever prolonged."""
    await still(db, provider)
    await db.execute(PAUSE, (provider, to_micros(until), reason))
    await void(db, provider, (until - now).total_seconds())


async def pauses(db: Connection, now: datetime) -> dict[str, tuple[datetime, str]]:
    """List who rests now."""
    rows = await db.execute(PAUSES, (to_micros(now),))
    return {row[0]: (from_micros(row[1]), row[2]) for row in await rows.fetchall()}


async def note(db: Connection, scope: str, name: str, value: str | None) -> str | None:
    """Read or write a note."""
    if value is not None:
        await db.execute(NOTE, (scope, name, value))
        return value
    if matchless((scope, name)):
        return None
    cursor = await db.execute("SELECT value FROM note WHERE scope = %s AND name = %s", (scope, name))
    row = await cursor.fetchone()
    return None if row is None else str(row[0])
