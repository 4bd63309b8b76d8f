"""A campaign from launch to its last recipient: who gets it, once each, and that its sums add up at any time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from omnibus.campaigns.campaigns import CHUNK, PRESSING
from omnibus.errors import Conflict, InputError, NotFound, StoreFull
from omnibus.model.campaign import Standing
from omnibus.model.delivery import State
from omnibus.stores.sqlite import Sqlite
from tests.campaigns.parts import addresses, people, told


async def test_everybody_gets_their_own(open_shop: Any):
    shop = open_shop
    names = await people(shop, 250)
    begun = await shop.bus.launch("news", name="spring")
    assert (begun.standing, begun.recipients, begun.expanded) == (Standing.RUNNING, 250, 0)
    await shop.bus.drain()
    assert sorted(addresses(shop)) == [f"{each}@example.com" for each in names]
    words = {each.address: each.content.text for each in shop.wire("mail").handed}
    assert all(each.upper() in words[f"{each}@example.com"] for each in names)
    assert await told(shop) == {"standing": "done", "recipients": 250, "expanded": 250, "sent": 250}


async def test_it_is_expanded_in_customer_order_and_only_as_fast_as_it_is_sent(open_shop: Any):
    shop = open_shop
    names = await people(shop, 450)
    await shop.bus.launch("news", name="spring")
    assert await shop.bus.campaigns.advance() == PRESSING // CHUNK
    shop.bus.campaigns.look()
    assert await shop.bus.campaigns.advance() == 0  # nothing of it was sent yet
    found = await shop.bus.parts.store.deliveries(origin="campaign:spring")
    assert [each.customer for each in reversed(found)] == names[:PRESSING]
    assert (await shop.bus.campaigns.get("spring")).cursor == names[PRESSING - 1]
    assert await told(shop) == {"standing": "running", "recipients": 450, "expanded": PRESSING, "queued": PRESSING}
    await shop.bus.drain()
    assert await told(shop) == {"standing": "done", "recipients": 450, "expanded": 450, "sent": 450}


async def test_of_two_expanders_one_wins(open_shop: Any):
    shop = open_shop
    await people(shop, 450)
    await shop.bus.launch("news", name="spring")
    (first,) = await shop.bus.campaigns.roll.campaigns(soon=shop.clock.now())
    assert await shop.bus.campaigns.advance() == PRESSING // CHUNK
    assert (
        await shop.bus.campaigns._expand(first, shop.clock.now()) == 0
    )  # it read the cursor before the other moved it
    assert (await told(shop))["expanded"] == 300


def breaking(store: Any) -> tuple[Any, Any]:
    """Give an engine's statements on campaigns, and an ``_accept`` of theirs that runs out of room once it has written."""
    if isinstance(store, Sqlite):
        from omnibus.stores.sqlite import campaigns as module

        usual: Any = module._accept

        def full(*given: Any) -> None:
            usual(*given)
            raise apsw.FullError

        return module, full
    from omnibus.stores.postgres import campaigns

    written = campaigns._accept

    async def no_room(*given: Any) -> None:
        await written(*given)
        raise StoreFull("no room")

    return campaigns, no_room


async def test_a_chunk_is_all_or_nothing(open_shop: Any, monkeypatch: pytest.MonkeyPatch):
    shop = open_shop
    await people(shop, 150)
    await shop.bus.launch("news", name="spring")
    engine, full = breaking(shop.bus.parts.store)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_accept", full)  # after the list and the deliveries, before the cursor
        with pytest.raises(StoreFull):
            await shop.bus.campaigns.advance()
    assert await told(shop) == {"standing": "running", "recipients": 150, "expanded": 0}
    assert await shop.bus.parts.store.deliveries() == []
    await shop.bus.drain()
    assert await told(shop) == {"standing": "done", "recipients": 150, "expanded": 150, "sent": 150}


async def test_ids_and_identities_once_each(open_shop: Any):
    shop = open_shop
    names = await people(shop, 6)
    begun = await shop.bus.launch(
        "news", [names[3], names[1], "nobody", "email:c00001@example.com", names[3]], name="spring"
    )
    assert (begun.recipients, begun.rejected) == (2, 1)
    await shop.bus.drain()
    assert addresses(shop) == ["c00001@example.com", "c00003@example.com"]
    await told(shop)


async def test_a_csv_puts_bad_lines_aside(open_shop: Any, tmp_path: Path):
    shop = open_shop
    await people(shop, 4)
    path, aside = tmp_path / "list.csv", tmp_path / "rejects.csv"
    path.write_text(
        "name,Email\nAda,c00000@example.com\nBo,not-an-address\nCy\n,\nDi,stranger@example.com\nEd,C00002@example.com\nEd,c00002@example.com\n"
    )
    begun = await shop.bus.launch("news", path, name="spring", rejects=aside)
    assert (begun.recipients, begun.rejected) == (2, 4)
    assert aside.read_text().splitlines() == [
        "line,reason", "3,not an email address", "4,1 columns instead of 2", "5,empty", "6,no customer with this email",
    ]  # fmt: skip
    await shop.bus.drain()
    assert addresses(shop) == ["c00000@example.com", "c00002@example.com"]


@pytest.mark.parametrize(
    ("text", "what"), [("name\nAda\n", "no column names a customer"), (None, "there is no such file")]
)
async def test_a_wrong_file_stores_nothing(open_shop: Any, tmp_path: Path, text: str | None, what: str):
    path = tmp_path / "list.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=what):
        await open_shop.bus.launch("news", path, name="spring")
    assert await open_shop.bus.campaigns.list() == []


async def test_the_same_launch_again_has_no_effect_and_another_under_its_name_is_refused(open_shop: Any):
    shop = open_shop
    names = await people(shop, 5)
    first = await shop.bus.launch("news", names[:3], name="spring", colour="red")
    await shop.bus.drain()
    again = await shop.bus.launch("news", names[:3], name="spring", colour="red")
    assert (again.id, again.expanded) == (first.id, 3)
    await shop.bus.drain()
    assert len(addresses(shop)) == 3
    for to, values in ((names[:4], {"colour": "red"}), (names[:3], {"colour": "blue"}), ("all", {"colour": "red"})):
        with pytest.raises(Conflict):
            await shop.bus.launch("news", to, name="spring", **values)


async def test_a_launch_that_was_cut_short_is_begun_anew(open_shop: Any, monkeypatch: pytest.MonkeyPatch):
    shop = open_shop
    names = await people(shop, 5)

    def broken():
        yield names[0]
        yield names[1]
        raise KeyboardInterrupt

    monkeypatch.setattr("omnibus.campaigns.launching.CHUNK", 1)
    with pytest.raises(KeyboardInterrupt):
        await shop.bus.launch("news", broken(), name="spring")
    assert (await shop.bus.campaigns.get("spring")).standing is Standing.LOADING
    await shop.bus.drain()
    assert addresses(shop) == []  # nobody gets anything from half a list
    begun = await shop.bus.launch("news", names[2:], name="spring")
    await shop.bus.drain()
    assert (begun.recipients, addresses(shop)) == (3, [f"{each}@example.com" for each in names[2:]])


async def test_who_was_merged_since_gets_it_once(open_shop: Any):
    shop = open_shop
    names = await people(shop, 6)
    await shop.bus.launch("news", name="spring")
    await shop.bus.launch("news", names[:2], name="list")
    await shop.bus.customers.merge(names[5], names[0])  # one leads forward in customer order, one back
    await shop.bus.customers.merge(names[1], names[4])
    await shop.bus.drain()
    now = {each: (await shop.bus.parts.store.load([each]))[each].customer.id for each in names}
    spring = await shop.bus.parts.store.deliveries(origin="campaign:spring")
    assert sorted(each.customer for each in spring) == sorted(set(now.values()))
    assert len(spring) == 4
    one = await shop.bus.parts.store.deliveries(origin="campaign:list")
    assert {each.customer for each in one} == {now[names[0]], now[names[1]]}
    assert (await told(shop))["recipients"] == 4
    assert (await told(shop, "list"))["recipients"] == 2


async def test_no_message_no_campaign(open_shop: Any):
    shop = open_shop
    with pytest.raises(NotFound):
        await shop.bus.launch("newz")
    with pytest.raises(InputError):
        await shop.bus.launch("news", name="Spring Sale!")
    with pytest.raises(NotFound):
        await shop.bus.campaigns.status("spring")
    assert await shop.bus.campaigns.list() == []


async def test_a_receipt_does_not_wait_for_a_campaign(open_shop: Any, tmp_path: Path):
    shop = open_shop
    shop.message("receipt", "# Thanks\n", purpose="transactional", via=["mail"])
    await shop.reopen()
    names = await people(shop, 450)
    await shop.bus.launch("news", name="spring")
    await shop.bus.campaigns.advance()
    sent = await shop.bus.send("receipt", names[-1])
    await shop.bus.parts.dispatcher.round()
    await shop.bus.parts.dispatcher.finish()
    assert await shop.state(sent[0]) is State.SENT
    assert (await shop.bus.campaigns.status("spring")).waiting > PRESSING / 2
