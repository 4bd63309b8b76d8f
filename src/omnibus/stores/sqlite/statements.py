"""Statements that are written for one row here and for a whole batch there, with the rows that fill them."""

from __future__ import annotations

from typing import Any

from omnibus.model.message import Purpose
from omnibus.store import Change, Outcome, Settlement, Try, encode_bodies
from omnibus.stores.rows import dump, micros
from omnibus.stores.schema import to_micros
from omnibus.stores.sqlite.listing import EACH

Row = tuple[Any, ...]

URGENT = Purpose.TRANSACTIONAL.value

EVENT_IN = "INSERT INTO event (source, id, type, time, subject, data, heard) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

CONTEXT = (
    "INSERT INTO context (customer, version, time, id, source, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (customer)"
    " DO UPDATE SET version=excluded.version, time=excluded.time, id=excluded.id, source=excluded.source, body=excluded.body"
)

#: the lane says what its deliveries say: what is due next, and whether one of them is in somebody's hands
LANE = (
    "INSERT INTO lane (customer, lease, lease_until, due, urgent) SELECT ?1,"
    " (SELECT lease FROM delivery WHERE customer=?1 AND lease IS NOT NULL LIMIT 1),"
    " (SELECT lease_until FROM delivery WHERE customer=?1 AND lease IS NOT NULL LIMIT 1),"
    " (SELECT min(due) FROM delivery WHERE customer=?1 AND due IS NOT NULL),"
    f" (SELECT min(due) FROM delivery WHERE customer=?1 AND due IS NOT NULL AND purpose='{URGENT}')"
    " WHERE true ON CONFLICT (customer) DO UPDATE SET lease=excluded.lease, lease_until=excluded.lease_until,"
    " due=excluded.due, urgent=excluded.urgent"
)

#: the same for whoever held the lane, and so knows that nothing of it is in anybody's hands now
_OF_LANE = "SELECT min(d.due) FROM delivery d WHERE d.customer=lane.customer AND d.due IS NOT NULL"
DUES = f"due=({_OF_LANE}), urgent=CASE WHEN urgent IS NULL THEN NULL ELSE ({_OF_LANE} AND d.purpose='{URGENT}') END"
FREE = f"lease=NULL, lease_until=NULL, {DUES}"
FREED = f"UPDATE lane SET {FREE} WHERE customer=?"

#: the lane is due at ?2 at the latest; ?3 only for what is urgent; one that is due before is not written again
RAISING = (
    "ON CONFLICT (customer) DO UPDATE SET due=min(coalesce(due, ?2), ?2),"
    " urgent=CASE WHEN ?3 IS NULL THEN urgent ELSE min(coalesce(urgent, ?3), ?3) END"
    " WHERE due IS NULL OR due>?2 OR (?3 IS NOT NULL AND (urgent IS NULL OR urgent>?3))"
)
RAISED = f"INSERT INTO lane (customer, due, urgent) VALUES (?1, ?2, ?3) {RAISING}"

LEASED = (
    "UPDATE delivery SET lease=?1, lease_until=?2, state=CASE WHEN state IN ('queued','held') THEN 'sending' ELSE state END"
    f" WHERE rowid IN (SELECT value FROM {EACH}(?3))"
)

ATTEMPT = (
    "INSERT INTO attempt (id, delivery, customer, number, channel, provider, identity, points, started, digest)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET number=excluded.number, outcome='', points=excluded.points"
)
BEGUN = "UPDATE delivery SET attempts=?, state='sending' WHERE id=?"
CODE = "INSERT INTO code (hash, offer, customer) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
DECISION = "INSERT INTO decision (delivery, at, body) VALUES (?, ?, ?)"

CLOSED = (
    "UPDATE attempt SET outcome=?1, reason=?2, ended=?3, provider_id=CASE WHEN ?4='' THEN provider_id ELSE ?4 END,"
    " points=CASE WHEN ?5 THEN points ELSE 0 END, details=CASE WHEN ?6='' THEN details ELSE ?6 END"
    " WHERE id=?7 AND (outcome<>'accepted' OR ?1='accepted')"  # nothing that a zombie says undoes a receipt
)

SETTLED_COLUMNS = (
    "state=?, reason=?, due=?, channel=coalesce(?, channel), provider=coalesce(?, provider),"
    " identity=coalesce(?, identity), provider_id=coalesce(?, provider_id), tried=coalesce(?, tried),"
    " attempts=coalesce(?, attempts), faults=coalesce(?, faults), flagged=coalesce(?, flagged),"
    " withdraw=coalesce(?, withdraw)"
)
SETTLED = f"UPDATE delivery SET {SETTLED_COLUMNS}, watched=?, reported='', lease=NULL, lease_until=NULL WHERE id=?"


def attempt_row(each: Try) -> Row:
    """Fill ATTEMPT."""
    return (
        each.attempt, each.delivery, each.change.customer, each.number, each.channel, each.provider, each.identity,
        each.points, to_micros(each.started), each.digest,
    )  # fmt: skip


def closed_row(outcome: Outcome, now: int) -> Row:
    """Fill CLOSED."""
    return (
        outcome.outcome, outcome.reason, now, outcome.provider_id, int(outcome.counts), outcome.details,
        outcome.attempt,
    )  # fmt: skip


def settled_row(each: Settlement) -> Row:
    """Fill SETTLED_COLUMNS."""
    return (
        each.state.value, each.reason, micros(each.due), each.channel, each.provider, each.identity, each.provider_id,
        None if each.tried is None else dump(each.tried), each.attempts, each.faults,
        None if each.flagged is None else int(each.flagged), None if each.withdraw is None else int(each.withdraw),
    )  # fmt: skip


def context_row(change: Change) -> Row:
    """Fill CONTEXT."""
    time, id_, source = change.through or (None, None, None)
    return change.customer, change.version + 1, micros(time), id_, source, encode_bodies(change.bodies or {})
