"""The store of a URL."""

from __future__ import annotations

from pathlib import Path

from omnibus.errors import ConfigError
from omnibus.parts.now import Now
from omnibus.store import Store
from omnibus.stores.sqlite import Sqlite


def make_store(url: str, now: Now) -> Store:
    """Make the store of a URL; nothing is opened.

    Raises:
        ConfigError: an engine that is not there.
    """
    kind, _, rest = url.partition(":")
    if kind == "sqlite":
        return Sqlite(Path(rest), now)
    if kind in {"postgresql", "postgres"}:
        try:
            from omnibus.stores.postgres import Postgres  # noqa: PLC0415 - only who uses it needs its driver
        except ModuleNotFoundError as error:
            what = f"the PostgreSQL store needs {error.name}"
            raise ConfigError(what, where="[omnibus] store", fix="`pip install 'omnibus-bus[postgres]'`") from None
        return Postgres(url, now)
    fix = "use sqlite:omnibus.db or postgresql://…"
    raise ConfigError(f"no store of kind `{kind}`", where="[omnibus] store", fix=fix)
