"""A campaign by its commands alone, worked by `omnibus work`: several processes on PostgreSQL, one on SQLite."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.reliability


def omnibus(scene: Any, *told: str) -> list[str]:
    return [sys.executable, "-m", "omnibus", "-c", str(scene.folder / "omnibus.toml"), *told]


def run(scene: Any, *told: str) -> Any:
    """Run one command to its end; gives what it printed as JSON."""
    done = subprocess.run(omnibus(scene, *told, "--json"), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def working(scene: Any) -> Iterator[subprocess.Popen[str]]:
    """Work on the store with as many processes as it has room for."""
    many = ("--processes", "2") if scene.shared else ()
    with subprocess.Popen(
        omnibus(scene, "work", *many), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def still(scene: Any) -> dict[str, Any]:
    """Wait until nothing is under way any more; gives the campaign then."""
    found: dict[str, Any] = {}

    def quiet() -> bool:
        found.update(run(scene, "campaign", "status", "spring"))
        return not found["states"].get("sending")

    scene.wait(quiet)
    return found


def test_started_paused_resumed_and_sent(scene: Any) -> None:
    begun = run(scene, "campaign", "start", "news", "--to", "all", "--name", "spring")
    assert (begun["standing"], begun["recipients"], begun["expanded"]) == ("running", scene.people, 0)
    taken = scene.sink.taken
    scene.sink.shut(after=scene.people // 10)
    with working(scene):
        scene.wait(lambda: len(taken) > scene.people // 10)
        assert run(scene, "campaign", "pause", "spring")["standing"] == "paused"
        scene.sink.open()
        first = still(scene)
        count = len(taken)
        assert first["states"].get("sent", 0) == count < scene.people
        assert set(first["states"]) <= {"sent", "held"}
        assert run(scene, "campaign", "status", "spring") == first, "paused, and yet something moves"
        assert len(taken) == count
        run(scene, "campaign", "resume", "spring")
        assert run(scene, "campaign", "status", "spring", "--watch")["standing"] == "done"
    scene.told_once()


def test_stopped_for_good(scene: Any) -> None:
    run(scene, "campaign", "start", "news", "--to", "all", "--name", "spring")
    taken = scene.sink.taken
    scene.sink.shut(after=scene.people // 10)
    with working(scene):
        scene.wait(lambda: len(taken) > scene.people // 10)
        run(scene, "campaign", "stop", "spring")
        scene.sink.open()
        done = run(scene, "campaign", "status", "spring", "--watch")
    assert done["standing"] == "stopped"
    assert done["states"] == {"sent": len(taken), "dropped": done["expanded"] - len(taken)}
    assert done["expanded"] < scene.people
    assert run(scene, "audit")["unbalanced"] == 0


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_one_of_several_processes_is_killed(scene: Any) -> None:
    """The command ends and says so; started again, it takes over what the dead one held when its lease runs out."""
    run(scene, "campaign", "start", "news", "--to", "all", "--name", "spring")
    scene.sink.shut(after=scene.people // 5)
    with working(scene) as first:
        scene.wait(lambda: len(scene.sink.taken) > scene.people // 5)
        psutil.Process(first.pid).children()[0].send_signal(signal.SIGKILL)
        scene.sink.open()
        said = first.communicate(timeout=60)[0]
        assert first.returncode == 3, said
        assert "ended with -9" in said
    assert len(scene.sink.taken) < scene.people
    with working(scene):
        assert run(scene, "campaign", "status", "spring", "--watch")["standing"] == "done"
    scene.told_once()
