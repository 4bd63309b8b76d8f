"""The road out: claim, attempt, settle, leases, audit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from omnibus.model.delivery import FINAL, WAITING, Delivery, State
from omnibus.store import CodeRow, Grant, OpenAttempt, Settlement, Try
from omnibus.stores.postgres import beside, plain
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.beside import Beside
from omnibus.stores.postgres.connections import UNPIN
from omnibus.stores.postgres.engine import Connection
from omnibus.stores.postgres.plain import Also, nothing
from omnibus.stores.postgres.sheet import Sheet, open_sheet
from omnibus.stores.postgres.standing import batch, listed
from omnibus.stores.pruned import FLAGGED, PRUNED, PRUNED_TALLIES, states_of
from omnibus.stores.rows import ATTEMPT, Row, read_attempt, read_delivery
from omnibus.stores.schema import from_micros, to_micros
from omnibus.stores.texts import matchless

NEXT_DUE = (
    "SELECT min(due) FROM (SELECT min(due) AS due FROM lane WHERE lease IS NULL AND due IS NOT NULL"
    " UNION ALL SELECT min(due) FROM run WHERE due IS NOT NULL) AS d"
)
URGENT_DUE = "SELECT EXISTS (SELECT customer FROM lane WHERE lease IS NULL AND urgent <= %(now)s)"
Found = tuple[list[Delivery], Beside | None]  # what was claimed, and what was read beside it
DUE = f"SELECT EXISTS (SELECT customer FROM lane WHERE lease IS NULL AND due <= %(now)s) OR ({URGENT_DUE})"


async def due(db: Connection, now: datetime, *, urgent: bool) -> bool:
    """Tell whether a lane is due, or an urgent one."""
    row = await (await db.execute(URGENT_DUE if urgent else DUE, {"now": to_micros(now)})).fetchone()
    return bool(row and row[0])


async def next_due(db: Connection) -> datetime | None:
    """Tell when the next delivery or run is due."""
    row = await (await db.execute(NEXT_DUE)).fetchone()
    return None if row is None or row[0] is None else from_micros(row[0])


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """Say what is to be claimed, under which lease, and whether what is asked next is read beside it (*since*)."""

    now: datetime
    limit: int
    lease: str
    term: float
    urgent: bool = False
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Taken:
    """Hold the replies to a claim that are on their way."""

    heads: Any
    beside: Any

    async def read(self, db: Connection) -> Found:
        """Read them."""
        rows = sorted(await self.heads.fetchall(), key=itemgetter(-1))
        told = None if self.beside is None or not rows else await self.beside.read(db)
        return [read_delivery(row[:-1]) for row in rows], told


async def claim(db: Connection, wanted: ClaimTerms) -> Found:
    """Take the head of each due lane, transactional lanes first, or only those; lanes in other hands are passed over.

    All in one trip: the server remembers which lanes it took.
    """
    return await (await _take(db, wanted)).read(db)


async def _take(db: Connection, wanted: ClaimTerms) -> _Taken:
    now, limit, since = wanted.now, wanted.limit, wanted.since
    given: dict[str, Any] = {
        "now": to_micros(now), "limit": limit, "whole": 0 if wanted.urgent else limit, "lease": wanted.lease,
        "term": int(wanted.term * 1_000_000),
    }  # fmt: skip
    await db.execute(sql.TAKE_LANES, given)
    heads = await db.execute(sql.TAKE_HEADS, given)
    return _Taken(heads, None if since is None else await beside.ask(db, now, since))


async def attempt(db: Connection, tries: Sequence[Try], stirring: frozenset[str]) -> list[Grant]:
    """Write attempts down, each guarded on its own; whoever is told to rest meanwhile rests when they are."""
    changes = [each.change for each in tries]
    await plain.lock(db, changes, (), {name for each in tries for name in each.rests if name})
    granted = await plain.attempt(db, tries)
    left = [each for each in tries if each.attempt not in granted]
    grants = dict(zip([each.attempt for each in left], await _judged(db, left, stirring), strict=True))
    return [grants.get(each.attempt, Grant.GRANTED) for each in tries]


async def _judged(db: Connection, tries: Sequence[Try], stirring: frozenset[str]) -> list[Grant]:
    if not tries:
        return []
    await db.execute(UNPIN)
    rests = sorted({name for each in tries for name in each.rests})
    rows = [(each.change.customer, each.delivery) for each in tries]
    sheet = await open_sheet(db, [each.change for each in tries], stirring, rows=rows)
    limits = [(each, limit) for each in tries for limit in each.limits]
    async with db.pipeline():
        started = min(to_micros(each.started) for each in tries)
        resting = await db.execute(sql.RESTING, (rests, started))
        asked = [(each.change.customer, to_micros(limit.since), limit.channel) for each, limit in limits]
        sums = await batch(db, sql.SPENT, asked)
    spent = {row[0]: row[1] for row in await sums.fetchall()} if sums is not None else {}
    left: dict[str, int] = {}
    for number, (each, limit) in enumerate(limits, 1):
        room = limit.points - int(spent.get(number, 0))
        left[each.attempt] = min(left.get(each.attempt, room), room)
    page = _Page(sheet, dict(await resting.fetchall()), left)
    grants = [page.grant(each) for each in tries]
    async with db.pipeline():
        await sheet.write(db)
        await batch(db, sql.PUT_ATTEMPTS, page.attempts)
        await batch(db, sql.PUT_CODES, {(code.hash, code.offer, code.customer) for code in page.codes})
    return grants


class _Page:
    """Grant tries one after the other; what one spends, the next of the same customer has not.

    Args:
        left: attempt → points that its limits leave.
    """

    def __init__(self, sheet: Sheet, resting: dict[str, int], left: dict[str, int]) -> None:
        self.sheet, self.resting, self.left = sheet, resting, left
        self.attempts: list[Row] = []
        self.codes: list[CodeRow] = []
        self._spent: defaultdict[str, int] = defaultdict(int)

    def grant(self, each: Try) -> Grant:
        row, started = self.sheet.standings.get(each.delivery), to_micros(each.started)
        customer = each.change.customer
        if row is None or row.lease != each.lease:
            return Grant.LOST
        if any(self.resting.get(name, 0) > started for name in each.rests):
            return Grant.PAUSED
        if each.limits and self._spent[customer] + each.points > self.left[each.attempt]:
            return Grant.OVER
        if not self.sheet.apply(each.change):
            return Grant.STALE
        self._spent[customer] += each.points
        self.attempts.append((
            each.attempt, each.delivery, customer, each.number, each.channel, each.provider, each.identity, each.points,
            started, each.digest,
        ))  # fmt: skip
        row.attempts, row.state = each.number, State.SENDING.value
        self.sheet.touched.add(row.id)
        self.codes += each.codes
        self.sheet.decide(each.delivery, each.started, each.decision)
        return Grant.GRANTED


async def settle(
    db: Connection, settlements: Sequence[Settlement], now: datetime, stirring: frozenset[str], *, also: Also = nothing
) -> list[bool]:
    """Write what became of claimed deliveries, each all or nothing.

    Args:
        also: says what leaves in the same trip, once all that needs no thought is said.
    """
    changes = [each.change for each in settlements if each.change is not None]
    await plain.lock(db, changes, [each.customer for each in settlements], ())
    settled = await plain.settle(db, settlements, now, stirring, also=also)
    left = [place for place in range(len(settlements)) if place not in settled]
    done = dict(zip(left, await _settled(db, [settlements[each] for each in left], now, stirring), strict=True))
    return [done.get(place, True) for place in range(len(settlements))]


async def settle_and_claim(
    db: Connection, settlements: Sequence[Settlement], now: datetime, stirring: frozenset[str], wanted: ClaimTerms
) -> tuple[list[bool], Found]:
    """Settle and claim in one trip: a lane that the settlements free may be claimed again at once.

    A claim waits for no lock, so the order of locks is that of a settlement.
    """
    taken: list[_Taken] = []

    async def take() -> None:
        taken.append(await _take(db, wanted))

    done = await settle(db, settlements, now, stirring, also=take)
    return done, await taken[0].read(db)


async def _settled(
    db: Connection, settlements: Sequence[Settlement], now: datetime, stirring: frozenset[str]
) -> list[bool]:
    if not settlements:
        return []
    await db.execute(UNPIN)
    changes = [each.change for each in settlements if each.change is not None]
    rows = [(each.change.customer if each.change else each.customer, each.delivery) for each in settlements]
    sheet = await open_sheet(db, changes, stirring, rows=rows)
    done = [sheet.settle(each, now) for each in settlements]
    await sheet.write(db)
    return done


async def renew(db: Connection, lease: str, term: float) -> int:
    """Prolong the rows of a lease."""
    given = {"lease": lease, "term": int(term * 1_000_000)}
    async with db.pipeline():
        await db.execute(sql.RENEW_LANES, given)
        renewed = await db.execute(sql.RENEW_DELIVERIES, given)
    return renewed.rowcount


async def rescue(db: Connection, now: datetime) -> int:
    """Free what a dead worker held: an open attempt makes it unknown, else it is queued; never the other way.

    It keeps its place in its lane: what came after it does not go before it.
    """
    expired = [row[0] for row in await (await db.execute(sql.EXPIRED)).fetchall()]
    if not expired:
        return 0
    mine = [row[0] for row in await (await db.execute(sql.LOCK_EXPIRED, (expired,))).fetchall()]
    async with db.pipeline():
        freed = await db.execute(sql.RESCUE, (to_micros(now), mine))
        await db.execute(sql.REFRESH_LANES, (listed(mine),))
    return freed.rowcount


async def attempts(db: Connection, delivery: str) -> list[OpenAttempt]:
    """List a delivery's attempts."""
    if matchless((delivery,)):
        return []
    return [read_attempt(row) for row in await (await db.execute(sql.READ_ATTEMPTS, (delivery,))).fetchall()]


async def attempt_of(db: Connection, id_: str, provider: str, provider_id: str) -> OpenAttempt | None:
    """Find one attempt."""
    if matchless((id_, provider, provider_id)):
        return None
    where, given = ("id = %s", [id_]) if id_ else ("provider_id = %s AND provider = %s", [provider_id, provider])
    row = await (
        await db.execute(f"SELECT {ATTEMPT} FROM attempt WHERE {where} ORDER BY id DESC LIMIT 1", given)
    ).fetchone()
    return None if row is None else read_attempt(row)


async def audit(db: Connection, now: datetime) -> dict[str, int]:
    """Compare the accounts, all at one moment: what was accepted was counted on its own when it was."""

    async def one(statement: str, *given: Any) -> int:
        row = await (await db.execute(statement, given)).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    tallies = await db.execute(PRUNED_TALLIES.format(mark="%s"), (len(PRUNED), PRUNED))
    pruned = states_of(await tallies.fetchall())
    living = dict(await (await db.execute("SELECT state, count(*) FROM delivery GROUP BY state")).fetchall())
    counts = pruned + Counter(living)
    accepted = await one("SELECT sum(count) FROM tally WHERE starts_with(name, 'accepted')")
    final = sum(counts.get(state.value, 0) for state in FINAL)
    waiting = sum(counts.get(state.value, 0) for state in WAITING)
    finals = sorted(state.value for state in FINAL)
    return {
        "accepted": accepted, "final": final, "waiting": waiting, "pruned": pruned.total(),
        **{state.value: counts.get(state.value, 0) for state in State},
        "unbalanced": accepted - final - waiting,
        "silent": await one("SELECT count(*) FROM delivery WHERE reason = '' AND state = ANY(%s)", finals),
        "stuck": await one(
            "SELECT count(*) FROM delivery WHERE (due < %s OR due IS NULL) AND lease IS NULL"
            " AND state IN ('queued', 'held', 'sending', 'unknown')",
            to_micros(now) - 120_000_000,
        ),
        "lost_lanes": await one(
            "SELECT count(*) FROM delivery d LEFT JOIN lane l ON l.customer = d.customer WHERE d.due IS NOT NULL"
            " AND d.lease IS NULL AND l.lease IS NULL AND (l.due IS NULL OR l.due > d.due)"
        ),
        "unproven": await one(
            "SELECT count(*) FROM delivery d WHERE state IN ('sent', 'delivered', 'opened', 'clicked', 'replied')"
            " AND NOT EXISTS (SELECT FROM attempt a WHERE a.delivery = d.id AND a.outcome = 'accepted')"
        ),
        "flagged": await one("SELECT count(*) FROM delivery WHERE flagged = 1")
        + await one("SELECT count FROM tally WHERE name = %s", FLAGGED),
    }  # fmt: skip
