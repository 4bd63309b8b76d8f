"""The ledger and the promises of the outside world outlive a killed run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from omnibus import Request, Response
from omnibus.testing import Entry, FakeClock, HttpSandbox, World


class Pager(HttpSandbox):
    channel = "pager"
    name = "beep"
    fails = False
    reported: list[str] = []  # noqa: RUF012

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        return {"pager": {"provider": "beep", "base_url": self.base_url}}

    async def answer(self, request: Request) -> Response:
        entry = Entry(
            f"P{len(self.world.entries) + 1}",
            self.world.now().isoformat(),
            "pager",
            "beep",
            "message",
            text=request.body.decode(),
        )
        self.world.record(entry)
        self.world.owe(self, f"{entry.id}:delivered", timedelta(minutes=1), {"id": entry.id})
        return Response.of_json({"id": entry.id, "url": request.url}, 201)

    async def report(self, payload: Mapping[str, Any]) -> None:
        if self.fails:
            raise ConnectionError("the bus is away")
        self.reported.append(payload["id"])


@pytest.fixture
def pager() -> type[Pager]:
    return type("OwnPager", (Pager,), {"reported": []})


async def test_it_records_answers_and_reports_when_the_time_has_come(
    tmp_path: Path, omnibus_clock: FakeClock, pager: Any
) -> None:
    world = World(tmp_path, omnibus_clock.now, "http://127.0.0.1:1")
    tables = await world.start(pager)
    async with httpx.AsyncClient() as client:
        answer = await client.post(tables["pager"]["base_url"] + "/send?a=b", content=b"hello")
    assert answer.json() == {"id": "P1", "url": f"{tables['pager']['base_url']}/send?a=b"}
    assert [each.text for each in world.of("pager", kind="message")] == ["hello"]
    assert world.of("pager", accepted=False) == []
    assert await world.pump() == 0
    omnibus_clock.advance(timedelta(minutes=1))
    assert world.next_due == omnibus_clock.now()
    assert world.hook_url(world.sandbox("pager")) == "http://127.0.0.1:1/hooks/pager/beep"
    assert await world.pump() == 1
    assert await world.pump() == 0
    assert pager.reported == ["P1"]
    await world.stop()
    await world.stop()
    with pytest.raises(KeyError):
        world.sandbox("pager")


async def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, omnibus_clock: FakeClock, pager: Any) -> None:
    first = World(tmp_path, omnibus_clock.now)
    await first.start(pager)
    box = first.sandbox("pager")
    for word in ("one", "two"):
        await box.answer(Request("POST", "/", {}, word.encode()))
    omnibus_clock.advance(timedelta(minutes=2))
    await first.stop()
    for name in ("ledger.ndjson", "owed.ndjson"):  # killed in the middle of a line
        with (tmp_path / name).open("ab") as file:
            file.write(b'{"id": "P3", "na')
    again = World(tmp_path, omnibus_clock.now)
    await again.start(pager)
    assert [each.text for each in again.entries] == ["one", "two"]
    await again.sandbox("pager").answer(Request("POST", "/", {}, b"three"))
    assert await again.pump() == 2
    await again.stop()
    last = World(tmp_path, omnibus_clock.now)
    await last.start(pager)
    assert [each.text for each in last.entries] == ["one", "two", "three"]
    omnibus_clock.advance(timedelta(minutes=2))
    assert await last.pump() == 1
    assert pager.reported == ["P1", "P2", "P3"]
    await last.stop()


async def test_a_webhook_that_fails_is_owed_and_a_kept_promise_is_not_made_again(
    tmp_path: Path, omnibus_clock: FakeClock, pager: Any
) -> None:
    world = World(tmp_path, omnibus_clock.now)
    await world.start(pager)
    box = world.sandbox("pager")
    world.owe(box, "P1:delivered", timedelta(), {"id": "P1"})
    world.owe(box, "P1:delivered", timedelta(), {"id": "P1"})
    box.fails = True
    with pytest.raises(ConnectionError):
        await world.pump()
    box.fails = False
    assert await world.pump() == 1
    world.owe(box, "P1:delivered", timedelta(), {"id": "P1"})
    assert world.next_due is None
    await world.stop()
    again = World(tmp_path, omnibus_clock.now)
    await again.start(pager)
    again.owe(again.sandbox("pager"), "P1:delivered", timedelta(), {"id": "P1"})
    assert again.next_due is None
    await again.stop()
