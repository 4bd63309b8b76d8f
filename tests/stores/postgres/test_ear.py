"""Each chunk of unheard events is one worker's; two workers hear different customers, and who dies is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from omnibus.store import Change, Step
from omnibus.stores.postgres import Postgres, ear
from omnibus.testing.contracts.store import NOW, event

PEOPLE = [f"c{number}" for number in range(8)]


@pytest.fixture
async def workers(url: str) -> AsyncIterator[tuple[Postgres, Postgres]]:
    """Two workers of one store, and an event of each customer that nobody heard."""
    both = (Postgres(url, lambda: NOW), Postgres(url, lambda: NOW))
    for each in both:
        each.stir(["cart.updated"])
        await each.open()
    await both[0].create([(each, ()) for each in PEOPLE], NOW)
    for each in PEOPLE:
        await tell(both[0], each, 0)
    yield both
    for each in both:
        await each.aclose()


async def tell(store: Postgres, who: str, version: int) -> None:
    one = event(f"{who}-{version}", who, type_="cart.updated")
    assert await store.put([Change(who, version, (one,), {}, one.order)]) == [True]


async def heard(store: Postgres, limit: int = 100) -> list[str]:
    return [each.subject for each in (await store.cues(NOW, limit)).events]


async def test_two_workers_hear_different_customers(workers: tuple[Postgres, Postgres]) -> None:
    one, two = workers
    first, second = await heard(one, 3), await heard(two, 3)
    assert (len(first), len(second)) == (3, 3)
    assert not set(first) & set(second)
    assert set(await heard(one)) | set(second) == set(PEOPLE), "what the other has taken is left to it"


async def test_a_customer_is_heard_by_one_at_a_time(workers: tuple[Postgres, Postgres]) -> None:
    """Their next event waits for whoever hears them, so that none overtakes another."""
    one, two = workers
    mine = await one.stirred(1)
    await tell(two, mine[0].subject, 1)
    assert mine[0].subject not in await heard(two)
    await one.step([Step(heard=tuple(mine))])
    assert await heard(one) == [mine[0].subject]


async def test_what_was_heard_is_not_given_again(workers: tuple[Postgres, Postgres]) -> None:
    one, two = workers
    mine = await one.stirred(100)
    assert await heard(two) == []
    await one.step([Step(heard=tuple(mine))])
    assert await heard(one) == []
    assert await heard(two) == []


class Between:
    """Let something happen on a connection after events were taken, and before they are looked at once more."""

    def __init__(self, db: Any, happen: Callable[[], Awaitable[Any]]) -> None:
        self.db, self.happen = db, happen

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)

    async def execute(self, statement: str, *given: Any) -> Any:
        if statement == ear.STILL:
            await self.happen()
        return await self.db.execute(statement, *given)


@pytest.mark.parametrize("look", ["stirred", "cues"])
async def test_what_was_heard_since_it_was_taken_is_not_given(workers: tuple[Postgres, Postgres], look: str) -> None:
    """Whoever had the locks before may have committed after the statement that takes began: its rows are as old as that."""
    one, two = workers
    told = {each: event(f"{each}-0", each, type_="cart.updated") for each in PEOPLE}
    usual = two.ear.read

    async def read(job: Any) -> Any:
        heard_ = lambda: one.step([Step(heard=tuple(told[each] for each in PEOPLE[:5]))])  # noqa: E731
        return await usual(lambda db: job(Between(db, heard_)))

    two.ear.read = read  # type: ignore[method-assign]
    given = await two.stirred(100) if look == "stirred" else (await two.cues(NOW, 100)).events
    assert [each.subject for each in given] == PEOPLE[5:]


async def test_who_looks_whether_there_is_more_has_heard_what_they_took(workers: tuple[Postgres, Postgres]) -> None:
    """They may end with that look, and their people's next events must not wait for a connection to fall silent."""
    one, two = workers
    mine = await one.stirred(100)
    assert await heard(two) == []
    await one.step([Step(heard=tuple(mine[:4]))])
    assert await one.busy(NOW)
    assert await heard(two) == PEOPLE[4:]


async def test_who_dies_in_between_is_replaced(workers: tuple[Postgres, Postgres], connect: Callable[[], Any]) -> None:
    one, two = workers
    assert len(await heard(one)) == len(PEOPLE)
    assert await heard(two) == []
    db = await connect()
    killed = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7306"
    await db.execute(killed)
    assert await heard(two) == PEOPLE
    assert await heard(one) == [], "it finds another connection, and that the other one has them"


async def test_a_worker_that_falls_silent_loses_its_chunk(
    workers: tuple[Postgres, Postgres], connect: Callable[[], Any]
) -> None:
    one, _ = workers
    await one.stirred(1)
    db = await connect()
    shown = await one.ear.read(lambda own: setting(own, "idle_session_timeout"))
    assert shown == "1min"
    assert (await (await db.execute("SHOW idle_session_timeout")).fetchone())[0] == "0", "for that connection only"


async def setting(db: Any, name: str) -> str:
    return str((await (await db.execute(f"SHOW {name}")).fetchone())[0])


async def test_together_they_hear_everything_once(workers: tuple[Postgres, Postgres]) -> None:
    """Both at once, small chunks; what was heard is counted by those who heard it."""
    told: list[str] = []

    async def hear(store: Postgres) -> None:
        while mine := await store.stirred(2):
            told.extend(each.id for each in mine)
            await store.step([Step(heard=tuple(mine))])
        await store.stirred(1)

    for version in (1, 2, 3):
        for each in PEOPLE:
            await tell(workers[0], each, version)
    await asyncio.gather(*(hear(each) for each in workers))
    await hear(workers[0])
    assert sorted(told) == sorted(f"{each}-{version}" for each in PEOPLE for version in range(4))
