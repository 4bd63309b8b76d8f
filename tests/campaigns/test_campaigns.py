"""A campaign from launch to its end: who gets it, when it stops, and that its sums add up at any time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from omnibus.campaigns.campaigns import CHUNK, PRESSING
from omnibus.errors import Conflict, InputError, NotFound, StoreFull
from omnibus.model.campaign import PAUSED, STOPPED, Standing
from omnibus.model.delivery import State
from omnibus.stores.sqlite import Sqlite

MESSAGE = "# {{ customer.first_name }}, news\n\nYour boots are here.\n"


async def people(shop: Any, count: int, start: int = 0) -> list[str]:
    """Make customers who allow everything, in chunks."""
    identity = shop.bus.customers.recogniser.identity
    names = [f"c{number:05d}" for number in range(start, start + count)]
    await shop.bus.parts.store.create(
        [(each, [identity("email", f"{each}@example.com")]) for each in names], shop.clock.now()
    )
    from omnibus.model.event import Event

    told = {"channel": "*", "purpose": "marketing", "topic": "*"}
    now = shop.clock.now()
    await shop.bus.parts.inbox.put(
        [Event(f"yes-{each}", "test", "consent.granted", now, each, told) for each in names]
        + [
            Event(f"name-{each}", "test", "customer.updated", now, each, {"first_name": each.upper()}) for each in names
        ],
        quiet=True,
    )
    return names


@pytest.fixture
async def open_shop(shop: Any) -> Any:
    shop.channel("mail")
    shop.message("news", MESSAGE, via=["mail"], topic="news")
    await shop.open()
    return shop


async def told(shop: Any, name: str = "spring") -> dict[str, object]:
    """Give the sums, and hold them against each other."""
    progress = await shop.bus.campaigns.status(name)
    campaign = progress.campaign
    assert campaign.recipients == campaign.expanded + campaign.left
    assert campaign.accepted == progress.final + progress.waiting
    await shop.balanced()
    return {
        "standing": progress.standing,
        "recipients": campaign.recipients,
        "expanded": campaign.expanded,
        **progress.states,
    }


def addresses(shop: Any) -> list[str]:
    return [each.address for each in shop.wire("mail").handed]


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


async def test_a_pause_acts_at_once_and_resume_goes_on(open_shop: Any):
    shop = open_shop
    await people(shop, 400)
    await shop.bus.launch("news", name="spring")
    await shop.bus.campaigns.advance()
    await shop.bus.parts.dispatcher.round()
    before = len(shop.wire("mail").handed) + shop.bus.parts.dispatcher.in_flight
    paused = await shop.bus.campaigns.pause("spring")
    assert paused.standing is Standing.PAUSED
    await shop.bus.drain()
    assert len(addresses(shop)) <= before < 400
    progress = await shop.bus.campaigns.status("spring")
    assert progress.reasons == {"held": {PAUSED: PRESSING - len(addresses(shop))}}
    assert (await told(shop))["standing"] == "paused"
    await shop.bus.campaigns.resume("spring")
    await shop.bus.drain()
    assert await told(shop) == {"standing": "done", "recipients": 400, "expanded": 400, "sent": 400}
    assert len(set(addresses(shop))) == len(addresses(shop)) == 400


async def test_what_a_pause_held_is_woken_as_fast_as_it_is_sent_whoever_dies(
    open_shop: Any, monkeypatch: pytest.MonkeyPatch
):
    """The command that resumed it ended after its commit: a worker wakes the rest, a page at a time."""
    shop = open_shop
    await people(shop, 50)
    await shop.bus.launch("news", name="spring")
    await shop.bus.campaigns.advance()
    store = shop.bus.parts.store
    monkeypatch.setattr("omnibus.campaigns.campaigns.CHUNK", 10)
    monkeypatch.setattr("omnibus.campaigns.campaigns.PRESSING", 20)
    await shop.bus.campaigns.pause("spring")
    assert (await told(shop))["held"] == 50
    await shop.bus.campaigns.roll.steer("spring", Standing.RUNNING, shop.clock.now())
    awake = []
    for _ in range(4):
        shop.bus.campaigns.look()
        await shop.bus.campaigns.advance()
        awake.append(len([each for each in await store.deliveries() if each.due == shop.clock.now()]))
    assert awake == [0, 10, 20, 20]
    await shop.bus.drain()
    assert await told(shop) == {"standing": "done", "recipients": 50, "expanded": 50, "sent": 50}
    assert len(set(addresses(shop))) == len(addresses(shop)) == 50


async def test_what_a_worker_judged_but_did_not_hand_over_is_taken_back_by_the_pause(
    open_shop: Any, monkeypatch: pytest.MonkeyPatch
):
    shop = open_shop
    await people(shop, 20)
    await shop.bus.launch("news", name="spring")
    store = shop.bus.parts.store
    usual = store.attempt

    async def paused_just_before(tries: Any) -> Any:
        await shop.bus.campaigns.pause("spring")
        return await usual(tries)

    with monkeypatch.context() as patch:
        patch.setattr(store, "attempt", paused_just_before)
        await shop.bus.drain()
    assert addresses(shop) == []
    assert (await told(shop))["held"] == 20
    assert [each for each in await store.deliveries(origin="campaign:spring") if each.lease or each.attempts] == []
    await shop.bus.campaigns.resume("spring")
    await shop.bus.drain()
    assert len(addresses(shop)) == 20
    await shop.balanced()


async def test_a_lost_answer_is_not_handed_over_again_while_its_campaign_rests(shop: Any):
    shop.channel("mail", idempotency="key")
    shop.message("news", MESSAGE, via=["mail"], topic="news")
    await shop.open()
    await people(shop, 2)
    shop.wire("mail").lose(arrived=False)
    shop.wire("mail").lose(arrived=False)
    await shop.bus.launch("news", name="spring")
    await shop.bus.drain()
    await shop.bus.campaigns.pause("spring")
    await shop.until(timedelta(hours=2))
    assert (len(addresses(shop)), (await told(shop))["unknown"]) == (2, 2)
    await shop.bus.campaigns.resume("spring")
    await shop.bus.drain()
    assert (len(addresses(shop)), (await told(shop))["sent"]) == (4, 2)


async def test_a_lost_answer_ends_when_its_campaign_is_stopped(shop: Any):
    shop.channel("mail", idempotency="key")
    shop.message("news", MESSAGE, via=["mail"], topic="news")
    await shop.open()
    await people(shop, 1)
    shop.wire("mail").lose(arrived=False)
    await shop.bus.launch("news", name="spring")
    await shop.bus.drain()
    await shop.bus.campaigns.stop("spring")
    await shop.until(timedelta(minutes=1))
    assert await told(shop) == {"standing": "stopped", "recipients": 1, "expanded": 1, "failed": 1}
    assert len(addresses(shop)) == 1


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


async def test_held_ones_that_come_due_during_a_pause_wait_for_it(shop: Any):
    shop.channel("mail")
    shop.policy = '[policy]\nquiet_hours = "21:00-08:00"\nbudget = false\n'
    shop.message("news", MESSAGE, via=["mail"], topic="news")
    await shop.open()
    shop.clock.set(shop.clock.now().replace(hour=23))
    await people(shop, 10)
    await shop.bus.launch("news", name="spring")
    await shop.bus.drain()
    assert (await told(shop))["held"] == 10
    await shop.bus.campaigns.pause("spring")
    await shop.until(timedelta(hours=12))
    assert addresses(shop) == []
    assert (await shop.bus.campaigns.status("spring")).reasons == {"held": {PAUSED: 10}}
    await shop.bus.campaigns.resume("spring")
    await shop.bus.drain()
    assert len(addresses(shop)) == 10
    await shop.balanced()


async def test_a_paused_delivery_still_has_its_deadline(open_shop: Any):
    shop = open_shop
    await people(shop, 5)
    await shop.bus.launch("news", name="spring")
    await shop.bus.campaigns.advance()
    await shop.bus.campaigns.pause("spring")
    await shop.until(timedelta(days=4))
    assert await told(shop) == {"standing": "paused", "recipients": 5, "expanded": 5, "expired": 5}


async def test_a_stop_drops_what_waits_with_the_reason(open_shop: Any):
    shop = open_shop
    names = await people(shop, 400)
    await shop.bus.launch("news", name="spring")
    await shop.bus.campaigns.advance()
    await shop.bus.parts.dispatcher.round()
    await shop.bus.parts.dispatcher.finish()
    sent = len(addresses(shop))
    stopped = await shop.bus.campaigns.stop("spring")
    assert stopped.standing is Standing.STOPPED
    progress = await shop.bus.campaigns.status("spring")
    assert progress.reasons == {"dropped": {STOPPED: PRESSING - sent}}
    assert await told(shop) == {
        "standing": "stopped", "recipients": 400, "expanded": PRESSING, "sent": sent, "dropped": PRESSING - sent,
    }  # fmt: skip
    await shop.bus.drain()
    assert len(addresses(shop)) == sent
    unlucky = next(each for each in names[:PRESSING] if f"{each}@example.com" not in addresses(shop))
    assert await shop.types(unlucky, "message") == ["message.dropped"]
    with pytest.raises(Conflict):
        await shop.bus.campaigns.resume("spring")


async def test_what_a_killed_stop_left_is_dropped_by_the_worker(open_shop: Any):
    shop = open_shop
    await people(shop, 30)
    await shop.bus.launch("news", name="spring")
    await shop.bus.campaigns.advance()
    await shop.bus.campaigns.roll.steer("spring", Standing.STOPPED, shop.clock.now())
    assert (await told(shop))["queued"] == 30
    await shop.bus.drain()
    assert await told(shop) == {"standing": "stopped", "recipients": 30, "expanded": 30, "dropped": 30}
    assert addresses(shop) == []


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


async def test_a_message_that_is_gone_pauses_its_campaign_and_nobody_else(open_shop: Any):
    shop = open_shop
    await people(shop, 5)
    await shop.bus.launch("news", name="spring")
    shop.message("more", MESSAGE, via=["mail"], topic="news")
    (shop.folder / "messages" / "news.md").unlink()
    await shop.reopen()
    await shop.bus.launch("more", name="summer")
    await shop.bus.drain()
    spring, summer = await shop.bus.campaigns.get("spring"), await shop.bus.campaigns.get("summer")
    assert spring.standing is Standing.PAUSED
    assert "there is no message `news`" in spring.reason
    assert summer.expanded == 5


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
