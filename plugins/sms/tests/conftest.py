from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from omnibus import Request
from omnibus.testing import FakeClock, FakeKeep, World
from omnibus_sms import Twilio
from omnibus_sms.sandbox import TwilioSandbox


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def notes() -> FakeKeep:
    return FakeKeep()


@pytest.fixture
async def world(tmp_path: Any, clock: FakeClock) -> AsyncIterator[World]:
    world = World(tmp_path / "world", clock.now, "https://talk.example.com")
    yield world
    await world.stop()


@pytest.fixture
def hooks(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Catch what a sandbox posts, as the bus would see it."""
    caught: list[Request] = []

    class Said:
        is_success, status_code = True, 204

    async def post(url: str, *, headers: Any, body: bytes, method: str = "POST") -> Any:
        caught.append(Request(method, url, headers, body))
        return Said()

    monkeypatch.setattr(world, "post", post)
    return caught


@pytest.fixture
async def sandbox(world: World) -> TwilioSandbox:
    await world.start(TwilioSandbox)
    return world.sandbox("sms")


@pytest.fixture
async def twilio(sandbox: TwilioSandbox, clock: FakeClock) -> AsyncIterator[Callable[..., Twilio]]:
    made: list[Twilio] = []

    def make(**more: Any) -> Twilio:
        table = {k: v for k, v in sandbox.table()["sms"].items() if k != "provider"} | more
        made.append(Twilio(Twilio.Settings(**table), now=clock.now))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()
