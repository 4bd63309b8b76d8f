"""Promise 8: a facet that raises stops nobody: what was told stays, the others go on, and what asks it waits until it is mended."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Self

import pytest

from omnibus import Consent, Drop, Event, Facet, InputError, Policy, Send, State, hookimpl
from omnibus.errors import FacetError
from omnibus.facets import Engagement, Orders
from omnibus.intake import load_file, read_mapping
from omnibus.model.fault import read_faults

pytestmark = pytest.mark.promise
HEARS = ("order.placed", "conversation.received", "message.sent")


@dataclass(frozen=True, slots=True)
class Points(Facet):
    """A plugin's facet with a bug: it takes all points for numbers."""

    name: ClassVar[str] = "points"
    hears: ClassVar[tuple[str, ...]] = HEARS
    mended: ClassVar[bool] = False

    held: int = 0

    def after(self, event: Event) -> Self:
        told = event.data.get("points", 1)
        if told == "unreadable":
            raise InputError("`points` is no number", where=f"event {event.id}")
        return type(self)(self.held + (1 if self.mended else int(told)))

    def holds(self, premise: str, values: dict[str, Any], now: Any) -> bool:
        return self.held > 0

    @classmethod
    def premises(cls) -> tuple[str, ...]:
        return ("some",)


class Asking(Policy):
    """Ask the facet for one channel only."""

    name: ClassVar[str] = "asking"

    def judge(self, delivery: Any, route: Any, context: Any, brand: Any, now: Any) -> Any:
        return Drop("poor") if route.channel == "text" and not context[Points].held else Send()


class Plugin:
    """Bring the facet."""

    __name__ = "points"

    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        register(Points, Asking)


def order(id_: str, points: Any = 1) -> dict[str, Any]:
    return {"id": id_, "total": "5.00", "currency": "GBP", "points": points}


async def opened(shop: Any, journey: str = "") -> Any:
    Points.mended = False
    shop.plugins.append(Plugin())
    shop.channel("mail")
    shop.message("thanks", via=["mail"], purpose="service", while_="[points.some]")
    shop.message("hello", via=["mail"], purpose="transactional")
    shop.message("news", via=["mail"], purpose="marketing")
    if journey:
        shop.journey("after-sales", journey)
    return await shop.open()


async def two(shop: Any) -> tuple[str, str]:
    """Give ada, of whom the facet cannot be folded, and bob."""
    ada, bob = await shop.ada(), await shop.ada(email="bob@example.com")
    for who, points in ((ada, "odd"), (bob, 1)):
        assert await shop.bus.track(who, "order.placed", order(f"o-{who.id}", points), id=f"o-{who.id}")
    return ada.id, bob.id


def handed(shop: Any) -> list[tuple[str, str]]:
    return [(each.attempt.message, each.attempt.customer) for each in shop.wire("mail").handed]


async def test_what_was_told_stays_and_only_that_facet_is_unknown(shop: Any, caplog: pytest.LogCaptureFixture) -> None:
    bus = await opened(shop)
    ada, bob = await two(shop)
    assert "order.placed" in await shop.types(ada)
    context = await bus.context(ada)
    assert context[Orders].count == 1
    with pytest.raises(FacetError, match=r"points.*ValueError.*rebuild"):
        context[Points]
    assert (await bus.context(bob))[Points].held == 1
    assert "points" not in context.view()
    faults = {who: read_faults(body) for who, body in (await bus.parts.store.unfolded(10)).items()}
    assert [(who, name, each.error, each.event) for who, own in faults.items() for name, each in own.items()] == [
        (ada, "points", "ValueError", f"o-{ada}")
    ]
    await bus.track(ada, "order.placed", order("o2"), id="o2")
    await bus.rebuild_all([ada, bob])
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert len(told) == 1, "once, however often it is folded"
    assert ada in told[0]
    assert f"o-{ada}" in told[0]
    assert "odd" not in told[0]


async def test_whoever_is_there_to_be_told_is_told_what_cannot_be_read(shop: Any) -> None:
    bus = await opened(shop)
    ada = await shop.ada()
    with pytest.raises(InputError, match="is no number"):
        await bus.track(ada, "order.placed", order("o1", "unreadable"), id="o1")
    assert "order.placed" not in await shop.types(ada)
    assert await bus.parts.store.unfolded(10) == {}


async def test_one_of_a_hundred_facts_of_a_webhook_refuses_no_other(shop: Any) -> None:
    """Neither what cannot be read nor what a facet fails over; and a repeat of the same body changes nothing."""
    bus = await opened(shop)
    people = [await shop.ada(email=f"p{n}@example.com") for n in range(100)]
    told = [
        {
            "id": f"r{n}",
            "type": "conversation.received",
            "identity": ["email", f"p{n}@example.com"],
            "data": {"text": "Hi"},
        }
        for n in range(100)
    ]
    told[30]["data"], told[60]["data"] = {"points": "unreadable"}, {"points": "odd"}
    for _ in range(2):
        answer = await shop.report("mail", *told)
        assert (answer.status, b"is no number" in answer.body) == (400, True)
        heard = [n for n, who in enumerate(people) if "conversation.received" in await shop.types(who)]
        assert heard == [n for n in range(100) if n != 30]
        assert list(await bus.parts.store.unfolded(10)) == [people[60].id]
    assert (await shop.report("mail", *told[:30], *told[31:])).status == 204, "a facet's bug is nothing to repeat for"
    assert (await shop.types(people[99])).count("conversation.received") == 1


async def test_an_import_rejects_what_cannot_be_read_and_goes_on(shop: Any) -> None:
    bus = await opened(shop)
    (shop.folder / "map.toml").write_text(
        '[source]\nname = "old"\ntime = "When"\nzone = "UTC"\n[customer]\nid = "old-{Who}"\n'
        '[[event]]\ntype = "order.placed"\nid = "{No}"\ndata = { id = "{No}", points = "{Points}" }\n'
    )
    rows = [f"{n},2026-07-01T10:00:00,{n},{points}" for n, points in enumerate(("1", "unreadable", "odd", "2"))]
    (shop.folder / "old.csv").write_text("\n".join(["No,When,Who,Points", *rows]) + "\n")
    done = await load_file(bus, shop.folder / "old.csv", read_mapping(shop.folder / "map.toml"))
    assert (done.facts, done.new, done.rejected, dict(done.reasons)) == (3, 3, 1, {"`points` is no number": 1})
    assert list(await bus.parts.store.unfolded(10)) == ["old-2"]


async def test_what_asks_it_is_held_and_goes_when_it_is_mended(shop: Any) -> None:
    bus = await opened(shop)
    ada, bob = await two(shop)
    mine = [(await bus.send(name, who))[0] for name in ("thanks", "hello") for who in (ada, bob)]
    await bus.drain()
    assert handed(shop) == [("thanks", bob), ("hello", ada), ("hello", bob)] or set(handed(shop)) == {
        ("thanks", bob), ("hello", ada), ("hello", bob),
    }  # fmt: skip
    row = await shop.row(mine[0])
    assert (row.state, row.reason) == (State.HELD, "the facet points cannot be folded: ValueError")
    await shop.until(timedelta(hours=1))
    assert (await shop.row(mine[0])).state is State.HELD
    Points.mended = True
    assert await bus.rebuild_all([ada, bob]) == [ada]
    await shop.until(timedelta(hours=1))
    assert handed(shop)[-1] == ("thanks", ada)
    await shop.balanced()


async def test_another_route_that_does_not_ask_it_may_go(shop: Any) -> None:
    shop.channel("text", identity="phone")
    shop.message("either", via=["text", "mail"], purpose="transactional")
    bus = await opened(shop)
    ada = await shop.ada()
    await bus.track(ada, "order.placed", order("o0"), id="o0")
    await bus.send("either", ada, key="1")
    await bus.drain()
    await bus.track(ada, "order.placed", order("o1", "odd"), id="o1")
    await bus.send("either", ada, key="2")
    await bus.drain()
    assert [len(shop.wire(each).handed) for each in ("text", "mail")] == [1, 1]


async def test_what_is_urgent_does_not_wait_for_what_they_prefer(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.channel("text", identity="phone")
    shop.message("code", via=["text", "mail"], purpose="transactional")
    shop.message("news-of-it", via=["text", "mail"], purpose="service")
    bus = await opened(shop)
    ada = await shop.ada()
    for name in ("after", "after_all"):
        monkeypatch.setattr(Engagement, name, lambda *_: 1 / 0)
    monkeypatch.setattr(Engagement, "after_encoded", lambda *_: None)
    await bus.send("hello", ada)
    await bus.drain()
    (code,), (news,) = await bus.send("code", ada), await bus.send("news-of-it", ada)
    await bus.drain()
    assert [await shop.state(each) for each in (code, news)] == [State.SENT, State.HELD]
    assert len(shop.wire("text").handed) == 1, "the first of `via`"


async def test_consent_that_is_not_known_is_no_consent(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = await opened(shop)
    ada = await shop.ada()
    usual = Consent.after

    def after(self: Consent, event: Event) -> Consent:
        return usual(self, event) if event.data.get("topic") != "odd" else 1 / 0  # type: ignore[return-value]

    monkeypatch.setattr(Consent, "after", after)
    withdrawn = {"channel": "mail", "purpose": "marketing", "topic": "odd"}
    await bus.track(ada, "consent.withdrawn", withdrawn, id="no")
    (one,) = await bus.send("news", ada)
    await shop.until(timedelta(hours=2))
    assert await shop.state(one) is State.HELD
    assert handed(shop) == []
    monkeypatch.setattr(Consent, "after", usual)
    assert not await bus.rebuild(ada.id)
    await shop.until(timedelta(hours=1))
    assert handed(shop) == [("news", ada.id)], "it was another topic that they said no to"


JOURNEY = """
trigger: { event: order.placed, where: points.some }
once: per key
key: event.id
steps:
  - send: hello
"""


async def test_journeys_of_the_others_go_on_and_theirs_later(shop: Any) -> None:
    bus = await opened(shop, JOURNEY)
    ada, bob = await two(shop)
    await bus.drain()
    assert handed(shop) == [("hello", bob)]
    assert [each.customer for each in await bus.parts.store.runs(live=False)] == [bob]
    assert not await bus.parts.journeys.advance(), "what waits for the facet is not looked at again and again"
    await bus.rebuild_all([ada])
    await bus.drain()
    assert handed(shop) == [("hello", bob)], "not mended yet"
    Points.mended = True
    await bus.rebuild_all([ada])
    await bus.drain()
    assert handed(shop) == [("hello", bob), ("hello", ada)]


async def test_a_claim_that_raises_stops_no_other_journey(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = await opened(shop, JOURNEY)
    monkeypatch.setattr(Points, "holds", lambda self, *_: {1: True}[self.held])
    ada, bob = await shop.ada(), await shop.ada(email="bob@example.com")
    for who, points in ((ada, 7), (bob, 1)):
        await bus.track(who, "order.placed", order(f"o-{who.id}", points), id=f"o-{who.id}")
    await bus.drain()
    assert handed(shop) == [("hello", bob.id)]


WAITING = """
trigger: order.placed
steps:
  - wait: 1h
  - branch: points.some
    then: [{ send: hello }]
"""


async def test_a_run_that_asks_it_waits_where_it_is(shop: Any) -> None:
    bus = await opened(shop, WAITING)
    ada, bob = await two(shop)
    await shop.until(timedelta(hours=3))
    assert handed(shop) == [("hello", bob)]
    (run,) = await bus.parts.store.runs(customer=ada)
    assert (run.node, run.reason) == ("0", "")
    Points.mended = True
    await bus.track(ada, "order.placed", order("o2"), id="o2")  # the next fact folds all anew, by itself
    assert (await bus.context(ada))[Points].held == 2
    await shop.until(timedelta(hours=2))
    assert handed(shop) == [("hello", bob), ("hello", ada)]


async def test_a_hand_over_that_a_facet_fails_over_is_settled(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = await opened(shop)
    ada = await shop.ada()
    monkeypatch.setattr(Points, "after", lambda *_: 1 / 0)
    (one,) = await bus.send("hello", ada)
    await bus.drain()
    assert await shop.state(one) is State.SENT
    assert list(await bus.parts.store.unfolded(10)) == [ada.id]
    await shop.balanced()


async def test_a_new_version_that_fails_over_an_old_event_opens_all_the_same(shop: Any) -> None:
    bus = await opened(shop)
    Points.mended = True
    ada, _ = await two(shop)
    before = (await bus.context(ada))[Points].held
    for version, mended in ((2, False), (3, True)):
        Points.version, Points.mended = version, mended  # type: ignore[misc]
        try:
            bus = await shop.reopen()
        finally:
            Points.version = 1  # type: ignore[misc]
        assert (ada in await bus.parts.store.unfolded(10)) is not mended
    assert (await bus.context(ada))[Points].held == before
