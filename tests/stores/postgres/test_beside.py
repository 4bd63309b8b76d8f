"""What is read with a claim is what the looks after it would have read; it is told once, and for a moment only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnibus.model.delivery import State
from omnibus.store import Change, Grant, Settlement
from omnibus.stores.postgres import Postgres, beside
from omnibus.testing.contracts.store.parts import attempt, delivery, event, identity
from tests.stores.postgres.test_traps import wish

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the moment for which it is told be long: the machine may be slow."""
    monkeypatch.setattr(beside, "FRESH", 60.0)


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch, store: Postgres) -> list[str]:
    """Note each look that goes to the database."""
    seen: list[str] = []
    usual = store.engine.read

    async def read(*told: Any, **more: Any) -> Any:
        seen.append("read")
        return await usual(*told, **more)

    monkeypatch.setattr(store.engine, "read", read)
    return seen


async def claimed(store: Postgres, since: datetime | None = NOW - WEEK) -> list[str]:
    """Let ada have a past, ben nothing but an address, and claim one delivery of each."""
    await store.create([("ada", [identity("email:a")]), ("ben", [identity("email:b")])], NOW)
    first = delivery("d0", "ada", due=NOW - timedelta(days=1))
    await store.accept([wish(first)])
    (taken,) = await store.claim(NOW, limit=9, lease="w", term=60)
    tries = [attempt("a0", taken.id, "ada", 0, points=3, started=NOW - timedelta(hours=1))]
    assert await store.attempt(tries) == [Grant.GRANTED]
    seen = Change("ada", 0, (event("e1", "ada"),), {"cart": b"{}"}, through=(NOW, "e1", "contract"))
    assert await store.settle([Settlement("d0", "ada", "w", State.SENT, "accepted", change=seen)]) == [True]
    watched = delivery("d3", "ada", due=NOW + timedelta(days=1), premises=("cart.open",))
    await store.accept([wish(delivery("d1", "ada")), wish(delivery("d2", "ben")), wish(watched)])
    await store.pause("mail/one", NOW + timedelta(minutes=1), "429")
    return [each.id for each in await store.claim(NOW, limit=9, lease="w", term=60, since=since)]


async def test_the_looks_after_a_claim_make_no_trip(store: Postgres, other: Postgres, trips: list[str]) -> None:
    assert sorted(await claimed(store)) == ["d1", "d2"]
    trips.clear()
    people, pauses = await store.load(["ada", "ben"], since=NOW - WEEK), await store.pauses(NOW)
    assert trips == []
    assert people == await other.load(["ada", "ben"], since=NOW - WEEK)
    assert pauses == await other.pauses(NOW) != {}
    assert (len(people["ada"].spent), [each.id for each in people["ada"].live]) == (1, ["d3"])


async def test_each_of_it_is_told_once(store: Postgres, other: Postgres, trips: list[str]) -> None:
    await claimed(store)
    await store.load(["ada"], since=NOW - WEEK)
    await store.pauses(NOW)
    trips.clear()
    change = Change("ada", 1, (event("e2", "ada"),), {"cart": b"[]"}, through=(NOW, "e2", "contract"))
    assert await other.put([change]) == [True]
    await other.pause("mail/two", NOW + timedelta(minutes=1), "429")
    assert (await store.load(["ada"], since=NOW - WEEK))["ada"].version == 2
    assert set(await store.pauses(NOW)) == {"mail/one", "mail/two"}
    await store.pauses(NOW)
    assert trips == ["read", "read"], "customers with who rests; who rests"


async def test_what_was_spent_before_is_not_counted(store: Postgres, trips: list[str]) -> None:
    await claimed(store)
    trips.clear()
    assert (await store.load(["ada"], since=NOW))["ada"].spent == ()
    assert await store.pauses(NOW + timedelta(minutes=1)) == {}
    assert trips == []


@pytest.mark.parametrize(
    "look",
    [
        lambda store: store.load(["ada"]), lambda store: store.load(["ada"], since=NOW - 2 * WEEK),
        lambda store: store.load(["ada", "else"], since=NOW - WEEK),
    ],
    ids=["all that is known", "more of the past", "somebody else"],
)  # fmt: skip
async def test_what_it_does_not_know_is_read(store: Postgres, trips: list[str], look: Callable[[Any], Any]) -> None:
    await claimed(store)
    trips.clear()
    assert set(await look(store)) == {"ada"}
    assert trips == ["read"]


async def test_a_load_brings_along_who_rests(store: Postgres, trips: list[str]) -> None:
    """What was claimed ahead is loaded when it goes; the look after that needs no trip of its own."""
    await claimed(store, since=None)
    trips.clear()
    assert set(await store.load(["ada"], since=NOW - WEEK)) == {"ada"}
    assert set(await store.pauses(NOW)) == {"mail/one"}
    assert trips == ["read"]


async def test_it_is_told_for_a_moment_only(store: Postgres, trips: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "FRESH", -1.0)
    await claimed(store)
    trips.clear()
    await store.load(["ada"], since=NOW - WEEK)
    await store.pauses(NOW)
    assert len(trips) == 2


async def test_a_claim_that_is_not_asked_reads_nothing_beside(store: Postgres, trips: list[str]) -> None:
    await claimed(store, since=None)
    trips.clear()
    await store.load(["ada"], since=NOW - WEEK)
    assert trips == ["read"]
