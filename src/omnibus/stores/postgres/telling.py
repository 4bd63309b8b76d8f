"""Facts, and what runs do about them, guarded and written by one statement; what needs more thought is judged on a sheet.

First the contexts are locked, in the order of customers, then one statement looks at the guards, as they are once the locks
are held, and writes what passes. A batch of which one part needs a sheet goes there as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from omnibus.model.event import Event
from omnibus.store import Change, Step, Stride
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.engine import Connection, Surprise
from omnibus.stores.postgres.standing import batch, context_row, keyed, listed
from omnibus.stores.rows import RUN, Row, event_row, run_row
from omnibus.stores.schema import EPOCH

LOCK = (
    f"SELECT count(*) FROM {sql.listed()} CROSS JOIN LATERAL"
    " (SELECT x.customer FROM context x WHERE x.customer = u.customer FOR UPDATE) x"
)
_UNHEARD = (
    "CROSS JOIN LATERAL (SELECT e.ctid AS place FROM event e WHERE e.id = u.id AND e.source = u.source"
    " AND e.subject = u.subject OFFSET 0) e"
)
_THESE = f" (SELECT e.place FROM {sql.rows('subject text, id text, source text')} {_UNHEARD}) e WHERE o.ctid = e.place"
HEARD = f"UPDATE event o SET heard = 1 FROM{_THESE}"
ASIDE = f"UPDATE event o SET heard = 2 FROM{_THESE}"
_FACT = "source text, id text, type text, time bigint, subject text, data text, heard int"
_MOVED = f"{sql.RUN_TYPES}, before int"
TELL = f"""
WITH ok AS MATERIALIZED (
  SELECT u.*, x.place FROM {
    sql.rows(
        "customer text, version bigint, time bigint, id text, source text, body bytea, facts json, begun json, moved json,"
        " heard json"
    )
}
  CROSS JOIN LATERAL (SELECT FROM customer c WHERE c.id = u.customer AND c."into" IS NULL OFFSET 0) c
  CROSS JOIN LATERAL (SELECT x.ctid AS place FROM context x WHERE x.customer = u.customer AND x.version = u.version - 1 OFFSET 0) x
  WHERE NOT EXISTS (SELECT FROM {sql.part("u.facts", _FACT, "f")} CROSS JOIN LATERAL
      (SELECT FROM event e WHERE e.id = f.id AND e.source = f.source OFFSET 0) e)
    AND NOT EXISTS (SELECT FROM {sql.part("u.begun", sql.RUN_TYPES, "r")} CROSS JOIN LATERAL
      (SELECT FROM run o WHERE o.customer = r.customer AND o.journey = r.journey AND o.entry = r.entry OFFSET 0) o)
    AND NOT EXISTS (SELECT FROM {sql.part("u.moved", _MOVED, "r")} LEFT JOIN LATERAL
      (SELECT o.id FROM run o WHERE o.id = r.id AND o.customer = u.customer AND o.revision = r.before OFFSET 0) o ON true
      WHERE o.id IS NULL)
), told AS (
  INSERT INTO event (source, id, type, time, subject, data, heard)
  SELECT f.source, f.id, f.type, f.time, f.subject, f.data, f.heard
  FROM ok CROSS JOIN LATERAL {sql.part("ok.facts", _FACT, "f")} ORDER BY ok.n, f.n
), entered AS (
  INSERT INTO run ({RUN}) SELECT {sql.of(RUN, "r")}
  FROM ok CROSS JOIN LATERAL {sql.part("ok.begun", sql.RUN_TYPES, "r")} ORDER BY ok.n, r.n
), walked AS (
  UPDATE run r SET node = u.node, due = u.due, waiting = u.waiting, revision = u.revision, data = u.data, reason = u.reason
  FROM (SELECT u.*, o.place FROM ok CROSS JOIN LATERAL {sql.part("ok.moved", _MOVED, "u")} CROSS JOIN LATERAL
      (SELECT o.ctid AS place FROM run o WHERE o.id = u.id AND o.customer = u.customer OFFSET 0) o) u
  WHERE r.ctid = u.place
), heard AS (
  UPDATE event o SET heard = 1 FROM (SELECT e.place FROM ok CROSS JOIN LATERAL
      {sql.part("ok.heard", "subject text, id text, source text", "u")} {_UNHEARD}) e
  WHERE o.ctid = e.place
), known AS (
  UPDATE context x SET version = ok.version, time = ok.time, id = ok.id, source = ok.source, body = ok.body
  FROM ok WHERE x.ctid = ok.place RETURNING 1
) SELECT n, (SELECT count(*) FROM known) FROM ok
"""


def changes_are_plain(changes: Sequence[Change]) -> bool:
    """Tell whether changes only tell facts, each of another customer."""
    keys = [(event.source, event.id) for each in changes for event in each.events]
    own = {each.customer for each in changes}
    return len(own) == len(changes) and len(set(keys)) == len(keys) and all(map(_is_plain, changes))


def _is_plain(change: Change) -> bool:
    more = change.wake or change.withdraw or change.moves or change.identities
    return bool(change.events) and change.bodies is not None and not more


def steps_are_plain(steps: Sequence[Step]) -> bool:
    """Tell whether steps only move runs and tell facts, each of another customer, or say what was heard."""
    changes = [each.change for each in steps if each.change is not None]
    return changes_are_plain(changes) and all(map(_moves_only, steps))


def _moves_only(step: Step) -> bool:
    if step.change is None:
        return not step.strides and not step.wishes
    own = all(each.run.customer == step.change.customer for each in step.strides)
    return own and not step.wishes and distinct(step.strides)


def distinct(strides: Sequence[Stride]) -> bool:
    """Tell whether each of them is about another run."""
    runs = {each.run.id for each in strides}
    return len(runs) == len(strides) == len({(each.run.journey, each.run.entry) for each in strides})


async def put(db: Connection, changes: Sequence[Change], stirring: frozenset[str]) -> list[bool]:
    """Do several changes, each all or nothing; they are plain."""
    return await step(db, [Step(change=each) for each in changes], EPOCH, stirring)


async def step(db: Connection, steps: Sequence[Step], now: datetime, stirring: frozenset[str]) -> list[bool]:
    """Do several steps, each all or nothing; they are plain.

    Raises:
        Surprise: a row was not where it was found; the whole call runs again.
    """
    changed = {place: each.change for place, each in enumerate(steps) if each.change is not None}
    places = list(changed)
    fresh = sorted(each.customer for each in changed.values() if each.version == 0)
    await batch(db, sql.NEW_CONTEXTS, [(each,) for each in fresh])
    if changed:
        await db.execute(LOCK, (listed(sorted(each.customer for each in changed.values())),))
    rows = [_row(steps[place], change, now, stirring) for place, change in changed.items()]
    found = await batch(db, TELL, rows)
    await hear(db, [event for each in steps if each.change is None for event in each.heard])
    await put_aside(db, [event for each in steps for event in each.aside])
    told = await found.fetchall() if found is not None else []
    if told and told[0][1] != len(told):
        raise Surprise
    done = {places[row[0] - 1] for row in told}
    return [place in done or place not in changed for place in range(len(steps))]


async def hear(db: Connection, events: Iterable[Event]) -> None:
    """Mark events as heard."""
    await batch(db, HEARD, sorted(map(_key, events)))


async def put_aside(db: Connection, events: Iterable[Event]) -> None:
    """Mark events as heard, but to be heard again."""
    await batch(db, ASIDE, sorted(map(_key, events)))


def _key(event: Event) -> Row:
    return event.subject, event.id, event.source


def _row(step: Step, change: Change, now: datetime, stirring: frozenset[str]) -> Row:
    facts = [event_row(each, int(change.quiet or each.type not in stirring)) for each in change.events]
    moved = [(*run_row(each.run, now), each.before) for each in step.strides if each.before is not None]
    begun = [run_row(each.run, now) for each in step.strides if each.before is None]
    return (*context_row(change), keyed(facts), keyed(begun), keyed(moved), keyed(map(_key, step.heard)))
