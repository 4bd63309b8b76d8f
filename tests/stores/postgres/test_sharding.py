"""Every hot statement that the store really runs names the customer of the hot tables it touches; the rest is listed.

The statements are collected from the connections while the main paths run: customers, accept, claim, attempt, settle,
reports, journeys, redemption, merge, campaign, pruning. A new one that no customer leads to fails here.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

import omnibus.stores.postgres
from omnibus.model.delivery import State
from omnibus.store import Settlement
from omnibus.stores.postgres import beside, loading, telling
from omnibus.stores.postgres import plain as plain_
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.exchange import Exchange

#: hot table → the column that a cluster is sharded by
SHARDED = {
    "event": "subject", "context": "customer", "delivery": "customer", "lane": "customer", "attempt": "customer",
    "run": "customer", "identity": "customer", "code": "customer", "recipient": "customer", "customer": "id",
}  # fmt: skip

#: (table, how the statement begins, and after … how it ends) → why no customer leads to it
JUSTIFIED = {
    # what is asked by somebody else's name for it: a look-up on every shard, once a message at most
    ("event", "SELECT e.source, e.id FROM ROWS FROM (json_to_recordset("): "a fact is told once by its own key, before anybody knows whose it is",
    ("identity", "SELECT ref, customer FROM identity WHERE ref = ANY"): "who somebody is, is what is asked",
    ("attempt", "SELECT {columns} FROM attempt WHERE id = %s"): "a report names its attempt, not its customer",
    ("attempt", "SELECT {columns} FROM attempt WHERE provider_id = %s"): "… or gives the provider's own number",
    **{
        (table, f"SELECT a.{key}, a.id, a.channel"): "reports by their attempts, in batches; the delivery lies beside"
        for table in ("attempt", "delivery") for key in ("id", "provider_id")
    },
    ("attempt", "SELECT {columns} FROM attempt WHERE delivery = %s"): "for `why` and for lost answers",
    ("delivery", "SELECT {columns} FROM delivery WHERE id = %s"): "a delivery is asked for by its id",
    ("delivery", "SELECT {columns} FROM delivery WHERE id = ANY(%s)"): "what a send key gave before",
    ("delivery", "SELECT {standing} FROM delivery WHERE id = ANY(%s)"): "rows that a merge moved between claim and settlement",
    ("code", "SELECT hash, offer, customer FROM code WHERE hash = %s"): "a code at a till does not say whose it is",
    ("customer", "WITH RECURSIVE down AS (SELECT id"): "who was merged into whom leads from one customer to others",
    ("event", "WITH ok AS MATERIALIZED ( SELECT u.*, d.place AS row"): "a fact is told once by its own key, wherever it lies",
    ("attempt", "UPDATE attempt a SET outcome = u.outcome…WHERE a.id = u.id AND (a.outcome <> 'accepted' OR u.outcome = 'accepted')"):
        "an attempt whose delivery a merge moved",
    # a worker's own: it works on some shards, and asks each of them
    ("lane", "WITH u AS MATERIALIZED ( SELECT customer FROM lane WHERE lease IS NULL"): "the claim: the earliest of a shard",
    ("lane", "WITH mine AS MATERIALIZED"): "a worker's own lanes, by its lease; three times a minute",
    ("delivery", "UPDATE delivery SET lease_until ="): "a worker's own rows, by its lease; three times a minute",
    ("lane", "SELECT customer FROM lane WHERE lease IS NOT NULL AND lease_until <"): "whose worker died; three times a minute",
    ("delivery", "SELECT customer FROM lane WHERE lease IS NOT NULL AND lease_until <"): "as above",
    ("lane", "SELECT min(due) FROM (SELECT min(due)"): "when a shard has work next",
    ("run", "SELECT min(due) FROM (SELECT min(due)"): "as above",
    ("event", "SELECT e.seq, e.subject FROM (SELECT seq, subject FROM event WHERE heard = 0"): "what journeys have not heard yet, of a shard",
    ("event", "SELECT {columns} FROM event WHERE seq = ANY(%s) AND heard = 0"): "as above",
    ("event", "UPDATE event SET heard = 0 WHERE heard = 2"): "what journeys put aside, of a shard; when a worker begins, and after a rebuild",
    ("lane", "SELECT EXISTS (SELECT customer FROM lane WHERE lease IS NULL"): "whether a shard has anything to claim",
    ("run", "SELECT {columns} FROM run WHERE due <= %s"): "whose time has come, of a shard",
    **{
        (table, "SELECT EXISTS (SELECT FROM event WHERE heard = 0)"): "whether a shard has anything to do"
        for table in ("event", "run", "lane")
    },
    # over everybody, page by page or once
    ("customer", "SELECT id FROM customer WHERE id > %s"): "pages of everybody; `id` is the customer",
    ("delivery", "SELECT id, accepted, data::json->>'key', customer FROM delivery WHERE id > %s"): "pruning reads a shard's oldest",
    ("delivery", "SELECT state, count(*) FROM delivery GROUP BY state"): "`audit` counts everything",
    ("delivery", "SELECT count(*) FROM delivery"): "`audit` again",
    ("attempt", "SELECT count(*) FROM delivery d WHERE state IN"): "`audit` again",
    ("delivery", "SELECT count(*) FROM delivery d LEFT JOIN lane"): "`audit` again",
    ("lane", "SELECT count(*) FROM delivery d LEFT JOIN lane"): "`audit` again",
    ("delivery", "SELECT count(*) FROM delivery d WHERE state IN"): "`audit` again",
    ("delivery", "SELECT {columns} FROM delivery WHERE true"): "a list for people",
    ("delivery", "SELECT state, CASE WHEN state IN ('held'"): "a campaign's sums",
    ("delivery", "SELECT {campaign}, (SELECT count(*) FROM (SELECT FROM delivery WHERE origin"): "what of a campaign is due soon",
    ("delivery", "SELECT {columns} FROM delivery WHERE origin = %(origin)s"): "what waits of a campaign that is stopped",
    ("delivery", "SELECT id, customer FROM delivery WHERE origin = %(origin)s"): "what of a campaign follows a pause, page by page",
    ("attempt", "SELECT id, customer FROM delivery WHERE origin = %(origin)s"): "as above, the attempt lies beside",
    ("delivery", "UPDATE pause SET until = %(ended)s WHERE provider"): "whether anything of a stopped campaign waits",
    ("customer", 'SELECT count(*) FROM customer WHERE "into" IS NULL'): "how many a campaign reaches",
    ("customer", 'SELECT id, "into" FROM customer WHERE id > %s'): "pages of everybody; `id` is the customer",
    ("recipient", 'SELECT r.customer, c."into" FROM recipient r'): "pages of a list, in the order of customers",
    ("customer", 'SELECT r.customer, c."into" FROM recipient r'): "as above",
    ("recipient", "SELECT count(*) FROM recipient WHERE campaign"): "how many are on a list",
    ("recipient", "DELETE FROM recipient WHERE campaign"): "a list begun anew",
    ("recipient", "SELECT name FROM campaign WHERE (whole=1"): "whether there is a list that nobody is expanded from again",
    ("recipient", "DELETE FROM recipient r USING"): "a page of it, in the order of customers",
}  # fmt: skip


#: the statements of the road out and in that must have run, else nothing is proved
MUST = (
    "TAKE_LANES", "TAKE_HEADS", "LOCK", "ATTEMPT", "SETTLE", "PUT_STANDINGS", "CLOSE_ATTEMPTS", "REFRESH_LANES", "RAISE_LANES",
    "PUT_DELIVERIES", "PUT_KEYS", "PUT_EVENTS", "PUT_CONTEXTS", "READ_PEOPLE", "PEOPLE", "READ_WALKERS", "READ_CONTEXTS", "TELL",
    "LOCK_CONTEXTS", "LOCK_LANES", "PUT_RUNS", "MOVE_RUNS", "PUT_DECISIONS", "PROVE_ATTEMPTS",
)  # fmt: skip


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Collect every statement that goes over a connection of ours."""
    seen: set[str] = set()

    def tap(speaker: Any) -> None:
        usual = speaker.execute

        async def execute(self: Any, query: Any, *given: Any, **more: Any) -> Any:
            seen.add(" ".join(str(query).split()))
            return await usual(self, query, *given, **more)

        monkeypatch.setattr(speaker, "execute", execute)

    tap(psycopg.AsyncConnection)
    tap(Exchange)
    return seen


def written() -> set[str]:
    """List the statements that stand in the store's modules, whether they ran or not."""
    found: set[str] = set()
    for each in pkgutil.iter_modules(omnibus.stores.postgres.__path__):
        module = importlib.import_module(f"omnibus.stores.postgres.{each.name}")
        texts = (" ".join(value.split()) for value in vars(module).values() if isinstance(value, str))
        found |= {text for text in texts if re.match(r"(SELECT|INSERT|UPDATE|DELETE|WITH) ", text) and "{}" not in text}
    return found


def plain(statement: str) -> str:
    """Put names for the lists of columns that many statements have in common."""
    from omnibus.stores.rolls import CAMPAIGN
    from omnibus.stores.rows import ATTEMPT, DELIVERY, EVENT, RUN

    for columns, name in (
        (DELIVERY, "columns"), (ATTEMPT, "columns"), (EVENT, "columns"), (RUN, "columns"), (sql.STANDING, "standing"),
        (CAMPAIGN, "campaign"),
    ):  # fmt: skip
        statement = statement.replace(columns, f"{{{name}}}")
    return statement


def touched(statement: str) -> dict[str, set[str]]:
    """List the hot tables that a statement touches, each with the names it has there."""
    found: dict[str, set[str]] = {}
    pattern = r"\b(?:FROM|JOIN|UPDATE|INTO|USING)\s+(\w+)\b(?:\s+AS)?(?:\s+(?!ON|SET|WHERE|JOIN|LEFT|CROSS|ORDER|GROUP|FOR|UNION|LIMIT|SELECT|USING)(\w+))?"
    beside = r"\bFROM [^()]*?, (\w+) (\w+) WHERE"
    for table, alias in (*re.findall(pattern, statement), *re.findall(beside, statement)):
        if table in SHARDED:
            found.setdefault(table, set()).add(alias or table)
    return found


def led(statement: str, tables: dict[str, set[str]]) -> set[str]:
    """List the hot tables that a customer leads to: by the columns they are filled by, or by a condition on each use.

    A condition that only ties one use to another leads to neither, unless something leads to one of them.
    A row that is written where the same statement found it lies where it was found.
    """
    uses = {name: f"{name}.{SHARDED[table]}" for table, names in tables.items() for name in names}
    sides: dict[str, set[str]] = {name: set() for name in uses}
    for left, right in re.findall(r"([\w.]+|\)) ?(?:=|IN|<>) ?(\S+)", statement):
        for name, column in uses.items():
            bare = SHARDED[name] if name in tables else ""
            for one, other in ((left, right), (right.rstrip(")"), left)):
                if one == column or (one == bare and one == left):
                    sides[name].add(other.rstrip(")"))
    anchored = {name for name in uses if re.search(rf"\b{name}\.ctid = \w+\.\w+", statement)}
    while True:
        more = {name for name, told in sides.items() if any(_leads(each, uses, anchored) for each in told)} - anchored
        if not more:
            break
        anchored |= more
    for into in re.finditer(r"INSERT INTO (\w+)(?: AS (\w+))? \(([^)]*)\)", statement):
        if into[1] in tables and SHARDED[into[1]] in re.split(r",\s*", into[3]):
            anchored.add(into[2] or into[1])
    return {table for table, names in tables.items() if names <= anchored}


def _leads(side: str, uses: dict[str, str], anchored: set[str]) -> bool:
    tied = [name for name, column in uses.items() if column == side]
    return not tied or tied[0] in anchored


def without(statements: set[str]) -> set[tuple[str, str]]:
    found = set()
    for each in statements:
        tables = touched(each)
        found |= {(table, plain(each)) for table in set(tables) - led(each, tables)}
    return found


def excused(found: tuple[str, str], excuse: tuple[str, str]) -> bool:
    begins, _, ends = excuse[1].partition("…")
    return found[0] == excuse[0] and found[1].startswith(begins) and found[1].endswith(ends)


async def turn(shop: Any) -> None:
    """Go every main path once."""
    shop.channel("mail", idempotency="lookup")
    shop.message("hello", via=["mail"], topic="news", while_=["cart.open"])
    shop.message("news", via=["mail"], topic="news")
    shop.message("code", via=["mail"], purpose="transactional", topic="account")
    shop.journey("welcome", "trigger: cart.updated\nsteps:\n  - wait: 1h\n  - send: hello\n")
    shop.journey("sorry", "trigger: cart.cleared\nsteps:\n  - send: news\n")
    shop.policy = "[policy]\nquiet_hours = false\nbudget = { points = 9 }\n"
    bus = await shop.open()
    ada = await shop.ada()
    ben = await shop.ada(email="ben@example.com")
    cart = {"lines": [{"sku": "b", "name": "Boots", "price": "10.00", "quantity": 1}]}
    await bus.track(ada, "cart.updated", cart, id="c1")
    await bus.send("code", ada, key="k")
    await bus.send("code", ada, key="k")
    await bus.send("hello", ada, at=shop.clock.now() + timedelta(days=1))
    await bus.launch("news", name="spring")
    await bus.drain()
    handed = shop.wire("mail").handed[0]
    await shop.report("mail", {"id": "r", "type": "message.delivered", "attempt": handed.attempt.id})
    await shop.until(timedelta(hours=2))
    await bus.track(ada, "cart.cleared", {}, id="c2")
    await bus.drain()
    store = bus.parts.store
    await store.renew(bus.parts.dispatcher.lease, 60)
    await store.rescue(shop.clock.now())
    await bus.next_due()
    await bus.customers.merge(ada.id, ben.id)
    await bus.customers.unmerge(ada.id)
    await bus.rebuild(ada.id)
    await bus.campaigns.status("spring")
    await bus.campaigns.pause("spring")
    await bus.campaigns.resume("spring")
    await store.attempt_of(provider="mailone", provider_id="x")
    await store.attempt_of(id_="x")
    await store.code("none")
    assert await store.settle([Settlement("none", ada.id, "w", State.SENT)]) == [True]
    assert await store.deliveries()
    assert [page async for page in store.customers()]
    await bus.launch("news", [ben], name="summer")
    await bus.drain()
    await bus.why(handed.attempt.delivery)
    await bus.audit()
    shop.clock.set(shop.clock.now() + timedelta(days=200))
    assert [page async for page in bus.parts.pruner.pages()]
    await shop.balanced()


async def test_every_hot_statement_names_the_customer(shop: Any, told: set[str]) -> None:
    """… or is justified; each exception is one that is met; and the main paths were really gone."""
    await turn(shop)
    assert len(told & written()) > 60
    keyless = without(told | written())
    unjustified = {each for each in keyless if not any(excused(each, excuse) for excuse in JUSTIFIED)}
    assert unjustified == set()
    idle = {excuse for excuse in JUSTIFIED if not any(excused(each, excuse) for each in keyless)}
    assert idle == set(), "what is not asked any more needs no excuse"
    both = {**vars(loading), **vars(telling), **vars(sql), **vars(plain_), **vars(beside)}
    assert {name for name in MUST if " ".join(both[name].split()) not in told} == set()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE delivery SET state = 'x' WHERE id = %s", {"delivery"}),
        ("UPDATE delivery d SET state = 'x' WHERE d.id = %s AND d.customer = %s", set()),
        ("SELECT 1 FROM lane l JOIN delivery d ON d.customer = l.customer WHERE l.customer = ANY(%s)", set()),
        ("SELECT 1 FROM unnest(%s::text[]) AS u(id) JOIN delivery d ON d.id = u.id", {"delivery"}),
        ("SELECT 1 FROM lane l JOIN delivery d ON d.customer = l.customer WHERE d.id = %s", {"lane", "delivery"}),
        ("SELECT 1 FROM lane l JOIN delivery d ON d.customer = l.customer WHERE d.customer = %s", set()),
        ("INSERT INTO attempt (id, delivery) VALUES (%s, %s)", {"attempt"}),
        ("INSERT INTO attempt (id, customer) VALUES (%s, %s)", set()),
        (
            "WITH a AS (INSERT INTO attempt (id) VALUES (%s)) INSERT INTO code (hash, customer) VALUES (%s, %s)",
            {"attempt"},
        ),
        ("SELECT body FROM context WHERE customer = ANY(%s)", set()),
        ("SELECT body FROM event WHERE customer = ANY(%s)", {"event"}),
        ("DELETE FROM attempt a USING unnest(%s::text[]) AS u(id) WHERE a.delivery = u.id", {"attempt"}),
    ],
)
def test_the_look_at_a_statement_can_fail(statement: str, found: set[str]) -> None:
    assert {table for table, _ in without({statement})} == found
