"""What a page tells is checked: whatever it is, it is plain data of a known shape, or an InputError."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from omnibus import Cart, Engagement, Event, InputError
from omnibus.testing.clock import START
from omnibus_web.page import READ, event_data, event_id

_KEYS = st.sampled_from(["sku", "name", "price", "currency", "url", "image", "id", "lines", "quantity", "x"])
_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["B1", "9.00", "EUR", "https://a.example/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(READ)), _JSON)
def test_any_data_is_read_or_refused_and_what_is_read_folds(type_: str, told: Any) -> None:
    try:
        data = event_data(type_, told)
    except InputError:
        return
    event = Event("e1", "web", type_, START, "c1", json.loads(json.dumps(data)))
    for facet in (Cart, Engagement):
        assert facet().after(event).encode()


@settings(max_examples=100, deadline=None)
@given(_JSON)
def test_any_type_and_id_is_read_or_refused(told: Any) -> None:
    for read in (lambda: event_data(told, {}), lambda: event_id({"id": told})):
        try:
            assert isinstance(read(), dict | str)
        except InputError:
            continue


def test_what_is_read_is_whole() -> None:
    line = {"sku": "B1", "name": "Boots\u0007 ", "quantity": 2, "price": 9, "url": "https://a.example/b", "evil": 1}
    assert event_data("cart.updated", {"id": "c1", "currency": "EUR", "lines": [line], "customer": "ada"}) == {
        "id": "c1", "currency": "EUR", "url": "",
        "lines": [
            {"sku": "B1", "name": "Boots", "quantity": 2, "price": "9.00", "url": "https://a.example/b", "image": ""}
        ],
    }  # fmt: skip
    assert event_data("product.viewed", {"sku": "B1", "price": "9.5"}) == {
        "sku": "B1", "name": "", "price": "9.50", "currency": "", "url": "", "image": "",
    }  # fmt: skip
    assert event_data("visit.started", {"place": "till"}) == {"place": "web"}
