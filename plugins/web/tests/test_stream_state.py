"""What pages are shown beside cards: products they looked at, as long as they are of interest."""

from datetime import UTC, datetime, timedelta
from typing import Any

from omnibus import Event
from omnibus.testing.drafts import sample_context
from omnibus_web import Cards
from omnibus_web.stream import VIEWS, interests

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def event(minute: int, type_: str, **data: Any) -> Event:
    return Event(f"e{minute}", "web", type_, NOON + timedelta(minutes=minute), "c1", data)


def viewed(minute: int, sku: str, **more: str) -> Event:
    told = {"sku": sku, "name": sku.title(), "url": f"https://acme.example/{sku}", "price": "9.00", "currency": "EUR"}
    return event(minute, "product.viewed", **{**told, **more})


def skus(*events: Event) -> list[str]:
    return [each["sku"] for each in interests(sample_context((Cards,), events))]


def test_the_last_is_the_first_and_each_stands_once() -> None:
    assert skus(viewed(1, "boots"), viewed(2, "coat"), viewed(3, "boots")) == ["boots", "coat"]
    assert len(skus(*(viewed(n, f"p{n}") for n in range(9)))) == VIEWS
    assert interests(sample_context((Cards,), [viewed(1, "boots", image="https://acme.example/b.jpg")])) == [
        {"sku": "boots", "name": "Boots", "price": "9.00 EUR", "url": "https://acme.example/boots",
         "image": "https://acme.example/b.jpg"},
    ]  # fmt: skip


def test_what_was_bought_is_no_recommendation_until_it_is_looked_at_again() -> None:
    bought = event(2, "order.placed", id="o1", place="till", lines=[{"sku": "boots", "quantity": 1, "price": "9.00"}])
    assert skus(viewed(1, "boots"), viewed(0, "coat"), bought) == ["coat"]
    assert skus(viewed(1, "boots"), bought, viewed(3, "boots")) == ["boots"]


def test_what_cannot_be_linked_is_not_shown() -> None:
    assert skus(viewed(1, "boots", url=""), viewed(2, "coat", name="")) == []


def test_what_lies_in_the_cart_is_not_recommended() -> None:
    cart = event(2, "cart.updated", id="c", lines=[{"sku": "boots", "quantity": 1, "price": "9.00"}])
    assert skus(viewed(1, "boots"), viewed(0, "coat"), cart) == ["coat"]
