"""A database of an earlier version gets what campaigns need, keeps what it has, and is looked at only once."""

from __future__ import annotations

from pathlib import Path

import apsw
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from omnibus.stores import migrate as module
from omnibus.stores.migrate import HEAD, migrate
from omnibus.stores.schema import meta

NEW = ("campaign", "recipient")


def objects(path: Path, kind: str) -> set[str]:
    db = apsw.Connection(str(path))
    try:
        sql = "SELECT name FROM sqlite_schema WHERE type=? AND name NOT LIKE 'sqlite_%'"
        return {row[0] for row in db.execute(sql, (kind,))}
    finally:
        db.close()


def old(path: Path) -> None:
    """Make a database as version 0001 left it, with a customer."""
    migrate(f"sqlite:///{path}")
    db = apsw.Connection(str(path))
    for name in NEW:
        db.execute(f"DROP TABLE {name}")
    db.execute("DROP INDEX delivery_origin")
    db.execute("DROP INDEX delivery_urgent")
    db.execute("UPDATE alembic_version SET version_num='0001'")
    db.execute("INSERT INTO customer (id, created) VALUES ('ada', 1)")
    db.close()


def test_an_old_database_is_brought_up(tmp_path: Path):
    path = tmp_path / "shop.db"
    old(path)
    assert not objects(path, "table") & set(NEW)
    migrate(f"sqlite:///{path}")
    migrate(f"sqlite:///{path}")
    assert objects(path, "table") >= set(NEW)
    db = apsw.Connection(str(path))
    assert list(db.execute("SELECT version_num FROM alembic_version")) == [(HEAD,)]
    assert list(db.execute("SELECT id FROM customer")) == [("ada",)]
    db.close()


def test_an_upgraded_database_is_the_same_as_a_new_one(tmp_path: Path):
    old(tmp_path / "old.db")
    for name in ("old.db", "new.db"):
        migrate(f"sqlite:///{tmp_path / name}")
    for kind in ("table", "index"):
        assert objects(tmp_path / "old.db", kind) == objects(tmp_path / "new.db", kind)
    told = {each.name for table in meta.tables.values() for each in table.indexes}
    assert told <= objects(tmp_path / "old.db", "index")


def test_it_can_be_taken_back(tmp_path: Path):
    path = tmp_path / "shop.db"
    migrate(f"sqlite:///{path}")
    config = _config(path)
    command.downgrade(config, "0001")
    assert not objects(path, "table") & set(NEW)
    migrate(f"sqlite:///{path}")
    assert objects(path, "table") >= set(NEW)


def test_head_is_the_newest_one(tmp_path: Path):
    assert ScriptDirectory.from_config(_config(tmp_path / "x.db")).get_current_head() == HEAD


def _config(path: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    return config
