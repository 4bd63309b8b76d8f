"""The benchmark runs, balances its books and keeps its JSON's shape. No speed is asserted anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from omnibus.bench.alone import Alone
from omnibus.bench.goals import GOALS
from omnibus.bench.peers import CELERY, NO_PEERS, TASKIQ
from omnibus.bench.program import SCENES, compared, goals_of
from omnibus.bench.scenes import SMOKE, Bench, Size
from omnibus.cli import main

DOCUMENT = {
    "schema", "begun", "revision", "machine", "versions", "settings", "sinks", "results", "measures", "absent", "broken",
    "seconds",
}  # fmt: skip
ROW = {
    "scenario", "row", "unit", "rate", "rates", "min", "max", "cpu_us", "cpus_us", "p50_ms", "p99_ms", "samples", "rss_mib", "told",
    "durability", "setup", "peer", "noisy", "sink_bound",
}  # fmt: skip
MEASURE = {
    "scenario", "number", "what", "rows", "value", "values", "unit", "must", "aim", "met", "aimed", "noisy", "reason",
}  # fmt: skip


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """Give the test process its cores back: the bench pins what it measures."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    yield
    if before is not None:
        os.sched_setaffinity(0, before)


def told_by(*words: str) -> dict:
    done = CliRunner().invoke(main, ["bench", "--smoke", "--json", *words])
    assert done.exit_code == 0, done.output[-3000:]
    return json.loads(done.stdout)


def test_smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without brokers, which are not everywhere; what is not there is a row with the reason."""
    monkeypatch.setenv(NO_PEERS, "1")
    told = told_by()
    assert told.keys() == DOCUMENT
    assert told["broken"] == []
    assert all(row.keys() == ROW for row in told["results"])
    assert all(row["rate"] > 0 and len(row["rates"]) == 1 for row in told["results"])
    assert {row["scenario"] for row in told["results"]} == set(SCENES)
    assert all(measure.keys() == MEASURE for measure in told["measures"])
    assert all(each["reason"] for each in told["absent"])
    assert all((each["value"] is None) == bool(each["reason"]) for each in told["measures"])
    assert [each["number"] for each in goals_of(told)] == list(GOALS)
    assert {each["number"] for each in told["measures"]} >= set(GOALS)  # each line of the table has its scene
    of_peers = {(each["scenario"], each["row"]) for each in [*told["results"], *told["absent"]]}
    ways = ("send only", "same job", "send only, synced")
    assert {("campaign-http", f"{peer.name}, {way}") for peer in (CELERY, TASKIQ) for way in ways} <= of_peers


def test_two_runs_are_compared_by_what_is_measured_within_a_run(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    told_by("--only", "folding", "--save", str(old))
    told = told_by("--only", "folding", "--compare", str(old))
    assert [each["measure"] for each in told["compared"]] == ["folding: bus ÷ sqlite3, 100 a commit"]


def test_only_what_both_runs_have_is_compared() -> None:
    def run(**values: float | None) -> dict:
        return {
            "measures": [{"scenario": "s", "what": name, "value": value, "unit": "×"} for name, value in values.items()]
        }

    assert compared(run(a=0.1, gone=1.0, none=1.0), run(a=0.2, fresh=1.0, none=None)) == [
        {"measure": "s: a", "before": 0.1, "now": 0.2, "unit": "×", "times": 2.0}
    ]


def test_an_unknown_scenario_is_refused() -> None:
    done = CliRunner().invoke(main, ["bench", "--only", "speed"])
    assert done.exit_code != 0
    assert "unknown scenario speed" in done.output


async def test_the_planted_slowness_reaches_the_claims() -> None:
    claimed = {}
    for slow in (False, True):
        bench = Bench(Size(people=20), slow=slow)
        trial, sizes = await Alone(bench).pipeline(), []
        store = bench._open[0].parts.store
        usual = store.claim

        async def claim(*told, usual=usual, sizes=sizes, **more):
            taken = await usual(*told, **more)
            sizes.append(len(taken))
            return taken

        store.claim = claim
        assert await trial.run() == 20
        await trial.check()
        await bench.aclose()
        claimed[slow] = max(sizes)
    assert claimed == {False: 20, True: 1}


async def test_a_campaign_that_lost_somebody_has_no_figure() -> None:
    from omnibus.bench.rounds import Unbalanced

    bench = Bench(SMOKE)
    try:
        trial = await Alone(bench).pipeline()
        with pytest.raises(Unbalanced, match="do not balance"):
            await trial.check()  # nothing was sent yet
    finally:
        await bench.aclose()
