"""A claim takes the settlements along that wait for a commit; whatever is in the way of both, each is done by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnibus.errors import InputError, StoreFull
from omnibus.model.delivery import Delivery, State
from omnibus.store import Settlement
from omnibus.stores.postgres import Postgres
from omnibus.testing.contracts.store.parts import attempt, delivery, identity
from tests.stores.postgres.test_traps import wish

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
async def store(store: Postgres) -> Postgres:
    """Let ada have two messages due, and ben one; her first is in our hands and attempted."""
    await store.create([("ada", [identity("email:a")]), ("ben", [identity("email:b")])], NOW)
    await store.accept([wish(delivery("d1", "ada", due=NOW - timedelta(days=1)))])
    await claim(store)
    await store.attempt([attempt("a1", "d1", "ada", 0, started=NOW)])
    await store.accept([wish(delivery("d2", "ada")), wish(delivery("d3", "ben"))])
    return store


@pytest.fixture
def commits(store: Postgres, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each transaction."""
    seen: list[str] = []
    usual = store.engine.write

    async def write(*told: Any, **more: Any) -> Any:
        seen.append("hasty" if more.get("hasty") else "write")
        return await usual(*told, **more)

    monkeypatch.setattr(store.engine, "write", write)
    return seen


async def claim(store: Postgres, **more: Any) -> list[Delivery]:
    return await store.claim(NOW, limit=9, lease="w", term=60, since=NOW - WEEK, **more)


def over(reason: str = "accepted", lease: str = "w") -> Settlement:
    return Settlement("d1", "ada", lease, State.SENT, reason)


async def both(store: Postgres, settlements: Sequence[Settlement], **more: Any) -> tuple[list[bool], list[str]]:
    """Settle, and claim in the same turn of the loop, as a round does."""
    settling = asyncio.create_task(store.settle(settlements))
    await asyncio.sleep(0)
    claimed = await claim(store, **more)
    return await settling, sorted(each.id for each in claimed)


async def state(store: Postgres, id_: str = "d1") -> str:
    found = await store.delivery(id_)
    assert found is not None
    return f"{found.state}: {found.reason}"


async def test_a_claim_takes_settlements_along_and_the_lanes_they_free(store: Postgres, commits: list[str]) -> None:
    assert await both(store, [over()]) == ([True], ["d2", "d3"])
    assert commits == ["hasty"]
    assert await state(store) == "sent: accepted"
    assert (await store.audit(NOW))["lost_lanes"] == 0


async def test_what_needs_thought_is_judged_in_the_same_commit(store: Postgres, commits: list[str]) -> None:
    """A stranger's lease: nothing moves, and the lane is not free."""
    assert await both(store, [over(lease="other")]) == ([True], ["d3"])
    assert commits == ["hasty"]
    assert await state(store) == "sending: "


async def test_the_claim_of_what_is_urgent_waits_for_no_settlement(store: Postgres, commits: list[str]) -> None:
    await store.accept([wish(delivery("d4", "ben", purpose="transactional"))])
    commits.clear()
    assert await both(store, [over()], urgent=True) == ([True], ["d4"])
    assert commits == ["write", "write"]


async def test_a_settlement_that_nobody_takes_along_goes_alone(store: Postgres, commits: list[str]) -> None:
    assert await store.settle([over()]) == [True]
    assert commits == ["write"]


async def test_whoever_holds_a_lane_delays_its_settlement_and_no_claim(
    store: Postgres, commits: list[str], connect: Any, blocked: Any
) -> None:
    other = await connect()
    async with other.transaction():
        await other.execute("SELECT FROM lane WHERE customer = 'ada' FOR UPDATE")
        settling = asyncio.create_task(store.settle([over()]))
        await asyncio.sleep(0)
        assert [each.id for each in await claim(store)] == ["d3"]
        assert commits[0] == "hasty"
        assert not settling.done()
    assert await settling == [True]
    assert await state(store) == "sent: accepted"


async def test_a_fault_of_a_settlement_is_its_own(store: Postgres, commits: list[str]) -> None:
    settling = asyncio.create_task(store.settle([Settlement("d1", "ada\0", "w", State.SENT, "accepted")]))
    await asyncio.sleep(0)
    assert [each.id for each in await claim(store)] == ["d3"]
    with pytest.raises(InputError):
        await settling
    assert commits == ["hasty", "write", "write"]


async def test_what_is_away_is_told_to_who_claims_and_the_settlement_tries_on(
    store: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = store.engine.write

    async def write(*told: Any, **more: Any) -> Any:
        if more.get("hasty"):
            raise StoreFull("away")
        return await usual(*told, **more)

    monkeypatch.setattr(store.engine, "write", write)
    settling = asyncio.create_task(store.settle([over()]))
    await asyncio.sleep(0)
    with pytest.raises(StoreFull):
        await claim(store)
    assert await settling == [True]
    assert await state(store) == "sent: accepted"


async def test_a_claim_that_is_cancelled_leaves_the_settlement_to_itself(
    store: Postgres, connect: Any, blocked: Any
) -> None:
    other = await connect()
    async with other.transaction():
        await other.execute("SELECT FROM lane WHERE customer = 'ada' FOR UPDATE")
        settling = asyncio.create_task(store.settle([over()]))
        await asyncio.sleep(0)
        claiming = asyncio.create_task(claim(store))
        await asyncio.sleep(0)
        claiming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claiming
    assert await settling == [True]
