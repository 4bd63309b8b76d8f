"""The fakes keep the contracts themselves, and do what they are told."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from omnibus import Absent, Content, Receipt, Request, TryLater, Unknown
from omnibus.testing import (
    HANG,
    ChannelContract,
    FakeChannel,
    FakeClock,
    FakeKeep,
    FakeProvider,
    ProviderContract,
    fake_provider,
    fake_report,
    sample_attempt,
)

AT = "2026-11-21T12:00:00+00:00"
CASES = {
    "bounced": [{"id": "r1", "type": "message.bounced", "at": AT, "attempt": "a1", "data": {"hard": True}}],
    "no-news": [],
}


@pytest.fixture(autouse=True, scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> None:
    TestFakeProvider.folder = tmp_path_factory.mktemp("webhooks")
    for name, reports in CASES.items():
        for end in ("body", "json"):
            (TestFakeProvider.folder / f"{name}.{end}").write_text(json.dumps(reports))


class TestFakeChannel(ChannelContract):
    without = {"picture": "a fake has none"}  # noqa: RUF012

    def channel(self) -> FakeChannel:
        return FakeChannel()


class TestFakeProvider(ProviderContract):
    provider_class = fake_provider()
    settings = {"webhook_secret": "first-signing-secret-0001"}  # noqa: RUF012
    address = "ada@example.com"
    without = {  # noqa: RUF012
        "network": "in memory",
        "signature": "only a shared secret",
        "timestamp": "only a shared secret",
    }

    def content(self) -> Content:
        return Content(text="Your parcel has left our house.")

    def sign(self, body: bytes, secret: str) -> Request:
        return Request("POST", self.hook_url, {"x-fake-secret": secret}, body)


class TestFakeFinder(TestFakeProvider):
    provider_class = fake_provider("finder", idempotency="lookup")


class TestFakeKeys(TestFakeProvider):
    provider_class = fake_provider("keys", idempotency="key")


def made(kind: type[FakeProvider], clock: FakeClock) -> FakeProvider:
    return kind(kind.Settings(), now=clock.now)


async def handed(provider: FakeProvider, number: int = 1, **changes: Any) -> Receipt:
    return await provider.send(Content(text="x"), "ada@example.com", sample_attempt(number, **changes), FakeKeep())


async def test_it_answers_as_scripted_and_then_accepts(omnibus_clock: FakeClock) -> None:
    provider = made(fake_provider(), omnibus_clock)
    provider.wire.answers(TryLater("busy"), Receipt("own"))
    with pytest.raises(TryLater):
        await handed(provider)
    assert (await handed(provider)).provider_id == "own"
    assert (await handed(provider)).provider_id == "own"
    assert (await handed(provider, 2)).provider_id == f"fake-{sample_attempt(2).id}"
    assert [each.address for each in provider.wire.handed] == ["ada@example.com"] * 4


async def test_a_lost_answer_can_be_looked_up(omnibus_clock: FakeClock) -> None:
    provider = made(fake_provider("finder", idempotency="lookup"), omnibus_clock)
    for number, arrived in ((1, True), (2, False)):
        provider.wire.lose(arrived=arrived)
        with pytest.raises(Unknown):
            await handed(provider, number)
    found = [await provider.lookup(sample_attempt(number), "", FakeKeep()) for number in (1, 2)]
    assert found == [Receipt(f"fake-{sample_attempt(1).id}"), Absent()]


async def test_it_hangs_until_it_is_released(omnibus_clock: FakeClock) -> None:
    provider = made(fake_provider(), omnibus_clock)
    provider.wire.answers(HANG, HANG)
    with pytest.raises(Unknown, match="deadline"):
        await handed(provider, deadline=0.05)
    task = asyncio.create_task(handed(provider, 2))
    await asyncio.sleep(0)
    provider.wire.release()
    assert (await task).provider_id


def test_two_fakes_share_no_wire() -> None:
    assert fake_provider().wire is not fake_provider().wire


def test_its_webhook_is_read(omnibus_clock: FakeClock) -> None:
    kind = fake_provider()
    provider = kind(kind.Settings(webhook_secret="fake"), now=omnibus_clock.now)
    told = {"id": "r1", "type": "message.delivered", "at": omnibus_clock.now(), "provider_id": "p1"}
    (report,) = provider.receive(fake_report("https://talk.example.com/hooks/fake/fake", told))
    assert (report.id, report.type, report.at) == ("r1", "message.delivered", omnibus_clock.now())


def test_the_clock_stands_still_until_it_is_moved(omnibus_clock: FakeClock, omnibus_desk: Any) -> None:
    before = omnibus_clock.now()
    assert omnibus_desk.now() == before
    assert omnibus_clock.advance(timedelta(hours=1)) - before == timedelta(hours=1)
    with pytest.raises(ValueError, match="forward"):
        omnibus_clock.advance(timedelta(hours=-1))
    with pytest.raises(ValueError, match="aware"):
        omnibus_clock.set(before.replace(tzinfo=None))
    omnibus_clock.set(before)
    assert omnibus_desk.now() == before
