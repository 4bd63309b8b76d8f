"""A job in a transaction that the app has open on a connection of its own."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from omnibus.errors import ConfigError, StoreFull
from omnibus.stores.postgres.engine import CLASHES, Job, Surprise
from omnibus.stores.texts import nul

T = TypeVar("T")


async def joined(connection: Any, job: Job[T]) -> T:
    """Run *job* in a transaction that the app has open; it commits or rolls back with it.

    Raises:
        ConfigError: not an async psycopg connection, or no transaction is open on it.
        StoreFull: the database is away, or other transactions stay in the way.
    """
    if not isinstance(connection, psycopg.AsyncConnection):
        fix = "give a psycopg.AsyncConnection to the store's database"
        raise ConfigError("no connection that can be joined", where="connection", fix=fix)
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    if idle and connection.autocommit:
        fix = "open one: `async with connection.transaction(): …`"
        raise ConfigError("no transaction is open", where="connection", fix=fix)
    rows, connection.row_factory = connection.row_factory, tuple_row
    try:
        if idle:
            await connection.execute("SELECT 1")  # begins the app's own, or ours would be the outermost, and commit
        for _ in range(CLASHES):
            try:
                async with connection.transaction():  # a savepoint of its own
                    return await job(connection)
            except Surprise:
                continue
        raise StoreFull("the store is too busy")
    except psycopg.DataError as error:
        raise (nul() if error.sqlstate is None else error) from None
    except psycopg.OperationalError as error:
        raise StoreFull(f"the store cannot be used now ({type(error).__name__})") from None
    finally:
        connection.row_factory = rows
