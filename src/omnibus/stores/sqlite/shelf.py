"""Statements on codes, redemptions, pauses and notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from omnibus.model.offer import Redemption
from omnibus.store import Change, CodeRow
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.sqlite.customers import apply
from omnibus.stores.sqlite.engine import Stale
from omnibus.stores.sqlite.upkeep import void


def issue(db: apsw.Connection, codes: Sequence[CodeRow]) -> None:
    """Write codes down; known ones stay."""
    for each in codes:
        sql = "INSERT INTO code (hash, offer, customer) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        db.execute(sql, (each.hash, each.offer, each.customer))


def redeem(
    db: apsw.Connection, code: CodeRow, basket: str, customer: str, *, single: bool, limit: int | None, now: datetime,
    change: Change | None, stirring: frozenset[str],
) -> Redemption | None:  # fmt: skip
    """Let exactly one basket win; decided by unique keys inside one transaction."""
    mine = db.execute("SELECT 1 FROM redemption WHERE code=? AND basket=?", (code.hash, basket)).fetchone()
    if mine:
        return Redemption(True, code.offer, basket, customer=customer)
    once = code.hash if single else f"{code.hash}|{customer}" if customer else None
    if once is not None:
        other = db.execute("SELECT basket FROM redemption WHERE once=?", (once,)).fetchone()
        if other:
            return Redemption(False, code.offer, other[0], "already redeemed", customer=customer)
    used = db.execute("SELECT count(*) FROM redemption WHERE code=?", (code.hash,)).fetchone()
    if limit is not None and used is not None and used[0] >= limit:
        return Redemption(False, code.offer, "", "limit reached", customer=customer)
    try:
        with db:
            if change is not None:
                apply(db, change, stirring)
            db.execute(
                "INSERT INTO redemption (code, basket, offer, customer, once, at) VALUES (?, ?, ?, ?, ?, ?)",
                (code.hash, basket, code.offer, customer, once, to_micros(now)),
            )
    except Stale:
        return None
    return Redemption(True, code.offer, basket, customer=customer)


def pause(db: apsw.Connection, provider: str, until: datetime, reason: str, now: datetime) -> None:
    """Let a provider rest; only ever prolonged."""
    db.execute(
        "INSERT INTO pause (provider, until, reason) VALUES (?, ?, ?) ON CONFLICT (provider) DO UPDATE SET"
        " until=excluded.until, reason=excluded.reason WHERE excluded.until>until",
        (provider, to_micros(until), reason),
    )
    void(db, provider, (until - now).total_seconds())


def pauses(db: apsw.Connection, now: datetime) -> dict[str, tuple[datetime, str]]:
    """List who rests now."""
    rows = db.execute("SELECT provider, until, reason FROM pause WHERE until>?", (to_micros(now),))
    return {row[0]: (from_micros(row[1]), row[2]) for row in rows}


def note(db: apsw.Connection, scope: str, name: str, value: str | None) -> str | None:
    """Read or write a note."""
    if value is not None:
        sql = "INSERT INTO note (scope, name, value) VALUES (?, ?, ?) ON CONFLICT (scope, name) DO UPDATE SET value=excluded.value"
        db.execute(sql, (scope, name, value))
        return value
    row = db.execute("SELECT value FROM note WHERE scope=? AND name=?", (scope, name)).fetchone()
    return None if row is None else str(row[0])
