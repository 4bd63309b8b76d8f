"""The traps of PostgreSQL queues, each as a scripted interleaving of two connections; no chance, no waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.store import Change, Grant, Limit, Outcome, Settlement, Try, Wish
from omnibus.stores.postgres import Postgres, accepting, outbox
from omnibus.stores.postgres import statements as sql

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TERM = 60.0


def delivery(id_: str, customer: str = "ada", *, due: datetime = NOW, purpose: str = "marketing") -> Delivery:
    return Delivery(id_, customer, customer, "hello", purpose, "Acme", ("mail",), State.QUEUED, due, NOW)


def wish(*told: Delivery, key: str = "") -> Wish:
    return Wish(key, "digest", told)


def sent(found: Delivery, **more: Any) -> Settlement:
    return Settlement(found.id, found.customer, found.lease, State.SENT, "accepted", **more)


async def take(store: Postgres, lease: str = "w1", limit: int = 100, *, now: datetime = NOW) -> list[Delivery]:
    return await store.claim(now, limit=limit, lease=lease, term=TERM)


async def sound(store: Postgres) -> None:
    audit = await store.audit(NOW)
    never = ("unbalanced", "stuck", "lost_lanes")
    assert {name: audit[name] for name in never} == dict.fromkeys(never, 0)


@pytest.fixture
async def ada(store: Postgres) -> Postgres:
    await store.create([("ada", ()), ("ben", ())], NOW)
    return store


async def test_trap_1_what_is_due_later_blocks_nothing_today(ada: Postgres) -> None:
    await ada.accept([wish(delivery("later", due=NOW + timedelta(days=20)))])
    await ada.accept([wish(delivery("today"))])
    (found,) = await take(ada)
    assert found.id == "today"
    assert await ada.settle([sent(found)]) == [True]
    assert await take(ada) == []
    assert await ada.next_due() == NOW + timedelta(days=20)
    assert [each.id for each in await take(ada, now=NOW + timedelta(days=20))] == ["later"]


async def test_trap_2_an_earlier_one_that_commits_during_a_claim_waits(
    ada: Postgres, connect: Callable[[], Any]
) -> None:
    """A's claim is open; B accepts an earlier one and claims: one customer never has two in `sending`."""
    await ada.accept([wish(delivery("second", due=NOW))])
    first = await connect()
    async with first.transaction():
        found, _ = await outbox.claim(first, outbox.ClaimTerms(NOW, 10, "w1", TERM))
        assert [each.id for each in found] == ["second"]
        accepting_ = asyncio.create_task(ada.accept([wish(delivery("first", due=NOW - timedelta(hours=1)))]))
        assert await take(ada, "w2") == [], "the lane is in other hands, so it is passed over without waiting"
    await accepting_
    assert await take(ada, "w2") == []
    assert [each.id for each in await ada.deliveries(state=["sending"])] == ["second"]
    assert await ada.settle([sent((await ada.deliveries(state=["sending"]))[0])]) == [True]
    assert [each.id for each in await take(ada, "w2")] == ["first"]


async def test_trap_3_a_claim_looks_at_heads_not_at_what_waits_behind_them(
    ada: Postgres, connect: Callable[[], Any]
) -> None:
    """15,500 due deliveries of few customers cost a claim no more than two: it reads by the index, a row a lane."""
    db = await connect()
    await db.execute(
        "INSERT INTO delivery (id, customer, subject, message, purpose, topic, brand, audience, via, state, due, accepted, data)"
        " SELECT 'd' || n, 'ada', 'ada', 'm', 'marketing', 't', 'b', 'person', '[]', 'queued', n, 0,"
        """ '{"values":{},"inline":"","premises":[],"offer":""}' FROM generate_series(1, 15500) n"""
    )
    await db.execute("INSERT INTO lane (customer, due) VALUES ('ada', 1)")
    await db.execute("ANALYZE delivery")
    given = {"now": 10**16, "limit": 10, "lease": "w", "term": 1}
    await db.execute("""SELECT set_config('omnibus.lanes', '["ada", "ben"]', false)""")
    plan = [
        row[0]
        for row in await (
            await db.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql.TAKE_HEADS}", given)
        ).fetchall()
    ]
    assert not any("Seq Scan on delivery" in line for line in plan), plan
    removed = [line for line in plan if "Rows Removed" in line and int(line.rpartition(":")[2]) > 10]
    assert not removed, plan
    free = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql.REFRESH_LANES}"
    plan = [row[0] for row in await (await db.execute(free, ('["ada"]',))).fetchall()]
    assert not any("Seq Scan on delivery" in line for line in plan), plan


async def test_trap_4_a_settlement_sees_what_was_accepted_while_it_waited(
    ada: Postgres, connect: Callable[[], Any], blocked: Callable[[], Any]
) -> None:
    """B holds the lane by an accept; A settles, waits for the lane, and must see B's delivery in its next statement."""
    await ada.accept([wish(delivery("first"))])
    (found,) = await take(ada)
    other = await connect()
    async with other.transaction():
        await accepting.accept(other, [wish(delivery("second"))])
        settling = asyncio.create_task(ada.settle([sent(found)]))
        await blocked()
    assert await settling == [True]
    assert await ada.next_due() == NOW, "a lane that forgot its delivery would be stuck for ever"
    assert [each.id for each in await take(ada)] == ["second"]
    await sound(ada)


async def test_trap_10_a_zombie_overwrites_nothing(ada: Postgres, connect: Callable[[], Any]) -> None:
    await ada.accept([wish(delivery("one"))])
    (zombies,) = await take(ada, "w1")
    await expire(await connect())
    assert await ada.rescue(NOW) == 1
    (found,) = await take(ada, "w2")
    told = Outcome("none", "refused")
    assert await ada.settle([Settlement("one", "ada", zombies.lease, State.FAILED, "zombie", outcome=told)]) == [True]
    row = await ada.delivery("one")
    assert (row.state, row.lease, row.reason) == (State.SENDING, "w2", "")
    assert await ada.renew("w1", TERM) == 0
    assert await ada.renew("w2", TERM) == 1
    assert await ada.settle([sent(found)]) == [True]


async def expire(db: Any) -> None:
    await db.execute("UPDATE delivery SET lease_until = 0 WHERE lease IS NOT NULL")
    await db.execute("UPDATE lane SET lease_until = 0 WHERE lease IS NOT NULL")


async def test_rescue_takes_nothing_from_the_living(ada: Postgres) -> None:
    await ada.accept([wish(delivery("one"))])
    await take(ada)
    assert await ada.rescue(NOW, everything=True) == 0
    assert (await ada.delivery("one")).state is State.SENDING


def try_of(
    found: Delivery, number: int = 1, *, version: int = 0, points: int = 1, limits: Any = (), attempt: str = ""
) -> Try:
    return Try(
        attempt or f"a-{found.id}", found.id, found.lease, number, "mail", "one", "ref", points, NOW,
        Change(found.customer, version), limits,
    )  # fmt: skip


async def test_what_one_try_spends_the_next_of_the_batch_has_not(ada: Postgres) -> None:
    await ada.accept([wish(delivery("one"))])
    (found,) = await take(ada)
    limit = (Limit("", NOW - timedelta(days=7), 1),)
    tries = [try_of(found, limits=limit, attempt="a1"), try_of(found, 2, limits=limit, attempt="a2")]
    assert await ada.attempt(tries) == [Grant.GRANTED, Grant.OVER]


async def test_of_two_settlements_in_a_batch_the_second_follows_on_the_first(ada: Postgres) -> None:
    """The second finds the lease gone: it closes its attempt and moves nothing."""
    await ada.accept([wish(delivery("one"))])
    (found,) = await take(ada)
    await ada.attempt([try_of(found, attempt="a1"), try_of(found, 2, attempt="a2")])
    late = Settlement("one", "ada", found.lease, State.FAILED, "refused", outcome=Outcome("a2", "refused"))
    assert await ada.settle([sent(found, outcome=Outcome("a1", "accepted")), late]) == [True, True]
    assert (await ada.delivery("one")).state is State.SENT
    assert [each.outcome for each in await ada.attempts("one")] == ["accepted", "refused"]
    await sound(ada)


async def test_rescue_after_an_attempt_is_a_doubt_and_before_it_is_none(
    ada: Postgres, connect: Callable[[], Any]
) -> None:
    await ada.accept([wish(delivery("asked")), wish(delivery("unasked", "ben"))])
    found = {each.id: each for each in await take(ada)}
    assert await ada.attempt([try_of(found["asked"])]) == [Grant.GRANTED]
    await expire(await connect())
    assert await ada.rescue(NOW) == 2
    assert ((await ada.delivery("asked")).state, (await ada.delivery("unasked")).state) == (State.UNKNOWN, State.QUEUED)
    assert {each.id for each in await take(ada, "w2")} == {"asked", "unasked"}


async def test_transactional_ones_go_first(ada: Postgres) -> None:
    await ada.create([(f"c{n}", ()) for n in range(20)], NOW)
    old = NOW - timedelta(days=1)
    await ada.accept([wish(delivery(f"d{n}", f"c{n}", due=old)) for n in range(20)])
    await ada.accept([wish(delivery("password", "ada", purpose="transactional"))])
    assert [each.id for each in await take(ada, limit=3)] == ["password", "d0", "d1"]


async def test_an_attempt_is_guarded_by_what_others_commit_meanwhile(
    ada: Postgres, connect: Callable[[], Any], blocked: Callable[[], Any]
) -> None:
    """Consent is taken back while the attempt waits for the row: it is stale, nothing of it is stored."""
    await ada.accept([wish(delivery("one"))])
    (found,) = await take(ada)
    event = Event("no", "app", "consent.withdrawn", NOW, "ada", {"channel": "*"})
    other = await connect()
    async with other.transaction():
        from omnibus.stores.postgres import customers

        change = Change("ada", 0, (event,), {"consent": b"{}"}, event.order)
        assert await customers.put(other, [change], frozenset()) == [True]
        trying = asyncio.create_task(ada.attempt([try_of(found)]))
        await blocked()
    assert await trying == [Grant.STALE]
    assert await ada.attempts("one") == []
    assert await ada.attempt([try_of(found, version=1)]) == [Grant.GRANTED]


async def test_the_budget_holds_when_two_attempts_race(
    ada: Postgres, connect: Callable[[], Any], blocked: Callable[[], Any]
) -> None:
    limits = (Limit("", NOW - timedelta(days=7), 1),)
    await ada.accept([wish(delivery("one")), wish(delivery("two", "ben"))])
    found = await take(ada)
    other = await connect()
    both = [try_of(each, limits=limits) for each in found]
    same = [Try(**{**{f: getattr(each, f) for f in Try.__slots__}, "change": Change("ada", 0)}) for each in both]
    async with other.transaction():
        assert await outbox.attempt(other, same[:1], frozenset()) == [Grant.GRANTED]
        racing = asyncio.create_task(ada.attempt(same[1:]))
        await blocked()
    assert await racing == [Grant.OVER]


async def test_no_attempt_is_committed_after_a_pause(ada: Postgres, connect: Callable[[], Any]) -> None:
    await ada.accept([wish(delivery("one"))])
    (found,) = await take(ada)
    await ada.pause("mail/one", NOW + timedelta(minutes=5), "429")
    assert await ada.attempt([try_of(found)]) == [Grant.PAUSED]


async def test_calls_that_lock_the_same_customers_end(ada: Postgres) -> None:
    """Forty calls at once, each over both customers in another order: no deadlock, no lost change."""
    people = ["ada", "ben"]

    async def put(number: int) -> None:
        order = people if number % 2 else people[::-1]
        while order:
            loaded = await ada.load(order)
            changes = []
            for who in order:
                event = Event(f"e{number}-{who}", "app", "visit.ended", NOW, who)
                changes.append(Change(who, loaded[who].version, (event,), {"x": b"{}"}, event.order))
            done = await ada.put(changes)
            order = [who for who, ok in zip(order, done, strict=True) if not ok]

    async def accept(number: int) -> None:
        order = people if number % 2 else people[::-1]
        await ada.accept([wish(*(delivery(f"d{number}-{who}", who) for who in order), key=f"k{number}")])

    await asyncio.gather(*(put(n) for n in range(20)), *(accept(n) for n in range(20)))
    assert [len(await ada.events([who])) for who in people] == [20, 20]
    assert [loaded.version for loaded in (await ada.load(people)).values()] == [20, 20]
    await sound(ada)


async def test_one_key_raced_by_many_has_one_effect(ada: Postgres) -> None:
    answers = await asyncio.gather(*(ada.accept([wish(delivery(f"d{n}"), key="once")]) for n in range(20)))
    assert len({each[0][0].id for each in answers}) == 1
    assert (await ada.audit(NOW))["accepted"] == 1


async def test_two_people_born_at_once_with_one_address_are_one(ada: Postgres) -> None:
    from omnibus.model.customer import Identity

    own = Identity("email", "x@example.com", "ref-x")
    made = await asyncio.gather(*(ada.create([(f"new{n}", [own])], NOW) for n in range(10)))
    assert len({each[0] for each in made}) == 1
