"""`kill -9` of a worker in the middle of a campaign, again and again: nobody twice, nobody lost, the books balance.

One worker on SQLite; two on PostgreSQL, where the other goes on and takes over what the dead one held. The truth is the
ledger of the sink, which lives in this process.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from typing import Any, Self

import pytest

pytestmark = pytest.mark.reliability
KILLS = max(int(os.environ.get("OMNIBUS_KILLS", "8")) // 2, 1)


class Crew:
    """Keep as many workers as the store has room for."""

    def __init__(self, scene: Any) -> None:
        term = "2" if scene.shared else "60"  # what a dead worker held is taken over when its lease runs out
        self.command = [sys.executable, str(scene.worker), str(scene.folder), term]
        self.size = 2 if scene.shared else 1
        self.running: list[subprocess.Popen[str]] = []

    @property
    def whole(self) -> bool:
        """Whether all of them run."""
        return all(each.poll() is None for each in self.running)

    def fill(self) -> None:
        """Start who is missing."""
        while len(self.running) < self.size:
            told = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.running.append(told)

    def kill(self, chance: random.Random) -> bool:
        """Kill one of them; False when it had finished by itself."""
        process = self.running.pop(chance.randrange(len(self.running)))
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate()
        assert process.returncode in {0, -signal.SIGKILL}, said
        return process.returncode != 0

    def finish(self) -> None:
        """Wait for all of them."""
        for each in self.running:
            said, _ = each.communicate(timeout=240)
            assert each.returncode == 0, said[-3000:]
        self.running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for each in self.running:
            each.kill()
            each.communicate()


async def launch(scene: Any) -> None:
    async with scene.bus() as bus:
        await bus.launch("news", name="spring")


def test_killed_in_the_middle_nobody_is_lost_or_told_twice(scene: Any) -> None:
    chance = random.Random(int(os.environ.get("OMNIBUS_SEED", "20261121")))
    asyncio.run(launch(scene))
    taken, kills = scene.sink.taken, 0
    with Crew(scene) as crew:
        for number in range(KILLS):
            crew.fill()
            goal = len(taken) + chance.randrange(1, max(scene.people // KILLS, 2))
            scene.wait(lambda goal=goal: len(taken) >= goal or not crew.whole)
            kills += crew.kill(chance)
            progress, audit = scene.sums()
            campaign = progress.campaign
            assert campaign.recipients == scene.people
            assert campaign.accepted == campaign.expanded == progress.final + progress.waiting, number
            assert audit["unbalanced"] == audit["silent"] == audit["unproven"] == 0
            assert audit["accepted"] >= campaign.expanded  # the other worker went on between the two looks
        assert kills == KILLS
        crew.fill()
        crew.finish()
    scene.told_once()
