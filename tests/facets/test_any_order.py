"""Any arrival order, duplicates and merges included, ends in the same bytes; a rebuild finds nothing to mend."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnibus import Engagement, Event
from omnibus.facets import BUILT_IN
from omnibus.model.context import Context, hears
from omnibus.model.customer import Customer
from omnibus.store import Change, Loaded, Survey
from omnibus.testing.clock import START
from omnibus.timeline import Timeline

FACETS = {each.name: each for each in BUILT_IN}
LINES = [{"sku": "A1", "name": "Boots", "quantity": 1, "price": "39.00"}, {"sku": "B2", "quantity": 2, "price": "5"}]
SAID = {"channel": "mail", "purpose": "marketing", "topic": "*"}
DATA: dict[str, list[dict[str, Any]]] = {
    "customer.updated": [{"name": "Ada Byron"}, {"locale": "de"}, {"zone": "Europe/Berlin", "prefers": "mail"}],
    "consent.granted": [SAID, {**SAID, "channel": "*"}, {**SAID, "identity": "email:1"}],
    "consent.withdrawn": [SAID, {**SAID, "topic": "cart"}],
    "product.viewed": [{"sku": "A1", "price": "39.00"}, {"sku": "B2"}],
    "cart.updated": [{"id": "c1", "currency": "EUR", "lines": LINES}, {"id": "c2", "lines": LINES[:1]}],
    "cart.cleared": [{}],
    "order.placed": [{"id": "o1", "place": "till", "total": "39.00", "currency": "EUR", "lines": LINES, "codes": ["X"]}],
    "order.returned": [{"id": "o1"}],
    "code.issued": [{"offer": "comeback", "number": 1, "expires": START.isoformat()}, {"offer": "comeback", "number": 2}],
    "code.redeemed": [{"offer": "comeback", "basket": "b"}],
    "visit.started": [{"place": "till"}, {}],
    "visit.ended": [{}],
    "message.sent": [{"channel": "mail", "message": "m"}],
    "message.opened": [{"channel": "mail"}, {"channel": "mail", "machine": True}],
    "message.clicked": [{"channel": "mail", "message": "m"}],
    "message.replied": [{"channel": "mail", "text": "yes"}],
    "message.bounced": [{"channel": "mail", "identity": "email:1", "suppress": "hard"}],
    "message.complained": [{"channel": "mail", "identity": "email:1", "suppress": "complaint"}],
    "message.unsubscribed": [{"channel": "mail", "topic": "cart"}],
    "conversation.received": [{"channel": "mail", "text": "hello"}],
    "conversation.answered": [{"channel": "mail", "text": "hi"}],
    "customer.merged": [{"merged": "bob"}],
    "customer.unmerged": [{"unmerged": "bob"}],
}  # fmt: skip
KINDS = [(kind, data) for kind, told in DATA.items() for data in told]


def facts(choices: list[tuple[int, int, str]]) -> list[Event]:
    """Make events from (kind, minute, subject); each is one fact of its own."""
    return [
        Event(f"e{n}", "test", KINDS[kind % len(KINDS)][0], START + timedelta(minutes=minute), who, KINDS[kind % len(KINDS)][1])
        for n, (kind, minute, who) in enumerate(choices)
    ]  # fmt: skip


EVENTS = st.lists(
    st.tuples(st.integers(0, len(KINDS) - 1), st.integers(0, 6), st.sampled_from(["ada", "ada", "bob"])), max_size=14
)


class Memory:
    """Just enough of a store: what the timeline asks for, kept in two names."""

    def __init__(self) -> None:
        self.stored: list[Event] = []
        self.row: tuple[int, Any, dict[str, bytes]] = (0, None, {})

    async def known(self, keys: Any) -> Any:
        return {key for key in keys if key in {(each.source, each.id) for each in self.stored}}

    async def survey(self, clues: Any, keys: Any, customers: Any) -> Survey:
        return Survey((), await self.known(keys), await self.load(customers))

    async def load(self, ids: Any, *, since: Any = None) -> Any:
        version, through, bodies = self.row
        mine = Loaded(Customer("ada"), ("ada", "bob"), version, through, bodies)
        return dict.fromkeys(ids, mine)

    async def events(self, subjects: Any, *, last: Any = None) -> Any:
        return sorted(self.stored, key=lambda each: each.order)

    async def put(self, changes: list[Change]) -> list[bool]:
        (change,) = changes
        self.stored += change.events
        assert change.bodies is not None
        self.row = (self.row[0] + 1, change.through, change.bodies)
        return [True]


@given(EVENTS, st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
async def test_any_arrival_order_gives_the_same_bytes(choices: Any, chance: random.Random, size: int) -> None:
    told = facts(choices)
    wanted = Context(Customer("ada"), FACETS).after(sorted(told, key=lambda each: each.order)).bodies()
    arriving = [*told, *chance.sample(told, len(told) // 2)]
    chance.shuffle(arriving)
    store = Memory()
    timeline = Timeline(store, FACETS, lambda: START + timedelta(hours=1))  # type: ignore[arg-type]
    new = 0
    for start in range(0, len(arriving), size):
        new += await timeline.put(arriving[start : start + size])
    assert new == len(told)
    assert store.row[2] == wanted


MANY = st.lists(st.tuples(st.integers(0, len(KINDS) - 1), st.integers(0, 90), st.just("ada")), min_size=2, max_size=90)


@given(MANY, MANY)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_at_once_are_folded_as_one_by_one(before: Any, after: Any) -> None:
    """Also on top of what was folded before, and where more happened than is kept."""
    for facet in BUILT_IN:
        mine = [each for each in facts([*before, *after]) if hears(facet, each.type)]
        mine = [replace(each, data={**each.data, "sku": f"s{n % 13}"}) if "viewed" in each.type else each
                for n, each in enumerate(mine)]  # fmt: skip
        start = facet().after_all(mine[: len(mine) // 2])
        single = start
        for each in mine[len(mine) // 2 :]:
            single = single.after(each)
        assert start.after_all(mine[len(mine) // 2 :]) == single
        assert start.after_all(mine[len(mine) // 2 :]).encode() == single.encode()


@pytest.mark.parametrize("together", [True, False])
def test_the_latest_views_and_touches_are_kept(together: bool) -> None:
    """Each product once, where it was seen last; opens by machines are none."""
    seen = [*range(15), 7, 12]
    told = [Event(f"v{n}", "t", "product.viewed", START, "ada", {"sku": f"s{sku}"}) for n, sku in enumerate(seen)]
    told += [Event(f"o{n}", "t", "message.opened", START, "ada", {"message": f"m{n}"}) for n in range(70)]
    told.append(Event("m", "t", "message.opened", START, "ada", {"message": "no", "machine": True}))
    after = Engagement()
    for each in [told] if together else [[each] for each in told]:
        after = after.after_all(each)
    assert [each.sku for each in after.views] == ["s5", "s6", "s8", "s9", "s10", "s11", "s13", "s14", "s7", "s12"]
    assert [each.message for each in after.touches] == [f"m{n}" for n in range(6, 70)]


@pytest.mark.parametrize("kind", list(DATA))
def test_every_built_in_facet_survives_its_bytes(kind: str) -> None:
    told = [Event(f"e{n}", "test", kind, START, "ada", data) for n, data in enumerate(DATA[kind])]
    after = Context(Customer("ada"), FACETS).after(told)
    again = Context(Customer("ada"), FACETS, after.bodies())
    for name in FACETS:
        assert again.named(name) == after.named(name)
    assert again.bodies() == after.bodies()


def test_every_type_a_facet_hears_is_tried_here() -> None:
    heard = {each for facet in BUILT_IN for each in facet.hears if not each.endswith("*")}
    assert heard - set(DATA) <= {"customer.identified", "message.delivered", "message.failed"}


async def test_a_dropped_context_is_rebuilt_byte_by_byte(shop: Any) -> None:
    """Events stored in any order, contexts gone, a fresh process: the same bytes, for merged people, too."""
    shop.channel("mail")
    bus = await shop.open()
    shop.clock.advance(timedelta(hours=2))
    names = {
        "ada": await bus.customers.upsert(email="ada@example.com"),
        "bob": await bus.customers.upsert(phone="+442079460000"),
    }
    people = {each.id for each in names.values()}
    merged = await bus.customers.upsert(x="77")
    chance = random.Random(7)
    choices = [(chance.randrange(len(KINDS)), chance.randrange(60), chance.choice(["ada", "bob"])) for _ in range(120)]
    for each in facts([each for each in choices if not KINDS[each[0]][0].startswith("customer.")]):
        await bus.parts.timeline.put([replace(each, subject=names[each.subject].id)])
    await bus.customers.merge(names["bob"].id, merged.id)
    everybody = [names["ada"].id, merged.id]
    store = bus.parts.store

    async def bodies() -> dict[str, dict[str, bytes]]:
        return {each: (await bus.parts.store.load([each]))[each].bodies for each in everybody}

    wanted = await bodies()
    assert all(wanted.values())
    assert people

    def shuffle(db: Any) -> None:
        rows = list(db.execute("SELECT source, id, type, time, subject, data, heard FROM event"))
        chance.shuffle(rows)
        db.execute("DELETE FROM event")
        db.executemany("INSERT INTO event (source, id, type, time, subject, data, heard) VALUES (?,?,?,?,?,?,?)", rows)
        db.execute("DELETE FROM context")

    await store.engine.write(shuffle)
    bus = await shop.reopen()
    assert [await bus.rebuild(each) for each in everybody] == [False, False]
    assert await bodies() == wanted
    assert [await bus.rebuild(each) for each in everybody] == [True, True]
