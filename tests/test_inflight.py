"""Places and deadlines: what costs nothing where nothing is in the way must be right where something is."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from omnibus import Receipt, TryLater, Unknown
from omnibus.inflight import Deadlines, Room
from omnibus.provider import Provider
from omnibus.testing import FakeChannel, FakeKeep


class Thing:
    """Note when it was cut."""

    def __init__(self, name: str, cut: list[str]) -> None:
        self.name, self._cut = name, cut

    def cut(self) -> None:
        self._cut.append(self.name)


async def many() -> None:
    """Let the loop go round."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_places_are_given_in_the_order_of_asking() -> None:
    room, got = Room(2), list[int]()

    async def come(number: int) -> None:
        await room.wait()
        got.append(number)

    assert (room.enter(), room.enter(), room.enter(), room.taken) == (True, True, False, 2)
    tasks = [asyncio.create_task(come(number)) for number in range(3)]
    await many()
    room.leave()
    assert not room.enter()  # who comes now is behind those who wait
    room.leave()
    await many()
    assert (got, room.taken) == ([0, 1], 2)
    room.leave()
    await asyncio.gather(*tasks)
    for _ in range(2):
        room.leave()
    assert (got, room.taken) == ([0, 1, 2], 0)


@pytest.mark.parametrize("first", ["leaves", "is cancelled"])
async def test_who_waits_no_longer_takes_no_place(first: str) -> None:
    """A place that is given in the very moment in which its taker is cancelled goes on to the next."""
    room, got = Room(1), list[int]()

    async def come(number: int) -> None:
        await room.wait()
        got.append(number)

    assert room.enter()
    tasks = [asyncio.create_task(come(number)) for number in range(3)]
    await many()
    for step in ("leaves", "is cancelled") if first == "leaves" else ("is cancelled", "leaves"):
        room.leave() if step == "leaves" else tasks[0].cancel()
    await many()
    assert got == [1]
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    room.leave()
    assert room.taken == 0
    assert not room._waiting


class Bell(asyncio.Event):
    """Say that it was cut."""

    def cut(self) -> None:
        self.set()


async def passed(deadlines: Deadlines, until: float) -> None:
    """Wait until all that ends before *until* has been cut."""
    bell = Bell()
    deadlines.begin(bell, until)
    async with asyncio.timeout(10):
        await bell.wait()


async def test_each_is_cut_at_its_own_time_whatever_the_order() -> None:
    deadlines, cut, now = Deadlines(), list[str](), asyncio.get_running_loop().time()
    for name, until in {"late": 0.09, "early": 0.03, "never": 0.02, "middle": 0.06}.items():
        thing = Thing(name, cut)
        deadlines.begin(thing, now + until)
        if name == "never":
            deadlines.end(thing)
            deadlines.end(thing)
    await passed(deadlines, now + 0.1)
    assert cut == ["early", "middle", "late"]
    deadlines.begin(Thing("again", cut), now)
    await passed(deadlines, now + 0.11)
    assert cut[-1] == "again"
    assert len(deadlines) == 0


async def test_what_ended_while_the_loop_stood_still_is_cut_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, deadlines, cut = asyncio.get_running_loop(), Deadlines(), list[str]()
    now = loop.time()
    for name, until in {"late": 30, "early": 10, "middle": 20}.items():
        deadlines.begin(Thing(name, cut), now + until)
    with monkeypatch.context() as late:
        late.setattr(loop, "time", lambda: now + 40)
        await passed(deadlines, now + 35)
    assert cut == ["early", "middle", "late"]
    assert len(deadlines) == 0


async def test_one_timer_serves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, deadlines, set_ = asyncio.get_running_loop(), Deadlines(), list[float]()
    call_at = loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda when, *given: (set_.append(when), call_at(when, *given))[1])
    for number in range(100):
        thing = Thing("", [])
        deadlines.begin(thing, loop.time() + 100 + number)
        deadlines.end(thing)
    assert len(set_) == 1
    deadlines.close()


def test_another_loop_begins_anew() -> None:
    deadlines, cut = Deadlines(), list[str]()

    async def one(name: str, seconds: float) -> None:
        thing = Thing(name, cut)
        deadlines.begin(thing, asyncio.get_running_loop().time() + seconds)
        if name == "first":
            deadlines.end(thing)
        else:
            await passed(deadlines, asyncio.get_running_loop().time() + seconds)

    asyncio.run(one("first", 0.3))
    asyncio.run(one("second", 0.4))
    assert cut == ["second"]


class Slow(Provider):
    """Do what the test says."""

    channel = FakeChannel
    scheme = "slow"
    max_in_flight = 1
    work: Any = None

    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        return Receipt(await self.work())


def sending(work: Any, seconds: float = 0.05, provider: Slow | None = None) -> Any:
    provider = provider or Slow(None, now=lambda: None)  # type: ignore[arg-type,return-value] # nobody asks for the time
    provider.work = work
    attempt: Any = SimpleNamespace(deadline=seconds)
    return provider.send(None, "", attempt, FakeKeep())  # type: ignore[arg-type] # nobody reads it


async def forever() -> str:
    await asyncio.Event().wait()
    return ""


async def quick() -> str:
    return "done"


async def test_a_hand_over_that_hangs_is_cut_and_its_task_goes_on() -> None:
    for _ in range(2):
        with pytest.raises(Unknown, match="deadline"):
            await sending(forever)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert (await sending(quick)).provider_id == "done"


async def test_a_hand_over_whose_task_is_told_to_end_is_no_lost_answer() -> None:
    task = asyncio.create_task(sending(forever, 50))
    await many()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_told_to_end_in_the_same_moment_ends() -> None:
    async def told() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            task.cancel()  # the deadline came first
            await asyncio.sleep(0)
        return ""

    task = asyncio.create_task(sending(told))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_one_that_does_not_let_itself_be_cut_leaves_no_trace_on_its_task() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return ""

    task = asyncio.current_task()
    assert task is not None
    assert (await sending(stubborn)).provider_id == "late"
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()


async def test_time_outs_of_its_own_are_its_own() -> None:
    async def own() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "own"
        return ""

    assert (await sending(own, 10)).provider_id == "own"


async def test_who_gets_no_turn_has_sent_nothing() -> None:
    provider = Slow(None, now=lambda: None)  # type: ignore[arg-type,return-value] # nobody asks for the time
    first = asyncio.create_task(sending(forever, 10, provider))
    await many()
    with pytest.raises(TryLater, match="no_turn"):
        await sending(forever, 0.1, provider)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await sending(quick, 0.1, provider)).provider_id == "done"
