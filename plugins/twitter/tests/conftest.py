"""X's sandbox on loopback, a provider that talks to it, and notes in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from omnibus.testing import FakeClock, FakeKeep, World, sample_attempt, sample_context, sample_draft
from omnibus_twitter import Direct, Post, Twitter, X
from omnibus_twitter.sandbox import XSandbox

ADA = "3333333333"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keep() -> FakeKeep:
    return FakeKeep()


@pytest.fixture
async def world(tmp_path: Any, clock: FakeClock) -> AsyncIterator[World]:
    world = World(tmp_path / "world", clock.now)
    await world.start(XSandbox)
    yield world
    await world.stop()


@pytest.fixture
def sandbox(world: World) -> XSandbox:
    return world.sandbox("twitter")


@pytest.fixture
async def x(sandbox: XSandbox, clock: FakeClock) -> AsyncIterator[X]:
    made = provider(sandbox, clock)
    yield made
    await made.aclose()


def settings(sandbox: XSandbox, **changes: Any) -> Any:
    table = dict(sandbox.table()["twitter"]) | changes
    table.pop("provider")
    return X.Settings.model_validate(table)


def provider(sandbox: XSandbox, clock: FakeClock, **changes: Any) -> X:
    return X(settings(sandbox, **changes), now=clock.now, hook_url="https://talk.example.com/hooks/twitter/x")


def post(**changes: Any) -> Any:
    """Compose a sample post; ``text`` replaces the words."""
    text = changes.pop("text", None)
    content = Post().compose(sample_draft("twitter", "public", **changes), None, sample_context((Twitter,)))
    return replace(content, text=text, posts=(text,)) if text else content


def direct(**changes: Any) -> Any:
    text = changes.pop("text", None)
    content = Direct().compose(sample_draft("twitter", **changes), None, sample_context((Twitter,)))
    return replace(content, text=text) if text else content


def attempt(number: int = 1, **changes: Any) -> Any:
    changes.setdefault("report_url", "")
    return sample_attempt(number, **changes)


@pytest.fixture
def make() -> SimpleNamespace:
    return SimpleNamespace(post=post, direct=direct, attempt=attempt, provider=provider, settings=settings, ada=ADA)
