"""The tables of both engines. Times are microseconds since 1970 (UTC); `customer` is in every hot key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, PrimaryKeyConstraint, Table, text
from sqlalchemy import Text as AnyText

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)
SERIAL = BigInteger().with_variant(Integer(), "sqlite")

Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")  # by bytes, as SQLite and Python compare

meta = MetaData()
#: PostgreSQL, what is written once and deleted later: dead rows are collected early
BUSY = {"autovacuum_vacuum_scale_factor": 0.01, "autovacuum_vacuum_threshold": 500, "autovacuum_analyze_scale_factor": 0.02}  # fmt: skip
HOT = {"fillfactor": 70, **BUSY}  #: … and what is updated: room for it in place (docs/reference/store-and-scale.md)

customer = Table(
    "customer", meta,
    Column("id", Text, primary_key=True),
    Column("into", Text),  # alias of
    Column("created", BigInteger, nullable=False),
)  # fmt: skip
_merged = customer.c.into.is_not(None)
Index("customer_into", customer.c.into, sqlite_where=_merged, postgresql_where=_merged)

identity = Table(
    "identity", meta,
    Column("ref", Text, primary_key=True),
    Column("customer", Text, nullable=False, index=True),
    Column("origin", Text, nullable=False),  # whose it was before a merge
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("verified", Integer, nullable=False, server_default=text("0")),
    Column("evidence", Text, nullable=False, server_default=text("''")),
    Column("position", Integer, nullable=False, server_default=text("0")),
)  # fmt: skip

event = Table(
    "event", meta,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("heard", Integer, nullable=False, server_default=text("1")),
    Index("event_key", "id", "source", unique=True),
    Index("event_timeline", "subject", "time", "id"),
    postgresql_with=BUSY,
)  # fmt: skip
Index("event_unheard", event.c.seq, sqlite_where=event.c.heard == 0, postgresql_where=event.c.heard == 0)
#: what journeys put aside (heard = 2), because a facet that they ask could not be folded
event_aside = Index("event_aside", event.c.seq, sqlite_where=event.c.heard == 2, postgresql_where=event.c.heard == 2)

context = Table(
    "context", meta,
    Column("customer", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("time", BigInteger),
    Column("id", Text),
    Column("source", Text),
    Column("body", LargeBinary, nullable=False),
    postgresql_with=HOT,
)  # fmt: skip

delivery = Table(
    "delivery", meta,
    Column("id", Text, primary_key=True),
    Column("customer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("due", BigInteger),
    Column("accepted", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("data", Text, nullable=False),  # values, inline, premises, offer, tried: read with the row, never searched
    Column("origin", Text, nullable=False, server_default=text("''")),
    Column("channel", Text, nullable=False, server_default=text("''")),
    Column("provider", Text, nullable=False, server_default=text("''")),
    Column("identity", Text, nullable=False, server_default=text("''")),
    Column("provider_id", Text, nullable=False, server_default=text("''")),
    Column("tried", Text, nullable=False, server_default=text("'[]'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("faults", Integer, nullable=False, server_default=text("0")),
    Column("flagged", Integer, nullable=False, server_default=text("0")),
    Column("reported", Text, nullable=False, server_default=text("''")),  # a report that overtook the receipt
    Column("withdraw", Integer, nullable=False, server_default=text("0")),
    Column("watched", Integer, nullable=False, server_default=text("0")),  # has premises, may need waking or withdrawing
    Column("lease", Text),
    Column("lease_until", BigInteger),
    postgresql_with=HOT,
)  # fmt: skip
_due = delivery.c.due.is_not(None)
_watched = delivery.c.watched == 1
_leased = delivery.c.lease.is_not(None)
Index("delivery_due", delivery.c.customer, delivery.c.due, delivery.c.id, sqlite_where=_due, postgresql_where=_due)
_important = _due & (delivery.c.purpose == "transactional")
Index("delivery_urgent", delivery.c.customer, delivery.c.due, sqlite_where=_important, postgresql_where=_important)
Index("delivery_watched", delivery.c.customer, sqlite_where=_watched, postgresql_where=_watched)
Index("delivery_leased", delivery.c.customer, delivery.c.lease, sqlite_where=_leased, postgresql_where=_leased)
_told = _due & (delivery.c.origin != "")
Index("delivery_origin", delivery.c.origin, delivery.c.due, sqlite_where=_told, postgresql_where=_told)
Index("delivery_customer", delivery.c.customer, delivery.c.id)

lane = Table(
    "lane", meta,
    Column("customer", Text, primary_key=True),
    Column("due", BigInteger),
    Column("urgent", BigInteger),  # the earliest transactional one
    Column("lease", Text),
    Column("lease_until", BigInteger),
    postgresql_with=HOT,
)  # fmt: skip
_free = lane.c.lease.is_(None) & lane.c.due.is_not(None)
_urgent = lane.c.lease.is_(None) & lane.c.urgent.is_not(None)
Index("lane_due", lane.c.due, sqlite_where=_free, postgresql_where=_free)
Index("lane_urgent", lane.c.urgent, sqlite_where=_urgent, postgresql_where=_urgent)
_held = lane.c.lease.is_not(None)
Index("lane_leased", lane.c.lease, sqlite_where=_held, postgresql_where=_held)

attempt = Table(
    "attempt", meta,
    Column("id", Text, primary_key=True),
    Column("delivery", Text, nullable=False, index=True),
    Column("customer", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("points", Integer, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("outcome", Text, nullable=False, server_default=text("''")),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("provider_id", Text, nullable=False, server_default=text("''")),
    Column("details", Text, nullable=False, server_default=text("''")),
    Column("digest", Text, nullable=False, server_default=text("''")),
    Index("attempt_customer", "customer", "started"),
    postgresql_with=HOT,
)  # fmt: skip
_named = attempt.c.provider_id != ""
Index("attempt_provider", attempt.c.provider_id, attempt.c.provider, sqlite_where=_named, postgresql_where=_named)

decision = Table(
    "decision", meta,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("delivery", Text, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    postgresql_with=BUSY,
)  # fmt: skip

tally = Table(  # counted on its own, so that `audit` can compare
    "tally", meta,
    Column("name", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)  # fmt: skip

sendkey = Table(
    "sendkey", meta,
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("deliveries", Text, nullable=False),
    postgresql_with=BUSY,
)  # fmt: skip

code = Table(
    "code", meta,
    Column("hash", Text, primary_key=True),
    Column("offer", Text, nullable=False),
    Column("customer", Text, nullable=False),
)  # fmt: skip

redemption = Table(
    "redemption", meta,
    Column("code", Text, nullable=False),
    Column("basket", Text, nullable=False),
    Column("offer", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("once", Text, unique=True),  # the code of a personal offer, or code and person of a shared one
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("code", "basket"),
)  # fmt: skip

pause = Table(
    "pause", meta,
    Column("provider", Text, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)  # fmt: skip

rate = Table(  # when the next token of a shared rate is due, in machine time
    "rate", meta,
    Column("name", Text, primary_key=True),
    Column("arrival", BigInteger, nullable=False),
    postgresql_with=HOT,
)  # fmt: skip

note = Table(
    "note", meta,
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("scope", "name"),
)  # fmt: skip

handover = Table(
    "handover", meta,
    Column("short", Text, primary_key=True),
    Column("customer", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
)  # fmt: skip

journey = Table(
    "journey", meta,
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("name", "version"),
)  # fmt: skip

run = Table(
    "run", meta,
    Column("id", Text, primary_key=True),
    Column("customer", Text, nullable=False),
    Column("journey", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("entry", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("due", BigInteger),
    Column("waiting", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("data", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("started", BigInteger, nullable=False),
    Index("run_entry", "customer", "journey", "entry", unique=True),
    postgresql_with=HOT,
)  # fmt: skip
_waits = run.c.due.is_not(None)
Index("run_due", run.c.due, sqlite_where=_waits, postgresql_where=_waits)

campaign = Table(
    "campaign", meta,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("launched", BigInteger, nullable=False),
    Column("standing", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("changed", BigInteger),
    Column("cursor", Text, nullable=False),
    Column("whole", Integer, nullable=False),
    Column("recipients", BigInteger, nullable=False),
    Column("expanded", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)  # fmt: skip

recipient = Table(  # who is on a campaign's list, and who was reached: the key that lets nothing be done twice
    "recipient", meta,
    Column("campaign", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("expanded", Integer, nullable=False),
    PrimaryKeyConstraint("campaign", "customer", "step"),
    sqlite_with_rowid=False,
)  # fmt: skip


def to_micros(when: datetime) -> int:
    """Write an aware time as whole microseconds since 1970."""
    since = when - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """Read what ``to_micros`` wrote, as UTC."""
    return EPOCH + MICRO * micros
