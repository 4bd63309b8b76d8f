"""Older code on a newer store: refused with the fix, and nothing is changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from omnibus.errors import ConfigError
from omnibus.stores.migrate import HEAD, migrate


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'omnibus.db'}"
    migrate(url)
    with sqlite3.connect(tmp_path / "omnibus.db") as db:
        db.execute("UPDATE alembic_version SET version_num='9999'")
    db.close()
    with pytest.raises(ConfigError, match=f"newer version .schema 9999, this one knows {HEAD}"):
        migrate(url)
    db = sqlite3.connect(tmp_path / "omnibus.db")
    assert db.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    db.close()
