"""Campaigns behave the same on both stores: every test of the shop runs on each."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> Any:
    """Name a fresh store of either kind."""
    return request.getfixturevalue("databases").make() if request.param == "postgres" else "sqlite:shop.db"
