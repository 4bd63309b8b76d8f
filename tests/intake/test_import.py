"""Imports: bad lines are told by line, a repeat changes nothing, one that was cut short goes on."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from omnibus import InputError
from omnibus.intake import load_file, read_mapping

MAPPING = """
[source]
name = "till-archive"
time = "When"
zone = "Europe/London"
group = "No"
[customer]
id = "retail-{Who}"
identities = { loyalty = "{Who}" }
[[event]]
when = { No = "C*" }
type = "order.returned"
id = "{No}"
data = { id = "{No}" }
[[event]]
when = { No = "X*" }
skip = true
[[event]]
type = "order.placed"
id = "{No}"
data = { id = "{No}", place = "till", currency = "GBP" }
lines = { sku = "{Sku}", quantity = "{Count}", price = "{Price}" }
sum = "total"
"""
ROWS = [
    "No,When,Who,Sku,Count,Price", "1,2026-07-01T10:00:00,7,A1,2,2.50", "1,2026-07-01T10:00:00,7,B2,1,1.00",
    "2,2026-07-02T10:00:00,8,A1,1,2.50", "X3,2026-07-02T10:00:00,8,A1,1,2.50", "C4,2026-07-03T10:00:00,7,A1,1,2.50",
]  # fmt: skip
BAD = [
    "5,yesterday,7,A1,1,2.50", "6,2026-07-04T10:00:00,,A1,1,2.50", "7,2026-07-04T10:00:00,7,A1,one,2.50",
    "8,2026-07-04T10:00:00,7,A1,1,-1", "=9,2026-07-04T10:00:00,7",
]  # fmt: skip


async def ready(shop: Any, rows: list[str]) -> tuple[Any, Path, Any]:
    shop.channel("mail")
    bus = await shop.open()
    (shop.folder / "map.toml").write_text(MAPPING)
    path = shop.folder / "old.csv"
    path.write_text("\n".join(rows) + "\n")
    return bus, path, read_mapping(shop.folder / "map.toml")


async def test_rows_become_facts_of_people(shop: Any) -> None:
    bus, path, mapping = await ready(shop, ROWS)
    done = await load_file(bus, path, mapping)
    assert (done.lines, done.facts, done.new, done.skipped, done.rejected) == (5, 3, 3, 1, 0)
    orders = (await bus.context("loyalty:7")).named("orders")
    assert (orders.count, orders.returns, orders.recent[0].total) == (1, 1, "6.00")
    assert orders.recent[0].at.isoformat() == "2026-07-01T09:00:00+00:00", "summer time in London"
    again = await load_file(bus, path, mapping)
    assert (again.facts, again.new) == (3, 0)


async def test_bad_lines_are_told_and_harm_no_others(shop: Any) -> None:
    bus, path, mapping = await ready(shop, [*ROWS, *BAD])
    rejects = shop.folder / "rejects.csv"
    done = await load_file(bus, path, mapping, rejects=rejects)
    assert (done.new, done.rejected) == (3, len(BAD))
    rows = list(csv.reader(rejects.read_text("utf-8").splitlines()))
    assert rows[0] == ["line", "reason", "row"]
    assert sorted(((line, reason) for line, reason, _ in rows[1:]), key=lambda each: int(each[0])) == [
        ("7", "When is no time"), ("8", "Who is empty"), ("9", "quantity is no number"), ("10", "price is negative"),
        ("11", "3 columns where the header has 6"),
    ]  # fmt: skip
    assert [row for *_, row in rows[1:] if row.startswith("'=9")], "a spreadsheet runs nothing"


async def test_one_that_was_cut_short_goes_on(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnibus.intake.load.CHUNK", 1)
    rows = [ROWS[0], *(f"{n},2026-07-01T10:00:00,{n},A1,1,1" for n in range(1, 9))]
    bus, path, mapping = await ready(shop, rows)
    usual, calls = bus.parts.inbox.put, []

    async def put(events: Any, **told: Any) -> int:
        calls.append(1)
        if len(calls) == 5:
            raise ConnectionResetError
        return int(await usual(events, **told))

    monkeypatch.setattr(type(bus.parts.inbox), "put", lambda self, events, **told: put(events, **told))
    with pytest.raises(ConnectionResetError):
        await load_file(bus, path, mapping)
    done = await load_file(bus, path, mapping)
    assert (done.resumed_after, done.facts, done.new) == (5, 4, 4)


@pytest.mark.parametrize("live", [False, True])
async def test_journeys_hear_it_only_when_it_is_live(shop: Any, live: bool) -> None:
    shop.message("thanks", via=["mail"])
    shop.journey("thanks", "trigger: order.placed\nsteps:\n  - send: thanks\n")
    bus, path, mapping = await ready(shop, ROWS)
    await load_file(bus, path, mapping, live=live)
    await bus.drain()
    assert bool(await bus.parts.store.runs(live=False)) == live


async def test_lines_of_json_also_packed(shop: Any) -> None:
    bus, _, mapping = await ready(shop, ROWS)
    names = ROWS[0].split(",")
    path = shop.folder / "old.ndjson.gz"
    told = [json.dumps(dict(zip(names, each.split(","), strict=True))) for each in ROWS[1:]]
    path.write_bytes(gzip.compress("\n".join([*told, "{", "[]", ""]).encode()))
    done = await load_file(bus, path, mapping)
    assert (done.new, done.rejected, dict(done.reasons)) == (3, 2, {"not JSON": 1, "not a JSON object": 1})


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.csv", None, "no such file"),
        ("a.xls", "x", "unknown kind"),
        ("a.csv", "", "no header"),
        ("a.csv.gz", "no", "damaged"),
    ],
)
async def test_files_that_are_none(shop: Any, name: str, content: str | None, why: str) -> None:
    bus, _, mapping = await ready(shop, ROWS)
    if content is not None:
        (shop.folder / name).write_text(content)
    with pytest.raises(InputError, match=why):
        await load_file(bus, shop.folder / name, mapping)
