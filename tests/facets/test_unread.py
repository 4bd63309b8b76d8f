"""A contact is added to what is stored without reading it, and the bytes are those that reading it would have given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnibus import Engagement, Event
from omnibus.facet import Facet
from omnibus.facets import BUILT_IN
from omnibus.facets.engagement import KEPT_TOUCHES, Touch, View
from omnibus.model.context import Context
from omnibus.model.customer import Customer

WORDS = st.sampled_from(["", "mail", '],"views":[', '{"at":', '{"touches":[', "\\", '"', "é✓\u2028", "\x00"]) | st.text(
    max_size=4
)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 - made aware here
    lambda told: told.replace(tzinfo=UTC)
)
CONTACTS = st.builds(
    Event, st.just("e"), st.just("test"),
    st.sampled_from(["message.sent", "message.opened", "conversation.received", "order.placed", "product.viewed", "visit.started"]),
    TIMES, st.just("c"),
    st.fixed_dictionaries({}, optional={"channel": WORDS, "message": WORDS, "place": WORDS, "sku": WORDS, "machine": st.booleans()}),
)  # fmt: skip
TOUCHES = st.builds(Touch, TIMES, WORDS, WORDS, WORDS, WORDS)
VIEWS = st.lists(st.builds(View, TIMES, WORDS, WORDS), max_size=3, unique_by=lambda view: view.sku)
STORED = st.builds(
    lambda few, many, views, visiting: Engagement(tuple((few * KEPT_TOUCHES)[:many]), tuple(views), visiting),
    st.lists(TOUCHES, max_size=3), st.sampled_from([0, 1, 60, 61, 62, 63, 64]), VIEWS, WORDS,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(STORED, CONTACTS)
def test_unread_it_is_as_if_it_had_been_read(stored: Engagement, event: Event) -> None:
    body = stored.encode()
    told = Engagement.after_encoded(body, event)
    if told is None:
        assert event.type in {"product.viewed", "visit.started"}, "contacts are what happens most"
    else:
        assert told == Engagement.decode(body).after(event).encode()


@pytest.mark.parametrize("body", [b"{}", b'{"views":[],"touches":[],"visiting":""}', b'{"touches": [],"views":[]}'])
def test_what_is_written_otherwise_is_read(body: bytes) -> None:
    assert (
        Engagement.after_encoded(body, Event("e", "test", "message.sent", datetime(2026, 1, 1, tzinfo=UTC), "c"))
        is None
    )


def test_a_context_is_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    zone, start = timezone(timedelta(hours=2)), datetime(2026, 1, 1, tzinfo=UTC)
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("message.sent", {"channel": "mail", "message": "m"}), ("message.opened", {"machine": True}),
        ("order.placed", {"id": "1", "place": "till"}), ("product.viewed", {"sku": "a"}),
    ]  # fmt: skip
    events = [
        Event(f"e{n}", "test", *(kinds[n % 4][0], (start + timedelta(hours=n)).astimezone(zone), "c", kinds[n % 4][1]))
        for n in range(300)
    ]
    facets = {each.name: each for each in BUILT_IN}

    def one_by_one() -> list[dict[str, bytes]]:
        context, told = Context(Customer("c"), facets), []
        for event in events:
            after = context.after([event])
            told.append(after.bodies())
            assert (after.touched != frozenset()) is (told[-1] != context.bodies())
            context = Context(Customer("c"), facets, told[-1], version=after.version, through=after.through)
            assert after[Engagement] == context[Engagement], "what was read before is not what stands afterwards"
            assert len(context[Engagement].touches) <= KEPT_TOUCHES
        return told

    quickly = one_by_one()
    monkeypatch.setattr(Engagement, "after_encoded", Facet.after_encoded)
    assert quickly == one_by_one()
    assert quickly[-1] == Context(Customer("c"), facets).after(events).bodies()
