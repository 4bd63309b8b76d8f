"""Tokens of a shared rate: never more than the rate, urgent ones first, turns one after the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnibus.model.rate import Rate, read_rate
from omnibus.outbound.rates import BLOCK, FAR, FRESH, Rates
from omnibus.upkeep import Block


class Shelf:
    """One row for each rate, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now, self.rows, self.asked = 1_000_000, dict[str, int](), list[int]()

    def clock(self) -> float:
        return self.now / 1_000_000

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)

    async def tokens(self, name: str, rate: Rate, want: int, *, now: Any = None) -> Block:
        self.asked.append(want)
        await asyncio.sleep(0)
        got, self.rows[name] = rate.take(self.rows.get(name, 0), want, self.now)
        return Block(got, rate.wait(self.rows[name], self.now))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def rates(shelf: Shelf, **told: str) -> Rates:
    named = {name.replace("_", "/"): read_rate(text) for name, text in told.items()}
    return Rates(shelf, named, clock=shelf.clock, chance=lambda: 0.5)  # type: ignore[arg-type]


MANY = [("sms/one", False)] * 100


async def test_who_gets_no_token_is_told_a_turn_of_its_own(shelf: Shelf) -> None:
    mine = rates(shelf, sms_one="100/s")
    waits = await mine.ask(MANY)
    assert waits[:10] == [0.0] * 10
    assert waits[10:] == pytest.approx([0.01 * n for n in range(1, 91)])
    shelf.pass_(0.05)
    assert await mine.ask([("sms/one", False)] * 5) == [0.0] * 5, "whose turn it is goes"
    assert (await mine.ask([("sms/one", False)]))[0] == pytest.approx(0.86), "who is new comes after all the others"


async def test_what_is_urgent_goes_first_and_waits_for_the_next_token_only(shelf: Shelf) -> None:
    mine = rates(shelf, sms_one="100/s")
    waits = await mine.ask([*MANY, *[("sms/one", True)] * 12])
    assert waits[100:110] == [0.0] * 10
    assert waits[110:] == pytest.approx([0.01, 0.01])
    assert min(waits[:100]) == pytest.approx(0.01)


async def test_others_are_not_limited_and_nothing_is_asked_for_them(shelf: Shelf) -> None:
    mine = rates(shelf, sms_one="6/min")
    assert await mine.ask([("mail/one", False)] * 50) == [0.0] * 50
    assert shelf.asked == []
    assert mine
    assert not rates(shelf)


async def test_a_block_is_spent_one_by_one(shelf: Shelf) -> None:
    """One look at the shared row for ten hand-overs; what is left of it after a second is void."""
    mine = rates(shelf, sms_one="200/s")
    for _ in range(10):
        assert await mine.ask([("sms/one", False)]) == [0.0]
    assert shelf.asked == [BLOCK]
    assert await mine.ask([("sms/one", False)]) == [0.0]
    shelf.pass_(FRESH)
    assert await mine.ask([("sms/one", False)]) == [0.0]
    assert shelf.asked == [BLOCK, BLOCK, BLOCK]


async def test_a_pause_voids_what_is_left(shelf: Shelf) -> None:
    mine = rates(shelf, sms_one="200/s")
    await mine.ask([("sms/one", False)])
    mine.void(["sms/one", "mail/one"])
    await mine.ask([("sms/one", False)])
    assert shelf.asked == [BLOCK, BLOCK]


async def test_what_was_not_needed_is_given_back_while_it_is_good(shelf: Shelf) -> None:
    mine = rates(shelf, sms_one="200/s")
    for _ in range(BLOCK):
        await mine.ask([("sms/one", False)])
    mine.give_back(["sms/one", "mail/one"])
    await mine.ask([("sms/one", False)])
    assert shelf.asked == [BLOCK]
    shelf.pass_(FRESH)
    mine.give_back(["sms/one"])
    await mine.ask([("sms/one", False)])
    assert shelf.asked == [BLOCK, BLOCK]


async def test_no_turn_is_far_away(shelf: Shelf) -> None:
    """A million that wait come back within a minute, spread, and are judged anew."""
    waits = await rates(shelf, sms_one="1/s").ask([("sms/one", False)] * 200)
    assert waits[:61] == pytest.approx([float(n) for n in range(61)])
    assert set(waits[61:]) == {FAR * 0.75}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40), st.floats(0, 0.5)), min_size=1, max_size=60),
    st.sampled_from(["100/s", "7/s", "30/min", "1000/s"]),
)
def test_several_workers_together_keep_the_rate(steps: list[tuple[int, int, float]], text: str) -> None:
    """Whatever they ask and when: never more than the rate since the beginning, a burst and a second's blocks aside."""
    shelf, rate = Shelf(), read_rate(text)
    workers = [rates(shelf, sms_one=text) for _ in range(4)]
    begun, went = shelf.now, 0

    async def all_steps() -> None:
        nonlocal went
        for worker, count, pause in steps:
            shelf.pass_(pause)
            went += (await workers[worker].ask([("sms/one", False)] * count)).count(0.0)
            assert went <= rate.burst + (shelf.now - begun) // rate.interval

    asyncio.run(all_steps())


@pytest.mark.parametrize(
    ("text", "interval", "burst"),
    [("100/s", 10_000, 10), ("3/s", 333_334, 1), ("6/min", 10_000_000, 1), ("1000/h", 3_600_000, 1), ("1 / d", 86_400_000_000, 1),
     ("100000/s", 10, 10_000)],
)  # fmt: skip
def test_rates_are_read(text: str, interval: int, burst: int) -> None:
    assert read_rate(text) == Rate(interval, burst)


@pytest.mark.parametrize("text", ["", "100", "0/s", "100001/s", "1.5/s", "-1/s", "10/w", "10/s!", 100, None, ["1/s"]])
def test_what_is_no_rate_is_refused_with_the_fix(text: Any) -> None:
    with pytest.raises(ValueError, match="must be a rate"):
        read_rate(text)


def test_gcra_by_hand() -> None:
    """A burst, then one an interval, by hand."""
    rate, start = Rate(10, 3), 1_000
    assert rate.take(0, 5, start) == (3, 1_030)
    assert rate.take(1_030, 5, start + 9) == (0, 1_030)
    assert rate.wait(1_030, start + 9) == pytest.approx(1e-6)
    assert rate.take(1_030, 5, start + 10) == (1, 1_040)
    assert rate.take(1_040, 1, start + 10_000) == (1, 11_010)


async def test_two_ask_at_once(shelf: Shelf) -> None:
    """The block of one is not lost to the other."""
    mine = rates(shelf, sms_one="200/s")
    answers = await asyncio.gather(*(mine.ask([("sms/one", False)]) for _ in range(10)))
    assert [each[0] for each in answers] == [0.0] * 10
    assert shelf.asked == [BLOCK]
