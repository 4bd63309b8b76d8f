"""The demo's whole story on PostgreSQL: the same checks, the same books."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnibus.cli.books import faults
from omnibus.cli.demo.checks import checked
from omnibus.cli.demo.stage import prepare, staged
from omnibus.cli.demo.story import START, Play, play_all

pytestmark = pytest.mark.journey


async def play(folder: Path, **overrides: str) -> dict[str, int]:
    prepare(folder, resume=False, own=False)
    async with staged(folder, START, **overrides) as stage:
        told = Play(stage, lambda text: None)
        await play_all(told)
        wrong = [each for each in await checked(told) if not each.ok]
        assert not wrong, wrong
        for page in [page async for page in stage.bus.customers.all()]:
            for each in page:
                assert await stage.bus.rebuild(each.id), "a context differs from its events"
        return await stage.bus.audit()


async def test_the_story_and_its_books_are_the_same_on_both(tmp_path: Path, url: str) -> None:
    books = await play(tmp_path / "postgres", store=url)
    assert faults(books) == {}
    assert books == await play(tmp_path / "sqlite")
