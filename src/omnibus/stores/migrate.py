"""Bring a database to this version's schema; safe to run twice."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from omnibus.errors import ConfigError

#: the newest migration in ``migrations/versions``; a test holds it against the folder
HEAD = "0004"


def migrate(url: str) -> None:
    """Apply the migrations that are missing; a database that is up to date is only looked at.

    Raises:
        ConfigError: it was made by a newer version; nothing is changed.
    """
    engine = sa.create_engine(url)
    try:
        with engine.connect() as db:
            if sa.inspect(db).has_table("alembic_version"):
                found = db.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
                if found == HEAD:
                    return
                if found is not None and str(found) > HEAD:
                    what = f"the store is of a newer version (schema {found}, this one knows {HEAD})"
                    raise ConfigError(
                        what, where="[omnibus] store", fix="update omnibus-bus, or restore a backup from before"
                    )
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
