"""The benchmark runs, balances its books and keeps its JSON's shape. No speed is asserted anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from omnibus.bench.rounds import Result, Scene
from omnibus.bench.scenes import Bench, Size
from omnibus.cli import main
from omnibus.cli.bench import compared

SCENARIOS = [
    "campaign-noop", "send-50-callers", "expansion", "folding", "http-client-1", "http-client-10", "http-client-50",
    "http-client-200", "http-null", "http-aiohttp", "campaign-http", "latency", "inbound", "rebuild", "finished-rows",
    "delayed-rows",
]  # fmt: skip


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """Give the test process its cores back: the bench pins what it measures."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    yield
    if before is not None:
        os.sched_setaffinity(0, before)


def test_smoke(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "--smoke", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [each["scenario"] for each in told["results"]] == SCENARIOS
    assert all(each["rate"] > 0 and each["against_rate"] > 0 for each in told["results"])
    assert all(len(each["rates"]) == len(each["ratios"]) == told["rounds"] == 1 for each in told["results"])
    assert {"schema", "machine", "rounds", "slow", "results", "memory", "absent"} == told.keys()
    assert all(each["reason"] for each in told["absent"])
    old = tmp_path / "old.json"
    old.write_text(json.dumps(told))
    again = CliRunner().invoke(main, ["bench", "--smoke", "--json", "--only", "folding", "--compare", str(old)])
    assert again.exit_code == 0, again.output
    assert [each["scenario"] for each in json.loads(again.stdout)["compared"]] == ["folding"]


def test_an_unknown_scenario_is_refused() -> None:
    done = CliRunner().invoke(main, ["bench", "--only", "speed"])
    assert done.exit_code != 0
    assert "unknown scenario speed" in done.output


async def test_the_planted_slowness_reaches_the_claims() -> None:
    claimed = {}
    for slow in (False, True):
        bench = Bench(Size(people=20), slow=slow)
        run, sizes = await bench.pipeline(), []
        store = bench._open[0].parts.store
        usual = store.claim

        async def claim(*told, usual=usual, sizes=sizes, **more):
            taken = await usual(*told, **more)
            sizes.append(len(taken))
            return taken

        store.claim = claim
        assert await run() == 20
        await bench.aclose()
        claimed[slow] = max(sizes)
    assert claimed == {False: 20, True: 1}


def test_ratios_are_taken_within_a_round() -> None:
    scene = Scene("x", "units", None, None, "y", must=0.5)
    told = Result(scene, [10.0, 30.0, 20.0], [20.0, 30.0, 80.0], [1.0, 2.0, 3.0]).shown()
    assert (told["ratio"], told["met"], told["noisy"]) == (0.5, True, True)
    assert told["ratios"] == [0.5, 1.0, 0.25]


def test_only_ratios_are_compared() -> None:
    old = {"results": [{"scenario": "a", "ratio": 0.1}, {"scenario": "gone", "ratio": 1}]}
    new = {"results": [{"scenario": "a", "ratio": 0.2}, {"scenario": "fresh", "ratio": 1}]}
    assert compared(old, new) == [{"scenario": "a", "before": 0.1, "now": 0.2, "times": 2.0}]
