"""Bring a database to this version's schema; safe to run twice."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

#: the newest migration in ``migrations/versions``; a test holds it against the folder
HEAD = "0002"


def migrate(url: str) -> None:
    """Apply the migrations that are missing; a database that is up to date is only looked at."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as db:
            if sa.inspect(db).has_table("alembic_version"):
                found = db.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
                if found == HEAD:
                    return
        _upgrade(url)
    finally:
        engine.dispose()


def _upgrade(url: str) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and needed once per schema
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")
