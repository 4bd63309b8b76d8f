"""A facet that came, or changed its version, is folded anew when the bus opens; one that went hears nothing meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

from omnibus.facet import Facet
from omnibus.facets import BUILT_IN
from omnibus.model.event import Event
from omnibus.stores.sqlite import Sqlite
from omnibus.timeline import Timeline

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Loyalty(Facet):
    name: ClassVar[str] = "loyalty"
    version: ClassVar[int] = 1
    hears: ClassVar[tuple[str, ...]] = ("order.*",)

    points: int = 0

    def after(self, event: Event) -> Self:
        return type(self)(self.points + 1)


class Doubled(Loyalty):
    __slots__ = ()
    version: ClassVar[int] = 2

    def after(self, event: Event) -> Self:
        return type(self)(self.points + 2)


async def opened(path: Path, *facets: type[Facet]) -> tuple[Timeline, int]:
    store = Sqlite(path, lambda: NOW)
    await store.open()
    timeline = Timeline(store, {each.name: each for each in (*BUILT_IN, *facets)}, lambda: NOW)
    return timeline, await timeline.agree()


def order(number: int) -> Event:
    return Event(
        f"o{number}", "till", "order.placed", NOW, "ada", {"id": str(number), "total": "1.00", "currency": "EUR"}
    )


async def test_contexts_follow_the_facets(tmp_path: Path) -> None:
    path = tmp_path / "omnibus.db"
    timeline, folded = await opened(path)
    assert folded == 0
    await timeline.store.create([("ada", [])], NOW)
    await timeline.put([order(1)])
    await timeline.store.aclose()

    for facets, expected in (((Loyalty,), 1), ((Loyalty,), 0), ((), 0), ((Loyalty,), 1), ((Doubled,), 1)):
        timeline, folded = await opened(path, *facets)
        assert folded == expected, facets
        if facets:
            assert (await timeline.read("ada")).named("loyalty").points == facets[0]().after(order(1)).points
        await timeline.store.aclose()
