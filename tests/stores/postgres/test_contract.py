"""PostgreSQL keeps the contract that every store keeps, unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omnibus.store import Store
from omnibus.stores.postgres import Postgres
from omnibus.testing.contracts.store import NOW, StoreContract


class TestPostgres(StoreContract):
    @pytest.fixture(autouse=True)
    def _database(self, databases: Any) -> None:
        self.url = databases.make()

    def make(self, folder: Path) -> Store:
        return Postgres(self.url, lambda: NOW)
