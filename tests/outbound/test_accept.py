"""Accepting: callers who send at once share a commit, and each bears their own fault; many are one call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from omnibus import Conflict, Customer, NotFound
from omnibus.bus import CHUNK, KEYED
from omnibus.errors import StoreFull
from omnibus.model.delivery import Delivery
from omnibus.model.mailing import Mailing
from omnibus.store import Wish


@pytest.fixture
async def bus(shop: Any) -> Any:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    shop.message("receipt", via=["mail"], purpose="transactional")
    return await shop.open()


def counted(store: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """List how many wishes each call of the store was given from now on."""
    sizes: list[int] = []
    accept = store.accept

    async def counting(wishes: Sequence[Wish]) -> list[tuple[Delivery, ...] | None]:
        sizes.append(len(wishes))
        return list(await accept(wishes))

    monkeypatch.setattr(store, "accept", counting)
    return sizes


async def test_callers_who_send_at_once_share_a_call(bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, sizes = await shop.ada(), counted(bus.parts.store, monkeypatch)
    answers = await asyncio.gather(*(bus.send("hello", ada, n=n) for n in range(50)))
    assert sizes == [50]
    assert [one.values for (one,) in answers] == [{"n": n} for n in range(50)]
    await bus.send("hello", ada)
    assert sizes == [50, 1]


async def test_a_stranger_among_them_is_refused_alone(bus: Any, shop: Any) -> None:
    ada = await shop.ada()
    people = [ada, Customer("nobody", ()), ada]
    answers = await asyncio.gather(*(bus.send("hello", each) for each in people), return_exceptions=True)
    assert [type(each) for each in answers] == [tuple, NotFound, tuple]
    assert "nobody" in str(answers[1])
    assert (await bus.audit())["accepted"] == 2


async def test_a_used_key_among_them_is_a_conflict_of_its_own(bus: Any, shop: Any) -> None:
    ada = await shop.ada()
    asked = [
        bus.send("hello", ada, key="k", n=1),
        bus.send("hello", ada, key="k", n=2),
        bus.send("hello", ada, key="l"),
    ]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in answers] == [tuple, Conflict, tuple]
    assert (await bus.audit())["accepted"] == 2


async def test_when_the_store_is_full_all_of_them_hear_it_and_it_is_asked_once(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, calls = await shop.ada(), 0

    async def full(wishes: Sequence[Wish]) -> None:
        nonlocal calls
        calls += 1
        raise StoreFull("no room")

    monkeypatch.setattr(bus.parts.store, "accept", full)
    answers = await asyncio.gather(*(bus.send("hello", ada) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in answers] == [StoreFull] * 3
    assert calls == 1


async def test_what_is_urgent_does_not_wait_for_a_call_that_is_not(
    bus: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, store, begun, gate = await shop.ada(), bus.parts.store, asyncio.Event(), asyncio.Event()
    accept = store.accept

    async def slow(wishes: Sequence[Wish]) -> Any:
        if wishes[0].deliveries[0].purpose == "marketing":
            begun.set()
            await gate.wait()
        return await accept(wishes)

    monkeypatch.setattr(store, "accept", slow)
    waiting = asyncio.create_task(bus.send("hello", ada))
    await begun.wait()
    (receipt,) = await asyncio.wait_for(bus.send("receipt", ada), 10)
    assert not waiting.done()
    gate.set()
    (hello,) = await waiting
    assert {receipt.purpose, hello.purpose} == {"transactional", "marketing"}


async def test_many_are_one_call_a_chunk(bus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets a delivery of their own, as stored; a key costs more, so it has smaller chunks."""
    people = [await bus.customers.upsert(email=f"p{n}@example.com") for n in range(3)]
    sizes, store = [], bus.parts.store
    accept_many = store.accept_many

    async def counting(mailing: Mailing) -> None:
        sizes.append(len(mailing.ids))
        await accept_many(mailing)

    monkeypatch.setattr(store, "accept_many", counting)
    keyed = counted(store, monkeypatch)
    everybody = (people * CHUNK)[: CHUNK + 2]
    sent = [one async for (one,) in bus.send_many("hello", everybody, word="ahoy")]
    assert sizes == [CHUNK, 2]
    assert [each.customer for each in sent] == [each.id for each in everybody]
    assert len({each.id for each in sent}) == CHUNK + 2
    assert await store.delivery(sent[-1].id) == sent[-1]
    assert sent[-1].values == {"word": "ahoy"}
    assert [each async for each in bus.send_many("hello", (people * KEYED)[: KEYED + 1], key="k")]
    assert (sizes, keyed) == ([CHUNK, 2], [KEYED, 1])
    assert (await bus.audit())["accepted"] == CHUNK + 2 + 3


async def test_a_stranger_stops_the_chunk_and_is_named(bus: Any, shop: Any) -> None:
    ada = await shop.ada()
    with pytest.raises(NotFound, match="nobody"):
        assert [each async for each in bus.send_many("hello", [ada, "nobody"])]
    assert (await bus.audit())["accepted"] == 0
