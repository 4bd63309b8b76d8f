"""A demo that was killed between the sale and its note goes on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnibus.cli.demo import run, story


async def test_a_sale_that_was_not_noted_any_more_is_not_sold_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    when = story.at(1, 12, 30)
    place = next(number for number, (_, name, _) in enumerate(story.STEPS) if name == "at_the_till")
    again = (when, "at_the_till_again", story.at_the_till)
    monkeypatch.setattr(story, "STEPS", (*story.STEPS[: place + 1], again, *story.STEPS[place + 1 :]))
    told = await run(tmp_path / "state", resume=False, own=False, quiet=True)
    assert told["ok"], [each for each in told["checks"] if not each["ok"]]
