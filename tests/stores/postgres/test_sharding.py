"""Every hot statement that the store really runs names the customer of the hot tables it touches; the rest is listed.

The statements are collected from the connections while the main paths run: customers, accept, claim, attempt, settle,
reports, journeys, redemption, merge, campaign, pruning. A new one that no customer leads to fails here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from omnibus.model.delivery import State
from omnibus.store import Settlement
from omnibus.stores.postgres import statements as sql

#: hot table → the column that a cluster is sharded by
SHARDED = {
    "event": "subject", "context": "customer", "delivery": "customer", "lane": "customer", "attempt": "customer",
    "run": "customer", "identity": "customer", "code": "customer", "recipient": "customer", "customer": "id",
}  # fmt: skip

#: (table, how the statement begins) → why no customer leads to it
JUSTIFIED = {
    # what is asked by somebody else's name for it: a look-up on every shard, once a message at most
    ("event", "SELECT e.source, e.id FROM unnest("): "a fact is told once by its own key, before anybody knows whose it is",
    ("identity", "SELECT ref, customer FROM identity WHERE ref = ANY"): "who somebody is, is what is asked",
    ("attempt", "SELECT {columns} FROM attempt WHERE id = %s"): "a report names its attempt, not its customer",
    ("attempt", "SELECT {columns} FROM attempt WHERE provider_id = %s"): "… or gives the provider's own number",
    ("attempt", "SELECT {columns} FROM attempt WHERE delivery = %s"): "for `why` and for lost answers",
    ("delivery", "SELECT {columns} FROM delivery WHERE id = %s"): "a delivery is asked for by its id",
    ("delivery", "SELECT {columns} FROM delivery WHERE id = ANY(%s)"): "what a send key gave before",
    ("delivery", "SELECT {standing} FROM delivery WHERE id = ANY(%s)"): "rows that a merge moved between claim and settlement",
    ("code", "SELECT hash, offer, customer FROM code WHERE hash = %s"): "a code at a till does not say whose it is",
    ("customer", "WITH RECURSIVE down AS (SELECT id"): "who was merged into whom leads from one customer to others",
    # a worker's own: it works on some shards, and asks each of them
    ("lane", "WITH u AS MATERIALIZED ( SELECT customer FROM lane WHERE lease IS NULL"): "the claim: the earliest of a shard",
    ("lane", "WITH mine AS MATERIALIZED"): "a worker's own lanes, by its lease; three times a minute",
    ("delivery", "UPDATE delivery SET lease_until ="): "a worker's own rows, by its lease; three times a minute",
    ("lane", "SELECT customer FROM lane WHERE lease IS NOT NULL AND lease_until <"): "whose worker died; three times a minute",
    ("delivery", "SELECT customer FROM lane WHERE lease IS NOT NULL AND lease_until <"): "as above",
    ("lane", "SELECT min(due) FROM (SELECT min(due)"): "when a shard has work next",
    ("run", "SELECT min(due) FROM (SELECT min(due)"): "as above",
    ("event", "SELECT {columns} FROM event WHERE heard = 0"): "what journeys have not heard yet, of a shard",
    ("run", "SELECT {columns} FROM run WHERE true AND node <> '' AND due <= %s"): "whose time has come, of a shard",
    # over everybody, page by page or once
    ("customer", "SELECT id FROM customer WHERE id > %s"): "pages of everybody; `id` is the customer",
    ("delivery", "SELECT id, accepted, data::json->>'key', customer FROM delivery WHERE id > %s"): "pruning reads a shard's oldest",
    ("delivery", "SELECT state, count(*) FROM delivery GROUP BY state"): "`audit` counts everything",
    ("delivery", "SELECT count(*) FROM delivery"): "`audit` again",
    ("attempt", "SELECT count(*) FROM delivery d WHERE state IN"): "`audit` again",
    ("delivery", "SELECT count(*) FROM delivery d WHERE state IN"): "`audit` again",
    ("delivery", "SELECT {columns} FROM delivery WHERE true"): "a list for people",
    ("delivery", "SELECT state, CASE WHEN state IN ('held'"): "a campaign's sums",
    ("delivery", "SELECT {campaign}, (SELECT count(*) FROM (SELECT FROM delivery WHERE origin"): "what of a campaign is due soon",
    ("customer", 'SELECT count(*) FROM customer WHERE "into" IS NULL'): "how many a campaign reaches",
    ("customer", 'SELECT id, "into" FROM customer WHERE id > %s'): "pages of everybody; `id` is the customer",
    ("recipient", "SELECT count(*) FROM recipient WHERE campaign"): "how many are on a list",
    ("recipient", "DELETE FROM recipient WHERE campaign"): "a list begun anew",
}  # fmt: skip


#: the statements of the road out and in that must have run, else nothing is proved
MUST = (
    "TAKE_LANES", "TAKE_HEADS", "PUT_ATTEMPTS", "PUT_STANDINGS", "CLOSE_ATTEMPTS", "REFRESH_LANES", "RAISE_LANES",
    "PUT_DELIVERIES", "PUT_KEYS", "PUT_EVENTS", "PUT_CONTEXTS", "READ_CONTEXTS", "READ_SPENT", "READ_WATCHED", "SPENT",
    "LOCK_CONTEXTS", "LOCK_LANES", "PUT_RUNS", "MOVE_RUNS", "PUT_DECISIONS", "PROVE_ATTEMPTS",
)  # fmt: skip


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Collect every statement that goes over a connection of ours."""
    seen: set[str] = set()
    usual = psycopg.AsyncConnection.execute

    async def execute(self: Any, query: Any, *given: Any, **more: Any) -> Any:
        seen.add(" ".join(str(query).split()))
        return await usual(self, query, *given, **more)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", execute)
    return seen


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


def led(statement: str, table: str, names: set[str]) -> bool:
    """Tell whether a customer leads to a hot table: in the columns it is filled by, or in a condition on each use."""
    column = SHARDED[table]
    into = re.match(rf"INSERT INTO {table}(?: AS \w+)? \(([^)]*)\)", statement)
    if into:
        return column in re.split(r",\s*", into[1])
    side = r"(?:=|IN\b|<>)"
    return all(
        re.search(rf"\b{name}\.{column}\s*{side}|{side}\s*{name}\.{column}\b", statement)
        or (name == table and re.search(rf"(?<![\w.]){column}\s*{side}", statement))
        for name in names
    )


def without(statements: set[str]) -> set[tuple[str, str]]:
    return {
        (table, plain(each))
        for each in statements
        for table, names in touched(each).items()
        if not led(each, table, names)
    }


async def turn(shop: Any) -> None:
    """Go every main path once."""
    shop.channel("mail", idempotency="lookup")
    shop.message("hello", via=["mail"], topic="news", while_=["cart.open"])
    shop.message("news", via=["mail"], topic="news")
    shop.message("code", via=["mail"], purpose="transactional", topic="account")
    shop.journey("welcome", "trigger: cart.updated\nsteps:\n  - wait: 1h\n  - send: hello\n")
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
    keyless = without(told)
    unjustified = {each for each in keyless if not any(each[0] == t and each[1].startswith(b) for t, b in JUSTIFIED)}
    assert unjustified == set()
    idle = {(t, b) for t, b in JUSTIFIED if not any(each[0] == t and each[1].startswith(b) for each in keyless)}
    assert idle == set(), "what is not asked any more needs no excuse"
    assert {name for name in MUST if " ".join(getattr(sql, name).split()) not in told} == set()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE delivery SET state = 'x' WHERE id = %s", {"delivery"}),
        ("UPDATE delivery d SET state = 'x' WHERE d.id = %s AND d.customer = %s", set()),
        ("SELECT 1 FROM lane l JOIN delivery d ON d.customer = l.customer WHERE l.customer = ANY(%s)", set()),
        ("SELECT 1 FROM unnest(%s::text[]) AS u(id) JOIN delivery d ON d.id = u.id", {"delivery"}),
        ("INSERT INTO attempt (id, delivery) VALUES (%s, %s)", {"attempt"}),
        ("INSERT INTO attempt (id, customer) VALUES (%s, %s)", set()),
        ("SELECT body FROM context WHERE customer = ANY(%s)", set()),
        ("SELECT body FROM event WHERE customer = ANY(%s)", {"event"}),
        ("DELETE FROM attempt a USING unnest(%s::text[]) AS u(id) WHERE a.delivery = u.id", {"attempt"}),
    ],
)
def test_the_look_at_a_statement_can_fail(statement: str, found: set[str]) -> None:
    assert {table for table, _ in without({statement})} == found
