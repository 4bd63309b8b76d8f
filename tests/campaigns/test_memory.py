"""Ten times the recipients need no more memory: nothing of a campaign is held but a chunk."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omnibus.model.campaign import Campaign
from omnibus.testing import FarSide

MIB = 1024 * 1024


class Deaf(FarSide):
    """Accept and forget: the other side is not what is measured."""

    async def take(self, handed: Any) -> Any:
        receipt = await super().take(handed)
        self.handed.clear()
        self.arrived.clear()
        return receipt


async def peak(shop: Any, count: int, folder: Path) -> int:
    """Give the most bytes that Python held during launch, expansion and the sending of some."""
    shop.channel("mail", members={"wire": Deaf()})
    shop.message("news", "# News\n", via=["mail"], topic="news")
    bus = await shop.open()
    identity = bus.customers.recogniser.identity
    for start in range(0, count, 1000):
        page = [f"c{number:06d}" for number in range(start, start + 1000)]
        await bus.parts.store.create(
            [(each, [identity("email", f"{each}@example.com")]) for each in page], shop.clock.now()
        )
    file = folder / f"{count}.csv"
    file.write_text("customer\n" + "".join(f"c{number:06d}\n" for number in range(count)))
    gc.collect()
    tracemalloc.start()
    try:
        await bus.launch("news", file, name="spring")
        found: Campaign = await bus.campaigns.get("spring")
        while not found.whole:
            bus.campaigns.look()
            await bus.campaigns.advance()
            found = await bus.campaigns.get("spring")
            await asyncio.get_running_loop().run_in_executor(None, send_all_at_once, shop)
        assert (found.recipients, found.expanded) == (count, count)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def send_all_at_once(shop: Any) -> None:
    """Be a very fast worker: what is measured is the campaign, and not the road out."""
    url = shop.core.split('store = "')[1].split('"')[0]
    if url.startswith("sqlite:"):
        import apsw

        db: Any = apsw.Connection(str(shop.folder / "shop.db"))
        db.set_busy_timeout(10_000)
    else:
        import psycopg

        db = psycopg.connect(url)
    with db:
        db.execute("UPDATE delivery SET state='sent', reason='accepted', due=NULL WHERE due IS NOT NULL")
        db.execute("UPDATE lane SET due=NULL")
    db.close()


@pytest.mark.reliability
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_ten_times_the_recipients_need_no_more_memory(
    shops: Callable[[], Any], tmp_path: Path, request: pytest.FixtureRequest, kind: str
):
    def shop() -> Any:
        made = shops()
        if kind == "postgres":
            made.core = made.core.replace("sqlite:shop.db", request.getfixturevalue("databases").make())
        return made

    few = await peak(shop(), 2_000, tmp_path)
    many = await peak(shop(), 20_000, tmp_path)
    assert many < few * 1.15 + 0.25 * MIB, (few, many)
