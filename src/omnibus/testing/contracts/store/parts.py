"""What the tests of a store are made of: a moment, values of every kind, a store with two customers in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omnibus.model.customer import Identity
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.store import Change, Grant, Move, Settlement, Store, Try, Wish

#: business time of the contract
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def identity(ref: str, *, verified: bool = False) -> Identity:
    """Make an identity."""
    return Identity(ref.partition(":")[0], f"value of {ref}", ref, verified)


def event(id_: str, subject: str, *, at: datetime = NOW, type_: str = "product.viewed") -> Event:
    """Make an event with words of every kind in it."""
    return Event(
        id_, "contract", type_, at, subject, {"text": "Zoë \"'\n\t☂", "number": 3, "none": None, "list": [1, "a"]}
    )


def delivery(id_: str, customer: str, *, due: datetime = NOW, **changes: Any) -> Delivery:
    """Make a queued delivery."""
    told: dict[str, Any] = {
        "message": "hello", "purpose": "marketing", "brand": "Acme", "via": ("mail", "text"), "state": State.QUEUED,
        "due": due, "accepted": NOW, "subject": customer, "expires": NOW + timedelta(days=3), "values": {"n": 1, "t": "☂"},
    }  # fmt: skip
    return Delivery(id=id_, customer=customer, **{**told, **changes})


def attempt(id_: str, delivery_: str, customer: str, version: int, **changes: Any) -> Try:
    """Ask for an attempt under the lease `w`."""
    told: dict[str, Any] = {
        "lease": "w", "number": 1, "channel": "mail", "provider": "one", "identity": "email:a", "points": 1, "started": NOW,
        "change": Change(customer, version),
    }  # fmt: skip
    return Try(attempt=id_, delivery=delivery_, **{**told, **changes})


def settled(delivery_: str, customer: str, state: State = State.SENT, **changes: Any) -> Settlement:
    """Settle under the lease `w`."""
    told: dict[str, Any] = {"lease": "w", "reason": state.value}
    return Settlement(delivery_, customer, state=state, **{**told, **changes})


class StoreParts(ABC):
    """Give the tests their store."""

    @abstractmethod
    def make(self, folder: Path) -> Store:
        """Make a store on the same data whenever it is called with the same *folder*; not opened yet."""

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        """Open a store with the customers `ada` and `bob`."""
        store = self.make(tmp_path)
        await store.open()
        await store.create([("ada", [identity("email:a")]), ("bob", [identity("email:b")])], NOW)
        yield store
        await store.aclose()

    async def accept(self, store: Store, *deliveries: Delivery) -> None:
        """Accept deliveries without a key."""
        assert await store.accept([Wish("", "", (each,)) for each in deliveries])

    async def claim(self, store: Store, *, now: datetime = NOW, lease: str = "w", limit: int = 100) -> list[str]:
        """Claim, and give the ids."""
        return [each.id for each in await store.claim(now, limit=limit, lease=lease, term=60)]

    async def sending(self, store: Store, id_: str = "d1", customer: str = "ada", **changes: Any) -> None:
        """Accept, claim and attempt one delivery."""
        await self.accept(store, delivery(id_, customer))
        assert await self.claim(store) == [id_]
        version = (await store.load([customer]))[customer].version
        assert await store.attempt([attempt(f"a-{id_}", id_, customer, version, **changes)]) == [Grant.GRANTED]

    async def state(self, store: Store, id_: str) -> State:
        """Read a delivery's state."""
        found = await store.delivery(id_)
        assert found is not None
        return found.state

    async def version(self, store: Store, customer: str = "ada") -> int:
        """Read a context's version."""
        return (await store.load([customer]))[customer].version

    async def move(self, store: Store, state: State, **changes: Any) -> None:
        """Move `d1` by a report."""
        move = Move("d1", state, **{"attempt": "a-d1", **changes})
        assert await store.put([Change("ada", await self.version(store), moves=(move,), now=NOW)]) == [True]
