"""How it is measured: in turn, ratios within a round, what fails is left out with its reason, noise and limits are marked."""

from __future__ import annotations

from typing import Any

import pytest

from omnibus.bench.goals import GOALS, Goal
from omnibus.bench.rounds import (
    Contender,
    Figure,
    Findings,
    Measure,
    Sample,
    Scene,
    Trial,
    Unbalanced,
    Unmeasured,
    measure,
    measures_shown,
    rate_over,
    rows_shown,
    wait,
)

HALF = Goal("x", "half", 0.5, 0.8)


def row(name: str, *samples: Any, peer: bool = False, sink: str = "", wrong: str = "") -> Contender:
    left = list(samples)

    async def check() -> None:
        if wrong:
            raise Unbalanced(wrong)

    async def make() -> Trial:
        async def run() -> Sample:
            sample = left.pop(0)
            if isinstance(sample, Exception):
                raise sample
            return sample

        return Trial(run, check)

    return Contender(name, make, "FULL", peer=peer, sink=sink)


def at(rate: float, **more: Any) -> Sample:
    return Sample(int(rate), 1.0, 0.5, **more)


async def test_rows_take_turns_and_the_warm_up_is_thrown_away() -> None:
    told: list[str] = []
    scene = Scene(
        "s", "units", (row("a", at(1), at(10), at(20)), row("b", at(1), at(20), at(20))), (rate_over("a", "b", HALF),)
    )
    outcome = await measure(scene, 2, told.append)
    assert told == [
        "s, warm-up: a",
        "s, warm-up: b",
        "s, round 1 of 2: a",
        "s, round 1 of 2: b",
        "s, round 2 of 2: a",
        "s, round 2 of 2: b",
    ]
    assert [each["rates"] for each in rows_shown(outcome, {})] == [[10.0, 20.0], [20.0, 20.0]]
    assert measures_shown(outcome)[0]["values"] == [0.5, 1.0]


async def test_ratios_are_taken_within_a_round() -> None:
    scene = Scene(
        "s", "units", (row("a", at(10), at(30), at(20)), row("b", at(20), at(30), at(80))), (rate_over("a", "b", HALF),)
    )
    told = measures_shown(await measure(scene, 3, lambda text: None, warm=False))[0]
    assert (told["value"], told["met"], told["aimed"], told["noisy"], told["number"]) == (0.5, True, False, True, "x")


async def test_less_is_better_where_it_is() -> None:
    goal = Goal("y", "cpu", 60, 45, "µs", lower=True)
    scene = Scene("s", "units", (row("a", at(10)),), (Measure(("a",), lambda a: a.cpu_us / 1000, goal),))
    told = measures_shown(await measure(scene, 1, lambda text: None, warm=False))[0]
    assert (told["value"], told["met"], told["aimed"]) == (50.0, True, False)


async def test_a_peer_that_fails_is_missing_with_the_reason_and_the_others_go_on() -> None:
    scene = Scene(
        "s", "units", (row("a", at(1), at(2)), row("b", at(1), RuntimeError("its broker died"), peer=True), Unmeasured("c", "not here")),
        (rate_over("a", "b", HALF), rate_over("a", "c")),
    )  # fmt: skip
    outcome = await measure(scene, 2, lambda text: None, warm=False)
    assert outcome.absent == {"b": "its broker died", "c": "not here"}
    assert outcome.broken == []
    assert [each["row"] for each in rows_shown(outcome, {})] == ["a"]  # no figure from the round that it lived through
    told = measures_shown(outcome)
    assert [(each["value"], each["met"], each["reason"]) for each in told] == [
        (None, None, "b: its broker died"), (None, None, "c: not here"),
    ]  # fmt: skip


async def test_books_that_do_not_balance_leave_no_figure_and_are_told() -> None:
    scene = Scene("s", "units", (row("a", at(1), wrong="one is missing"),), (rate_over("a", "a", HALF),))
    outcome = await measure(scene, 1, lambda text: None, warm=False)
    assert outcome.absent == {"a": "one is missing"}
    assert outcome.broken == ["a"]
    assert rows_shown(outcome, {}) == []


async def test_percentiles_are_those_of_all_rounds_together() -> None:
    first, second = at(2, spent=(1.0, 2.0)), at(2, spent=(3.0, 100.0))
    scene = Scene("s", "units", (row("a", first, second),), (wait("a", 0.99), wait("a", 0.5)))
    outcome = await measure(scene, 2, lambda text: None, warm=False)
    shown = rows_shown(outcome, {})[0]
    assert (shown["p50_ms"], shown["p99_ms"], shown["samples"]) == (3.0, 100.0, 4)
    assert [each["value"] for each in measures_shown(outcome)] == [100.0, 3.0]


@pytest.mark.parametrize(("rate", "bound"), [(69.0, False), (71.0, True)])
def test_a_row_near_what_its_sink_can_take_is_marked(rate: float, bound: bool) -> None:
    outcome = Findings(Scene("s", "units", (row("a", sink="http"),)), {"a": [Figure(rate, None)]})
    assert rows_shown(outcome, {"http": 100.0})[0]["sink_bound"] is bound
    assert rows_shown(outcome, {})[0]["sink_bound"] is None


async def test_what_a_scene_started_is_ended_even_when_the_run_is_broken_off() -> None:
    ended = []

    async def close() -> None:
        ended.append(True)

    def told(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await measure(Scene("s", "units", (row("a", at(1)),), close=close), 1, told)
    assert ended == [True]


def test_every_line_of_the_table_is_there_once() -> None:
    numbers = [each.rstrip("ab") for each in GOALS]
    assert sorted({int(each) for each in numbers}) == list(range(1, 20))
    assert all(goal.reached(goal.aim, goal.must) for goal in GOALS.values())  # an aim is never easier than its must
