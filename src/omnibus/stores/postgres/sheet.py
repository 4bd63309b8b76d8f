"""What one transaction decides: rows read under their locks, judged in Python as SQLite's writer would, written back.

Locks are taken up front and always in one order (contexts, then lanes, each by customer), so calls wait for each
other and never in a circle. Whoever moves a delivery holds its customer's lane; so nothing read here can move.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from omnibus.model.customer import Identity
from omnibus.model.delivery import SHOWN, State, may_move
from omnibus.store import Change, Move, Outcome, Settlement
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection, Surprise
from omnibus.stores.postgres.standing import DeliveryStanding, batch, context_row, listed, reaches
from omnibus.stores.rows import Row, dump, event_row, micros
from omnibus.stores.schema import to_micros
from omnibus.stores.texts import without_nul


@dataclass(slots=True)
class Sheet:
    """Collect what one transaction does to any number of customers."""

    stirring: frozenset[str]
    versions: dict[str, int] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    standings: dict[str, DeliveryStanding] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
    events: list[Row] = field(default_factory=list)
    contexts: dict[str, Row] = field(default_factory=dict)
    identities: dict[str, Row] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    raised: dict[str, int] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)
    last: dict[str, str] = field(default_factory=dict)
    proven: list[Row] = field(default_factory=list)
    bounced: list[Row] = field(default_factory=list)
    closed: list[Row] = field(default_factory=list)
    stray: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)

    def stale(self, change: Change) -> bool:
        """Tell whether a change was overtaken: by another version, a merge, one of its own events, or a worker."""
        if change.customer not in self.present or self.versions.get(change.customer, 0) != change.version:
            return True
        for move in change.moves:
            row = self.standings.get(move.delivery)
            if move.state is State.DROPPED and row is not None and row.state not in {State.QUEUED, State.HELD}:
                return True
        keys = {(each.source, each.id) for each in change.events}
        return len(keys) < len(change.events) or not keys.isdisjoint(self.known)

    def apply(self, change: Change) -> bool:
        """Do one change; False when it is stale, and then nothing of it is done."""
        if self.stale(change):
            return False
        self.known.update((each.source, each.id) for each in change.events)
        self.events += [event_row(each, int(change.quiet or each.type not in self.stirring)) for each in change.events]
        if change.bodies is not None:
            self.versions[change.customer] = change.version + 1
            self.contexts[change.customer] = context_row(change)
        self.identify(change.customer, change.identities)
        now = change.now or (change.events[-1].time if change.events else None)
        if now is not None:
            self._wake(change, to_micros(now))
        for move in change.moves:
            self._move(change.customer, move)
        return True

    def identify(self, customer: str, own: Sequence[Identity]) -> None:
        """Add identities; of those told twice the verified one counts."""
        for each in own:
            before = self.identities.get(each.ref)
            if before and before[1] != customer:
                continue  # it stays with whom it was told of first
            verified = int(each.verified or bool(before and before[4]))
            self.identities[each.ref] = (each.ref, customer, each.kind, each.value, verified, each.evidence)

    def _wake(self, change: Change, now: int) -> None:
        for id_ in change.wake:
            row = self.standings.get(id_)
            if row is not None and row.state in {State.QUEUED, State.HELD}:
                row.due = now
                self._due(row, now)
        for id_ in change.withdraw:
            row = self.standings.get(id_)
            if row is not None and not row.withdraw and row.state in SHOWN:
                row.due, row.withdraw = now, 1
                self._due(row, now)

    def _due(self, row: DeliveryStanding, due: int) -> None:
        self.touched.add(row.id)
        self.raised[row.customer] = min(self.raised.get(row.customer, due), due)

    def _move(self, customer: str, move: Move) -> None:
        """Move a delivery by a report; a late one, or one of a hand-over that another followed, changes nothing."""
        row = self.standings.get(move.delivery)
        if row is None or not (move.state is State.DROPPED or self._current(row, move)):
            return
        old = State(row.state)
        new = State.FAILED if (old, move.state) == (State.UNKNOWN, State.BOUNCED) else move.state
        tried = row.tried if move.tried is None else dump(move.tried)
        if old is State.SENDING:  # the report overtook the receipt: the settlement takes it up
            if reaches(State(row.reported or State.SENT), new):
                row.reported, row.tried = new.value, tried
                self.touched.add(row.id)
            return
        if not reaches(old, new):
            return
        shown = new in SHOWN
        if not (shown and old in SHOWN and move.due is None):
            row.due = micros(move.due)
        row.state, row.tried = new.value, tried
        reason = None if move.reason is None else without_nul(move.reason)
        row.reason = row.reason if reason is None else reason
        row.provider_id = row.provider_id if move.provider_id is None else without_nul(move.provider_id)
        row.watched = row.watched if shown else int(new is State.QUEUED)
        self.touched.add(row.id)
        if move.attempt and shown:  # it did arrive, whatever we thought
            self.proven.append((row.customer, move.attempt))
        elif move.attempt:  # it came back: the budget gets its points again
            self.bounced.append((row.customer, move.attempt, reason))
        if move.due is not None:
            self._due(row, to_micros(move.due))

    def _current(self, row: DeliveryStanding, move: Move) -> bool:
        """Tell whether a report is about how things stand: its hand-over is the last, or proves what we did not know."""
        state = State(row.state)
        if state is State.FAILED and row.reason != "answer_lost":
            return False
        if not move.attempt or state is State.FAILED or (state is State.UNKNOWN and move.state in SHOWN):
            return True
        return self.last.get(row.id) == move.attempt

    def settle(self, each: Settlement, now: datetime) -> bool:
        """Write what became of one claimed delivery; False when its change is stale."""
        row = self.standings.get(each.delivery)
        if row is None:
            self._close(each.outcome, None, now)
            return True
        accepted = each.outcome is not None and each.outcome.outcome == "accepted"
        if row.lease != each.lease and not (row.state == State.UNKNOWN and accepted):
            self._close(each.outcome, row.customer, now)  # fenced
            return True
        old, reported = State(row.state), row.reported
        if old != each.state and not may_move(old, each.state):  # a report was faster, and knows better
            row.due = micros(each.due) if each.state in SHOWN else None  # … but what is to be taken off, still is
            row.lease = None
        elif each.change is not None and not self.apply(each.change):
            return False
        else:
            told = each
            if reported and each.state in {State.SENT, State.UNKNOWN}:
                told = self._overtaken(each, State(reported), now, row.customer)
            row.fill(told)
            self.decide(each.delivery, now, each.decision)
        self._close(each.outcome, row.customer, now)
        self.touched.add(row.id)
        self.freed.add(row.customer)
        return True

    def _overtaken(self, each: Settlement, reported: State, now: datetime, customer: str) -> Settlement:
        """Let the report that came before the receipt have its say: it arrived, or it came back."""
        attempt = each.outcome.attempt if each.outcome else ""
        if reported in SHOWN:
            self.proven.append((customer, attempt))
            due = each.due if each.state is State.SENT else None
            return replace(each, state=reported, due=due, watched=each.watched and each.state is State.SENT)
        self.bounced.append((customer, attempt, None))
        queued = reported is State.QUEUED
        return replace(
            each, state=reported, reason="bounced", due=now if queued else None, watched=queued, withdraw=False
        )

    def _close(self, told: Outcome | None, customer: str | None, now: datetime) -> None:
        if told is None:
            return
        row = (
            told.attempt, customer or "", told.outcome, without_nul(told.reason), to_micros(now),
            without_nul(told.provider_id), int(told.counts), told.details,
        )  # fmt: skip
        (self.stray if customer is None else self.closed).append(row)

    def decide(self, delivery: str, at: datetime, decision: str) -> None:
        """Keep the reasons of a judging, for `why`."""
        if decision:
            self.decisions.append((delivery, to_micros(at), decision))

    async def write(self, db: Connection) -> None:
        """Write all of it, in one round trip.

        Raises:
            Surprise: an event came in between under another customer; the whole call runs again.
        """
        async with db.pipeline():
            put = await batch(db, sql.PUT_EVENTS, self.events)
            await batch(db, sql.PUT_CONTEXTS, self.contexts.values())
            await batch(db, sql.PUT_IDENTITIES, self.identities.values())
            await batch(db, sql.PUT_STANDINGS, [self.standings[each].row() for each in self.touched])
            await batch(db, sql.CLOSE_ATTEMPTS, self.closed)
            await batch(db, sql.CLOSE_STRAY_ATTEMPTS, self.stray)
            await batch(db, sql.PROVE_ATTEMPTS, self.proven)
            await batch(db, sql.BOUNCE_ATTEMPTS, self.bounced)
            await batch(db, sql.PUT_DECISIONS, self.decisions)
            lanes = [(customer, due, None) for customer, due in self.raised.items() if customer not in self.freed]
            await batch(db, sql.RAISE_LANES, lanes)
            if self.freed:
                await db.execute(sql.REFRESH_LANES, (listed(list(self.freed)),))
        if put is not None and put.rowcount != len(self.events):
            raise Surprise


async def open_sheet(
    db: Connection, changes: Sequence[Change], stirring: frozenset[str], *, rows: Collection[tuple[str, str]] = (),
    lanes: Collection[str] = (),
) -> Sheet:  # fmt: skip
    """Lock what *changes* and *rows* (customer, delivery) are about, and read it.

    Args:
        lanes: further customers whose lanes are locked.
    """
    sheet = Sheet(stirring)
    wanted = set(rows)
    for each in changes:
        wanted.update((each.customer, id_) for id_ in (*each.wake, *each.withdraw))
        wanted.update((each.customer, move.delivery) for move in each.moves)
    owners = sorted({each.customer for each in changes})
    fresh = sorted({each.customer for each in changes if each.version == 0})
    held = sorted({customer for customer, _ in wanted} | set(lanes))
    moves = {(each.customer, move.delivery) for each in changes for move in each.moves if move.attempt}
    keys = {(event.source, event.id) for each in changes for event in each.events}
    async with db.pipeline():
        await batch(db, sql.NEW_CONTEXTS, [(each,) for each in fresh])
        contexts = await db.execute(sql.LOCK_CONTEXTS, (owners,)) if owners else None
        if held:
            await db.execute(sql.LOCK_LANES, (held,))
        present = await db.execute(sql.PRESENT, (owners,)) if owners else None
        standings = await batch(db, sql.READ_STANDINGS, wanted)
        last = await batch(db, sql.LAST_ATTEMPTS, moves)
        known = await batch(db, sql.KNOWN, keys)
    if contexts is not None and present is not None:
        sheet.versions = dict(await contexts.fetchall())
        sheet.present = {row[0] for row in await present.fetchall()}
    if known is not None:
        sheet.known = set(await known.fetchall())
    if last is not None:
        sheet.last = dict(await last.fetchall())
    if standings is not None:
        sheet.standings = {row[0]: DeliveryStanding(*row) for row in await standings.fetchall()}
    await _follow(db, sheet, [id_ for _, id_ in rows if id_ not in sheet.standings])
    return sheet


async def _follow(db: Connection, sheet: Sheet, ids: Sequence[str]) -> None:
    """Find deliveries that a merge moved to another customer since they were claimed."""
    if not ids:
        return
    found = await (await db.execute(sql.MOVED_STANDINGS, (ids,))).fetchall()
    if found:
        await db.execute(sql.LOCK_LANES, (sorted({row[1] for row in found}),))
        found = await (await db.execute(sql.MOVED_STANDINGS, (ids,))).fetchall()
    sheet.standings.update((row[0], DeliveryStanding(*row)) for row in found)
