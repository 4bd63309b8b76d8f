"""What SQLite does to accept quickly, held to what it does slowly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest

from omnibus.errors import NotFound, StoreFull
from omnibus.model.campaign import Chunk
from omnibus.model.event import Event
from omnibus.model.mailing import Mailing
from omnibus.store import Change, Wish
from omnibus.stores.rows import delivery_row, dump
from omnibus.stores.sqlite import Sqlite
from omnibus.stores.sqlite.listing import ARRAYS, EACH, listed, numbered
from omnibus.testing.contracts.roll import EVERYBODY, MAIL
from omnibus.testing.contracts.store import NOW, delivery


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    made = Sqlite(tmp_path / "store.db", lambda: NOW)
    await made.open()
    await made.create([("ada", []), ("bob", [])], NOW)
    yield made
    await made.aclose()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"values": {"n": 1, "name": 'Zoë "quoted" \0', "at": NOW}, "key": 'k"1', "inline": '{"a": "ö"}'},
        {"premises": ("cart.open", "offer.unredeemed"), "offer": "come\\back"},
    ],
)
def test_what_is_put_together_is_what_would_be_encoded(changes: dict[str, Any]) -> None:
    made = delivery("d1", "ada", **changes)
    whole = {name: getattr(made, name) for name in ("values", "inline", "premises", "offer", "key")}
    assert delivery_row(made)[14] == dump(whole)


@pytest.mark.parametrize("arrays", [ARRAYS, False])
def test_a_list_is_a_table_of_its_texts(arrays: bool) -> None:
    """As an array, and as JSON for an APSW that has none."""
    db, table = apsw.Connection(":memory:"), "carray" if arrays else "json_each"
    for texts in ([], ["a"], ['quo"te', "ö", "", "a"]):
        found = [row[0] for row in db.execute(f"SELECT value FROM {table}(?)", (listed(texts, arrays=arrays),))]
        assert found == texts
    for numbers in ([], [1, 2**40, -3]):
        found = [row[0] for row in db.execute(f"SELECT value FROM {table}(?)", (numbered(numbers, arrays=arrays),))]
        assert found == numbers


def test_an_array_does_not_name_whom_a_nul_would_cut_it_to() -> None:
    db = apsw.Connection(":memory:")
    assert list(db.execute(f"SELECT value FROM {EACH}(?)", (listed(["ada\0", "bob"]),)))[-1:] == [("bob",)]
    assert db.execute(f"SELECT count(*) FROM {EACH}(?) WHERE value='ada'", (listed(["ada\0"]),)).fetchone() == (0,)


async def test_ids_of_different_lengths_are_refused(store: Sqlite) -> None:
    """They would be cut at the wrong place."""
    with pytest.raises(ValueError, match="lengths"):
        await store.accept_many(Mailing((delivery("", ""),), ("ada", "bob"), ("d1", "d22")))
    assert await store.deliveries() == []


async def test_the_only_call_of_a_commit_is_undone_whole(store: Sqlite) -> None:
    """Without a savepoint, and the next one begins anew; an error of its own stays what it is."""
    with pytest.raises(NotFound):
        await store.accept([Wish("k", "x", (delivery("d1", "ada"),)), Wish("", "", (delivery("d2", "nobody"),))])

    def twice(db: apsw.Connection) -> None:
        db.execute("INSERT INTO pause (provider, until, reason) VALUES ('one', 1, '')")
        db.execute("INSERT INTO pause (provider, until, reason) VALUES ('one', 1, '')")

    with pytest.raises(apsw.ConstraintError):
        await store.engine.write(twice)
    assert await store.engine.read(lambda db: list(db.execute("SELECT * FROM pause"))) == []
    assert await store.accept([Wish("k", "y", (delivery("d1", "ada"),))])
    assert (await store.audit(NOW))["accepted"] == 1


async def test_callers_of_two_loops_are_answered_on_their_own(store: Sqlite) -> None:
    """One call across threads for each loop."""

    def elsewhere() -> list[Any]:
        async def ask() -> list[Any]:
            asked = (store.accept([Wish("", "", (delivery(f"e{n}", "bob"),))]) for n in range(20))
            return await asyncio.gather(*asked)

        return asyncio.run(ask())

    here = asyncio.gather(*(store.accept([Wish("", "", (delivery(f"d{n}", "ada"),))]) for n in range(20)))
    there = await asyncio.to_thread(elsewhere)
    assert [each[0][0].id for each in there] == [f"e{n}" for n in range(20)]
    assert [each[0][0].id for each in await here if each[0]] == [f"d{n}" for n in range(20)]


async def test_who_was_reached_as_somebody_else_is_not_reached_again(store: Sqlite) -> None:
    """The merged one comes first in the order of customers, who they are now in a later chunk."""
    one = Event("m", "test", "customer.merged", NOW, "bob")
    assert await store.merge("ada", "bob", [Change("bob", 0, (one,), {}, one.order), Change("ada", 0)])
    await store.enrol(EVERYBODY)
    campaign = await store.begin(EVERYBODY)
    for number in range(3):
        assert campaign is not None
        campaign = await store.expand(Chunk(campaign, (MAIL,), (f"d{number}",), 1, NOW))
    assert campaign is not None
    assert (campaign.whole, campaign.expanded, campaign.accepted) == (True, 1, 1)
    assert [each.customer for each in await store.deliveries()] == ["bob"]
    assert (await store.audit(NOW))["unbalanced"] == 0


async def test_a_full_disk_refuses_a_mailing_whole(store: Sqlite) -> None:
    pages = await store.engine.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await store.engine.write(lambda db: db.execute(f"PRAGMA max_page_count={pages + 1}").fetchone())
    people = tuple(["ada", "bob"] * 50)
    ids = tuple(f"d{n:03}" for n in range(100))
    with pytest.raises(StoreFull):
        await store.accept_many(Mailing((delivery("", "", inline="x" * 900),), people, ids))
    assert await store.deliveries() == []
    await store.engine.write(lambda db: db.execute(f"PRAGMA max_page_count={pages + 1000}").fetchone())
    await store.accept_many(Mailing((delivery("", ""),), people, ids))
    told = await store.audit(NOW)
    assert (told["accepted"], told["unbalanced"], told["lost_lanes"]) == (100, 0, 0)
