"""PostgreSQL keeps the contract that every store keeps, unchanged."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from omnibus.store import Store
from omnibus.stores.postgres import Postgres
from omnibus.testing.contracts.hearing import HearingContract
from omnibus.testing.contracts.mailing import MailingContract
from omnibus.testing.contracts.roll import RollContract
from omnibus.testing.contracts.store import NOW, StoreContract
from omnibus.testing.contracts.texts import TextsContract


class TestPostgres(StoreContract, RollContract, MailingContract, TextsContract, HearingContract):
    @pytest.fixture(autouse=True)
    def _database(self, databases: Any) -> None:
        self.url = databases.make()

    def make(self, folder: Path) -> Store:
        return Expiring(self.url, lambda: NOW)


class Expiring(Postgres):
    """Let every lease run out when everything is to be rescued: PostgreSQL takes nothing from workers that live."""

    async def rescue(self, now: datetime, *, everything: bool = False) -> int:
        if everything:
            await self._do("UPDATE delivery SET lease_until = 0 WHERE lease IS NOT NULL")
            await self._do("UPDATE lane SET lease_until = 0 WHERE lease IS NOT NULL")
        return await super().rescue(now, everything=everything)
