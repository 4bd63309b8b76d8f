"""A store of the version before gets its rates, on PostgreSQL the storage options too, and keeps what it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest
import sqlalchemy as sa

from omnibus.stores.migrate import HEAD, migrate
from omnibus.stores.schema import BUSY, HOT


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    databases: Any = request.getfixturevalue("databases")
    return "postgresql+psycopg://" + databases.make().partition("://")[2]


def test_an_old_store_is_brought_up(url: str) -> None:
    migrate(url)
    engine = sa.create_engine(url)
    with engine.begin() as db:  # as version 0002 left it
        db.execute(sa.text("DROP TABLE rate"))
        db.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
        db.execute(sa.text("INSERT INTO customer (id, created) VALUES ('ada', 1)"))
        if db.dialect.name == "postgresql":
            for table in ("run", "event", "decision", "sendkey", "lane"):
                db.execute(sa.text(f"ALTER TABLE {table} RESET (fillfactor, autovacuum_vacuum_scale_factor)"))
    migrate(url)
    migrate(url)
    with engine.connect() as db:
        assert db.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]
        assert db.execute(sa.text("SELECT id FROM customer")).scalars().all() == ["ada"]
        assert db.execute(sa.text("SELECT count(*) FROM rate")).scalar() == 0
        if db.dialect.name == "postgresql":
            told = dict(db.execute(sa.text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r'")).all())
            for table in ("context", "delivery", "lane", "attempt", "run", "rate"):
                assert set(told[table]) == {f"{name}={value}" for name, value in HOT.items()}, table
            for table in ("event", "decision", "sendkey"):
                assert set(told[table]) == {f"{name}={value}" for name, value in BUSY.items()}, table
    engine.dispose()


def test_a_fresh_store_is_the_same_as_an_upgraded_one(url: str) -> None:
    """Tables, columns and indexes."""
    migrate(url)
    engine = sa.create_engine(url)

    def shape() -> dict[str, Any]:
        look = sa.inspect(engine)
        return {
            table: (
                sorted((each["name"], str(each["type"])) for each in look.get_columns(table)),
                sorted(str(each["name"]) for each in look.get_indexes(table)),
            )
            for table in look.get_table_names()
        }

    fresh = shape()
    with engine.begin() as db:
        db.execute(sa.text("DROP TABLE rate"))
        db.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
    migrate(url)
    assert shape() == fresh
    assert "rate" in fresh
    engine.dispose()


def test_sqlite_opens_what_it_brought_up(tmp_path: Path) -> None:
    """The look that a store takes at its version sees the newest one."""
    from omnibus.stores.sqlite.store import up_to_date

    path = tmp_path / "shop.db"
    migrate(f"sqlite:///{path}")
    assert up_to_date(path)
    db = apsw.Connection(str(path))
    db.execute("UPDATE alembic_version SET version_num='0002'")
    db.close()
    assert not up_to_date(path)
