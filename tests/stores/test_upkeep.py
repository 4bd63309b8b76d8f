"""The embedded store keeps itself small, and shares rates."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnibus.store import Store
from omnibus.stores.sqlite import Sqlite
from omnibus.testing.contracts.store import NOW
from omnibus.testing.contracts.upkeep import UpkeepContract


class TestSqlite(UpkeepContract):
    @pytest.fixture(autouse=True)
    def _blank(self, tmp_path: Path, blank_store: Path) -> None:
        (tmp_path / "store.db").write_bytes(blank_store.read_bytes())

    def make(self, folder: Path) -> Store:
        return Sqlite(folder / "store.db", lambda: NOW)
