"""Where the demo keeps its data: a file in its folder, or a PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omnibus.errors import ConfigError, InputError
from omnibus.parts import make_store, system_now

OWN = ("postgresql", "postgres")  # one that is started for this run, or made on the server that the environment names


@asynccontextmanager
async def placed(told: str) -> AsyncIterator[str]:
    """Give the URL of an empty database; nothing for nothing told.

    Raises:
        InputError: the database holds customers already, or is none of PostgreSQL.
        ConfigError: there is no PostgreSQL to start.
        StoreFull: it cannot be reached.
    """
    if not told:
        yield ""
    elif told in OWN:
        try:
            from omnibus.testing.postgres import postgres
        except ModuleNotFoundError as error:
            fix = "`pip install 'omnibus-bus[postgres]'`"
            raise ConfigError(f"the PostgreSQL store needs {error.name}", where="--store", fix=fix) from None
        with postgres() as databases:
            yield databases.make()
    else:
        if told.partition("://")[0] not in OWN:
            fix = "give postgresql://…, `postgresql` for one that is started for this run, or nothing for a file"
            raise InputError("the demo keeps its data in a file of its own, or on PostgreSQL", where="--store", fix=fix)
        await _empty(told)
        yield told


async def _empty(url: str) -> None:
    store = make_store(url, system_now)
    await store.open()
    try:
        async for _ in store.customers():
            fix = "create an empty database for it, or go on with --resume"
            raise InputError("the database holds customers already", where="--store", fix=fix)
    finally:
        await store.aclose()
