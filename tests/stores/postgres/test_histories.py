"""Of timelines that would be too much at once only the first are read; one alone is read whole."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omnibus.model.trace import History
from omnibus.store import Change
from omnibus.stores.postgres import Postgres
from omnibus.stores.postgres.hearing import histories
from omnibus.testing.contracts.store import NOW
from omnibus.testing.contracts.store.parts import event

PEOPLE = [f"c{number}" for number in range(8)]


@pytest.mark.parametrize(("asked", "most", "told"), [(8, 25, 8), (8, 13, 4), (8, 5, 1), (1, 2, 1)])
async def test_no_more_is_held_than_fits(store: Postgres, asked: int, most: int, told: int) -> None:
    await store.create([(each, ()) for each in PEOPLE], NOW)
    for each in PEOPLE:
        three = tuple(event(f"{each}-{n}", each, at=NOW + timedelta(minutes=n)) for n in range(3))
        assert await store.put([Change(each, 0, three, {}, three[-1].order)]) == [True]
    found = await store.engine.read(lambda db: histories(db, PEOPLE[:asked], _ids, most))
    assert found == {each: [f"{each}-{n}" for n in range(3)] for each in PEOPLE[:told]}


def _ids(told: History) -> list[str]:
    return [each.id for each in told.events]
