"""A campaign that rests or is stopped: what waits, is held, in hand or in doubt then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Self

import pytest

from omnibus.campaigns.campaigns import PRESSING
from omnibus.errors import Conflict
from omnibus.facet import Facet
from omnibus.model.campaign import PAUSED, STOPPED, Standing
from omnibus.model.event import Event
from tests.campaigns.parts import MESSAGE, addresses, people, told
from tests.conftest import Fakes


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


@pytest.mark.parametrize(
    ("standing", "end"), [(Standing.PAUSED, {"held": {PAUSED: 20}}), (Standing.STOPPED, {"dropped": {STOPPED: 20}})]
)
async def test_what_was_judged_before_a_campaign_rests_is_judged_again_by_the_attempt(
    open_shop: Any, monkeypatch: pytest.MonkeyPatch, standing: Standing, end: Any
):
    """Only its row moved yet; nothing was taken back."""
    shop = open_shop
    await people(shop, 20)
    await shop.bus.launch("news", name="spring")
    store, roll = shop.bus.parts.store, shop.bus.campaigns.roll
    usual = store.attempt

    async def steered_just_before(tries: Any) -> Any:
        await roll.steer("spring", standing, shop.clock.now())
        return await usual(tries)

    with monkeypatch.context() as patch:
        patch.setattr(store, "attempt", steered_just_before)
        await shop.bus.drain()
    assert addresses(shop) == []
    assert (await shop.bus.campaigns.status("spring")).reasons == end
    assert [each for each in await store.deliveries(origin="campaign:spring") if each.lease or each.attempts] == []
    await told(shop)


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


@pytest.mark.parametrize("who", ["worker", "command"])
async def test_what_a_killed_stop_left_is_dropped_by_whoever_comes(
    shop: Any, monkeypatch: pytest.MonkeyPatch, who: str
):
    """Though it is held for the night: nothing of it is looked at in the morning."""
    shop.channel("mail")
    shop.policy = '[policy]\nquiet_hours = "21:00-08:00"\nbudget = false\n'
    shop.message("news", MESSAGE, via=["mail"], topic="news")
    await shop.open()
    shop.clock.set(shop.clock.now().replace(hour=23))
    await people(shop, 30)
    await shop.bus.launch("news", name="spring")
    await shop.bus.drain()
    assert (await told(shop))["held"] == 30
    monkeypatch.setattr("omnibus.campaigns.dropping.PAGE", 10)
    pages: list[int] = []

    def killed(count: int) -> None:
        pages.append(count)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await shop.bus.campaigns.stop("spring", told=killed)
    assert await told(shop) == {"standing": "stopped", "recipients": 30, "expanded": 30, "dropped": 10, "held": 20}
    await (shop.bus.drain() if who == "worker" else shop.bus.campaigns.stop("spring", told=pages.append))
    assert pages == ([10] if who == "worker" else [10, 10, 10])
    assert await told(shop) == {"standing": "stopped", "recipients": 30, "expanded": 30, "dropped": 30}
    assert await shop.bus.parts.store.next_due() is None
    assert addresses(shop) == []


@dataclass(frozen=True, slots=True)
class Regrets(Facet):
    """Count what was not sent."""

    name: ClassVar[str] = "regrets"
    hears: ClassVar[tuple[str, ...]] = ("message.dropped",)
    count: int = 0

    def after(self, event: Event) -> Self:
        return type(self)(self.count + (event.data["reason"] == STOPPED))


async def test_a_facet_that_hears_what_is_dropped_is_folded(shop: Any, monkeypatch: pytest.MonkeyPatch):
    """Its contexts move with the drop, in the same commits."""
    shop.channel("mail")
    shop.plugins.append(Fakes(Regrets))
    shop.message("news", MESSAGE, via=["mail"], topic="news")
    await shop.open()
    names = await people(shop, 25)
    await shop.bus.launch("news", name="spring")
    await shop.bus.campaigns.advance()
    monkeypatch.setattr("omnibus.campaigns.dropping.PAGE", 10)
    pages: list[int] = []
    await shop.bus.campaigns.stop("spring", told=pages.append)
    assert pages == [10, 10, 5]
    assert await told(shop) == {"standing": "stopped", "recipients": 25, "expanded": 25, "dropped": 25}
    assert [(await shop.bus.context(each))[Regrets].count for each in names] == [1] * 25
    assert await shop.bus.parts.timeline.rebuild(names) == []


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
