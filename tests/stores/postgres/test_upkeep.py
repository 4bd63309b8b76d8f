"""PostgreSQL keeps itself small, and shares rates, as every store does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omnibus.store import Store
from omnibus.stores.postgres import Postgres
from omnibus.testing.contracts.store import NOW
from omnibus.testing.contracts.upkeep import UpkeepContract


class TestPostgres(UpkeepContract):
    @pytest.fixture(autouse=True)
    def _database(self, databases: Any) -> None:
        self.url = databases.make()

    def make(self, folder: Path) -> Store:
        return Postgres(self.url, lambda: NOW)
