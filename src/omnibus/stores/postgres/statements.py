"""The hot statements. Each names `customer` (or `subject`, its name on an event), so that a cluster can shard by it.

The few that cannot are listed with the reason in ``tests/stores/postgres/test_sharding.py``, which holds all others to it.
Lists of rows travel as arrays, one per column: one statement for a batch, whatever its size.
"""

from __future__ import annotations

from omnibus.stores.rows import ATTEMPT, DELIVERY, EVENT, RUN

CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"  # leases run by the database's clock

DELIVERY_TYPES = (
    "id text, customer text, subject text, message text, purpose text, topic text, brand text, audience text, via text,"
    " state text, reason text, due bigint, accepted bigint, expires bigint, data text, origin text, channel text,"
    " provider text, identity text, provider_id text, tried text, attempts int, faults int, flagged int, withdraw int,"
    " watched int"
)


def rows(columns: str, name: str = "u") -> str:
    """Write a batch, given as one JSON text, as a table: ``rows("id text, due bigint")``; ``n`` counts its rows."""
    return part("%s", columns, name)


def part(of: str, columns: str, name: str) -> str:
    """Write what lies within a row of a batch as a table, as ``rows`` does."""
    pairs = [each.split() for each in columns.split(", ")]
    told = ", ".join(f"{key(number)} {kind}" for number, (_, kind) in enumerate(pairs))
    names = ", ".join(column for column, _ in pairs)
    return f"ROWS FROM (json_to_recordset({of}) AS ({told})) WITH ORDINALITY AS {name}({names}, n)"


LISTED = "json_array_elements_text(%s)"


def listed(name: str = "u", column: str = "customer") -> str:
    """Write texts, given as one JSON text, as a table of one column."""
    return f"{LISTED} AS {name}({column})"


#: one of texts, given as one JSON text
THESE = f"ANY(ARRAY(SELECT {LISTED}))"


def key(number: int) -> str:
    """Name a column in the JSON of a batch."""
    return f"c{number}"


def of(columns: str, table: str) -> str:
    """Name columns of a table."""
    return ", ".join(f"{table}.{each}" for each in columns.split(", "))


# ---- locks, always in this order: contexts, then lanes, each in the order of customers

NEW_CONTEXTS = (
    f"INSERT INTO context (customer, version, body) SELECT u.customer, 0, '' FROM {rows('customer text')}"
    " ORDER BY u.customer ON CONFLICT (customer) DO NOTHING"
)
LOCK_CONTEXTS = "SELECT customer, version FROM context WHERE customer = ANY(%s) ORDER BY customer FOR UPDATE"
LOCK_LANES = "SELECT customer FROM lane WHERE customer = ANY(%s) ORDER BY customer FOR UPDATE"
NEW_LANES = (
    f"INSERT INTO lane (customer) SELECT u.customer FROM {rows('customer text')} ORDER BY u.customer"
    " ON CONFLICT (customer) DO NOTHING"
)
PRESENT = 'SELECT id AS customer FROM customer WHERE id = ANY(%s) AND "into" IS NULL'

# ---- what a decision needs to know, read under the locks

STANDING = (
    "id, customer, state, reason, due, channel, provider, identity, provider_id, tried, attempts, faults, flagged,"
    " withdraw, watched, reported, lease"
)
READ_STANDINGS = (
    f"SELECT {of(STANDING, 'd')} FROM {rows('customer text, id text')}"
    " JOIN delivery d ON d.customer = u.customer AND d.id = u.id"
)
MOVED_STANDINGS = f"SELECT {STANDING} FROM delivery WHERE id = ANY(%s)"
KNOWN = (
    f"SELECT e.source, e.id FROM {rows('source text, id text')} CROSS JOIN LATERAL"
    " (SELECT e.source, e.id FROM event e WHERE e.id = u.id AND e.source = u.source OFFSET 0) e"
)
SPENT = (
    "SELECT u.n, coalesce(sum(a.points), 0)::bigint FROM"
    f" {rows('customer text, since bigint, channel text')} JOIN attempt a ON a.customer = u.customer"
    " AND a.started >= u.since AND (u.channel = '' OR a.channel = u.channel) GROUP BY u.n"
)
LAST_ATTEMPTS = (
    f"SELECT u.id, a.id FROM {rows('customer text, id text')} CROSS JOIN LATERAL (SELECT id FROM attempt"
    " WHERE customer = u.customer AND delivery = u.id ORDER BY number DESC, id DESC LIMIT 1) a"
)
RESTING = "SELECT provider, until FROM pause WHERE provider = ANY(%s) AND until > %s"

# ---- what follows from it

PUT_EVENTS = (
    "INSERT INTO event (source, id, type, time, subject, data, heard) SELECT u.source, u.id, u.type, u.time, u.subject,"
    f" u.data, u.heard FROM {rows('source text, id text, type text, time bigint, subject text, data text, heard int')}"
    " ORDER BY u.n ON CONFLICT DO NOTHING"
)
PUT_CONTEXTS = (
    "UPDATE context c SET version = u.version, time = u.time, id = u.id, source = u.source, body = u.body FROM"
    f" {rows('customer text, version bigint, time bigint, id text, source text, body bytea')} WHERE c.customer = u.customer"
)
PUT_IDENTITIES = (
    "INSERT INTO identity (ref, customer, origin, kind, value, verified, evidence, position) SELECT u.ref, u.customer,"
    " u.customer, u.kind, u.value, u.verified, u.evidence, u.n + (SELECT count(*) FROM identity i WHERE i.customer ="
    " u.customer) FROM"
    f" {rows('ref text, customer text, kind text, value text, verified int, evidence text')} ORDER BY u.ref"
    " ON CONFLICT (ref) DO UPDATE SET verified = greatest(identity.verified, excluded.verified)"
    " WHERE identity.customer = excluded.customer RETURNING ref"
)
PUT_STANDINGS = (
    "UPDATE delivery d SET state = u.state, reason = u.reason, due = u.due, channel = u.channel, provider = u.provider,"
    " identity = u.identity, provider_id = u.provider_id, tried = u.tried, attempts = u.attempts, faults = u.faults,"
    " flagged = u.flagged, withdraw = u.withdraw, watched = u.watched, reported = u.reported, lease = u.lease,"
    " lease_until = CASE WHEN u.lease IS NULL THEN NULL ELSE d.lease_until END FROM "
    + rows(
        "id text, customer text, state text, reason text, due bigint, channel text, provider text, identity text,"
        " provider_id text, tried text, attempts int, faults int, flagged int, withdraw int, watched int, reported text,"
        " lease text"
    )
    + " WHERE d.customer = u.customer AND d.id = u.id"
)
PUT_ATTEMPTS = (
    "INSERT INTO attempt (id, delivery, customer, number, channel, provider, identity, points, started, digest)"
    " SELECT u.id, u.delivery, u.customer, u.number, u.channel, u.provider, u.identity, u.points, u.started, u.digest FROM "
    + rows(
        "id text, delivery text, customer text, number int, channel text, provider text, identity text, points int,"
        " started bigint, digest text"
    )
    + " ON CONFLICT (id) DO UPDATE SET number = excluded.number, outcome = '', points = excluded.points"
)
CLOSE_ATTEMPTS = (
    "UPDATE attempt a SET outcome = u.outcome, reason = u.reason, ended = u.ended,"
    " provider_id = CASE WHEN u.provider_id = '' THEN a.provider_id ELSE u.provider_id END,"
    " points = CASE WHEN u.counts = 1 THEN a.points ELSE 0 END,"
    " details = CASE WHEN u.details = '' THEN a.details ELSE u.details END FROM "
    + rows(
        "id text, customer text, outcome text, reason text, ended bigint, provider_id text, counts int, details text"
    )
    + " WHERE a.customer = u.customer AND a.id = u.id"
    " AND (a.outcome <> 'accepted' OR u.outcome = 'accepted')"  # nothing that a zombie says undoes a receipt
)
CLOSE_STRAY_ATTEMPTS = CLOSE_ATTEMPTS.replace("a.customer = u.customer AND ", "")
PROVE_ATTEMPTS = (
    f"UPDATE attempt a SET outcome = 'accepted' FROM {rows('customer text, id text')}"
    " WHERE a.customer = u.customer AND a.id = u.id AND a.outcome <> 'accepted'"
)
BOUNCE_ATTEMPTS = (
    "UPDATE attempt a SET outcome = 'bounced', reason = coalesce(u.reason, a.reason), points = 0 FROM"
    f" {rows('customer text, id text, reason text')} WHERE a.customer = u.customer AND a.id = u.id"
)
PUT_CODES = (
    f"INSERT INTO code (hash, offer, customer) SELECT u.hash, u.offer, u.customer FROM"
    f" {rows('hash text, offer text, customer text')} ORDER BY u.hash ON CONFLICT DO NOTHING"
)
PUT_DECISIONS = (
    f"INSERT INTO decision (delivery, at, body) SELECT u.delivery, u.at, u.body FROM"
    f" {rows('delivery text, at bigint, body text')} ORDER BY u.n"
)
RAISE_LANES = (
    "INSERT INTO lane AS l (customer, due, urgent) SELECT u.customer, u.due, u.urgent FROM"
    f" {rows('customer text, due bigint, urgent bigint')} ORDER BY u.customer ON CONFLICT (customer) DO UPDATE SET"
    " due = least(l.due, excluded.due), urgent = least(l.urgent, excluded.urgent)"
)
_OF_LANE = "FROM delivery d WHERE d.customer = l.customer AND"
_HEAD = f"(SELECT d.due {_OF_LANE} d.due IS NOT NULL AND d.lease IS NULL"
#: what its deliveries say: what is due next, and whether one of them is in somebody's hands
FROM_DELIVERIES = (
    f"due = {_HEAD} ORDER BY d.due LIMIT 1),"
    f" urgent = {_HEAD} AND d.purpose = 'transactional' ORDER BY d.due LIMIT 1),"
    f" lease = (SELECT d.lease {_OF_LANE} d.lease IS NOT NULL ORDER BY d.lease LIMIT 1),"
    f" lease_until = (SELECT d.lease_until {_OF_LANE} d.lease IS NOT NULL ORDER BY d.lease LIMIT 1)"
)
REFRESH_LANES = f"UPDATE lane l SET {FROM_DELIVERIES} WHERE l.customer = {THESE}"

# ---- accept

CANONICAL = (
    'WITH RECURSIVE up AS (SELECT id AS asked, id, "into" FROM customer WHERE id = ANY(%s) UNION ALL'
    ' SELECT up.asked, c.id, c."into" FROM up JOIN customer c ON c.id = up."into")'
    ' SELECT asked, id AS customer FROM up WHERE "into" IS NULL'
)
READ_KEYS = "SELECT key, digest, deliveries FROM sendkey WHERE key = ANY(%s)"
PUT_KEYS = (
    "INSERT INTO sendkey (key, digest, deliveries) SELECT u.key, u.digest, u.deliveries FROM"
    f" {rows('key text, digest text, deliveries text')} ORDER BY u.key ON CONFLICT DO NOTHING"
)
_PLAIN = ", ".join(each.split()[0] for each in DELIVERY_TYPES.split(", "))
PUT_DELIVERIES = f"INSERT INTO delivery ({_PLAIN}) SELECT {of(_PLAIN, 'u')} FROM {rows(DELIVERY_TYPES)}"
#: as above, what is the same for all of them given once
SPREAD = (
    f"INSERT INTO delivery ({_PLAIN}) SELECT u.id, u.customer, u.subject,"
    f" {', '.join('%s::' + each.split()[1] for each in DELIVERY_TYPES.split(', ')[3:])}"
    f" FROM {rows('id text, customer text, subject text')}"
)
COUNT = "INSERT INTO tally AS t (name, count) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET count = t.count + excluded.count"

# ---- claim: the lanes first; their heads in the next statement, which sees what their last holder committed

TAKE_LANES = """
WITH u AS MATERIALIZED (
  SELECT customer FROM lane WHERE lease IS NULL AND urgent <= %(now)s
  ORDER BY urgent LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), l AS MATERIALIZED (
  SELECT customer FROM lane WHERE lease IS NULL AND due <= %(now)s AND (urgent IS NULL OR urgent > %(now)s)
  ORDER BY due LIMIT greatest(%(whole)s - (SELECT count(*) FROM u), 0) FOR UPDATE SKIP LOCKED
) SELECT set_config('omnibus.lanes', coalesce(json_agg(t.customer), '[]')::text, true)
FROM (SELECT customer FROM u UNION ALL SELECT customer FROM l) t
"""
#: the lanes just taken, as the statements after it in the same transaction find them
TAKEN = "json_array_elements_text(current_setting('omnibus.lanes', true)::json)"
TAKE_HEADS = f"""
WITH h AS MATERIALIZED (
  SELECT l.customer, l.n, d.place, d.state FROM {TAKEN} WITH ORDINALITY AS l(customer, n) LEFT JOIN LATERAL (
    (SELECT 0 AS rank, ctid AS place, state FROM delivery WHERE customer = l.customer AND due <= %(now)s AND lease IS NULL
     AND purpose = 'transactional' ORDER BY due, id LIMIT 1)
    UNION ALL (SELECT 1, ctid, state FROM delivery WHERE customer = l.customer AND due <= %(now)s AND lease IS NULL
     ORDER BY due, id LIMIT 1)
    ORDER BY rank LIMIT 1
  ) d ON true
), held AS (
  UPDATE lane l SET lease = %(lease)s, lease_until = {CLOCK} + %(term)s
  WHERE l.customer = ANY(ARRAY(SELECT customer FROM h WHERE place IS NOT NULL))
), empty AS (
  UPDATE lane l SET {FROM_DELIVERIES} WHERE l.customer = ANY(ARRAY(SELECT customer FROM h WHERE place IS NULL))
) UPDATE delivery d SET lease = %(lease)s, lease_until = {CLOCK} + %(term)s,
  state = CASE WHEN d.state IN ('queued', 'held') THEN 'sending' ELSE d.state END
FROM h WHERE d.ctid = h.place
RETURNING {", ".join("h.state" if each == "state" else f"d.{each}" for each in DELIVERY.split(", "))}, h.n
"""

# ---- leases

RENEW_LANES = (
    "WITH mine AS MATERIALIZED (SELECT customer FROM lane WHERE lease = %(lease)s ORDER BY customer FOR UPDATE)"
    f" UPDATE lane l SET lease_until = {CLOCK} + %(term)s FROM mine WHERE l.customer = mine.customer"
)
RENEW_DELIVERIES = f"UPDATE delivery SET lease_until = {CLOCK} + %(term)s WHERE lease = %(lease)s"
EXPIRED = (
    f"SELECT customer FROM lane WHERE lease IS NOT NULL AND lease_until < {CLOCK}"
    f" UNION SELECT customer FROM delivery WHERE lease IS NOT NULL AND lease_until < {CLOCK}"
)
LOCK_EXPIRED = "SELECT customer FROM lane WHERE customer = ANY(%s) ORDER BY customer FOR UPDATE SKIP LOCKED"
RESCUE = f"""
UPDATE delivery d SET due = least(d.due, %s), lease = NULL, lease_until = NULL, attempts = greatest(d.attempts,
  (SELECT max(a.number) FROM attempt a WHERE a.delivery = d.id AND a.customer = d.customer)), state = CASE WHEN d.state <> 'sending' THEN d.state
  WHEN EXISTS (SELECT FROM attempt a WHERE a.delivery = d.id AND a.customer = d.customer AND a.outcome = '')
  THEN 'unknown' ELSE 'queued' END
WHERE d.customer = ANY(%s) AND d.lease IS NOT NULL AND d.lease_until < {CLOCK}
"""
# ---- load


READ_CONTEXTS = "SELECT customer, version, time, id, source, body FROM context WHERE customer = ANY(%s)"
READ_IDENTITIES = f"SELECT customer, kind, value, ref, verified, evidence FROM identity WHERE customer = {THESE} ORDER BY position, ref"
READ_ALIASES = (
    "WITH RECURSIVE down AS (SELECT id AS customer, id, 0 AS depth FROM customer WHERE id = ANY(%s) UNION ALL"
    ' SELECT down.customer, c.id, depth + 1 FROM down JOIN customer c ON c."into" = down.id)'
    " SELECT customer, id FROM down WHERE depth > 0 ORDER BY depth, id"
)
READ_EVENTS = f"SELECT {EVENT} FROM event WHERE subject = ANY(%s) ORDER BY time, id, source"
READ_LAST_EVENTS = (
    f"SELECT {EVENT} FROM event WHERE subject = ANY(%s) ORDER BY time DESC, id DESC, source DESC LIMIT %s"
)
READ_HISTORIES = f"SELECT {EVENT} FROM event WHERE subject = ANY(%s) LIMIT %s"
_TRACED = (
    "a.id, a.channel, a.provider, a.identity, d.id, d.customer, d.message, d.purpose, d.topic, d.audience, d.via, d.tried,"
    " d.expires FROM attempt a JOIN delivery d ON d.customer = a.customer AND d.id = a.delivery WHERE"
)
TRACE_OURS = f"SELECT a.id, {_TRACED} a.id = ANY(%s)"
TRACE_THEIRS = f"SELECT a.provider_id, {_TRACED} a.provider_id = ANY(%s) AND a.provider_id <> ''"
READ_ATTEMPTS = f"SELECT {ATTEMPT} FROM attempt WHERE delivery = %s ORDER BY number, id"

# ---- runs

READ_RUNS = (
    f"SELECT r.id, r.revision FROM {rows('id text, customer text, now text')} JOIN run r ON r.id = u.id"
    " AND r.customer IN (u.customer, u.now) FOR UPDATE OF r"
)
READ_ENTRIES = (
    f"SELECT r.customer, r.journey, r.entry FROM {rows('customer text, journey text, entry text')} CROSS JOIN LATERAL"
    " (SELECT customer, journey, entry FROM run WHERE customer = u.customer AND journey = u.journey AND entry = u.entry"
    " OFFSET 0) r"
)
RUN_TYPES = (
    "id text, customer text, journey text, version text, entry text, node text, due bigint, waiting text, revision int,"
    " data text, reason text, started bigint"
)
PUT_RUNS = f"INSERT INTO run ({RUN}) SELECT {of(RUN, 'u')} FROM {rows(RUN_TYPES)} ORDER BY u.n ON CONFLICT DO NOTHING"
MOVE_RUNS = (
    "UPDATE run r SET node = u.node, due = u.due, waiting = u.waiting, revision = u.revision, data = u.data,"
    f" reason = u.reason FROM {rows(RUN_TYPES + ', now text, before int')}"
    " WHERE r.id = u.id AND r.customer IN (u.customer, u.now) AND r.revision = u.before"
)
