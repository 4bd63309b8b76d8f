"""A job in the app's own transaction: it commits with it, leaves its connection as it was, and its faults are told in our words."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from omnibus.errors import InputError, StoreFull
from omnibus.stores.postgres.engine import CLASHES, Surprise
from omnibus.stores.postgres.joining import joined


@pytest.fixture
async def app(url: str) -> Any:
    """The app's own connection, with rows of its own kind."""
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as made:
        await made.execute("CREATE TABLE told (what text PRIMARY KEY)")
        await made.commit()
        yield made


async def one(db: Any) -> Any:
    """Write a row and read one, as a tuple."""
    await db.execute("INSERT INTO told VALUES ('ours')")
    return await (await db.execute("SELECT count(*) FROM told")).fetchone()


async def count(app: Any) -> int:
    return int((await (await app.execute("SELECT count(*) AS n FROM told")).fetchone())["n"])


async def test_it_ends_as_the_apps_transaction_ends(app: Any) -> None:
    assert await joined(app, one) == (1,)
    await app.rollback()
    assert await count(app) == 0
    await app.rollback()
    assert await joined(app, one) == (1,)
    await app.commit()
    assert await count(app) == 1


async def test_what_was_overtaken_runs_again_and_leaves_nothing_of_the_first_time(app: Any) -> None:
    tries = []

    async def overtaken(db: Any) -> Any:
        found = await one(db)
        tries.append(found)
        if len(tries) < 3:
            raise Surprise
        return found

    assert await joined(app, overtaken) == (1,)
    assert tries == [(1,)] * 3


async def test_it_does_not_run_for_ever(app: Any) -> None:
    tries = []

    async def never(_: Any) -> None:
        tries.append(None)
        raise Surprise

    await app.execute("INSERT INTO told VALUES ('theirs')")
    with pytest.raises(StoreFull, match="too busy"):
        await joined(app, never)
    assert len(tries) == CLASHES
    assert await count(app) == 1, "what the app did before stays, and so do its rows"


@pytest.mark.parametrize("begun", [True, False])
async def test_a_database_that_is_away_is_told_in_our_words(app: Any, connect: Any, begun: bool) -> None:
    if begun:
        await app.execute("SELECT 1")
    await (await connect()).execute("SELECT pg_terminate_backend(%s)", (app.info.backend_pid,))
    with pytest.raises(StoreFull, match="cannot be used"):
        await joined(app, one)


async def test_a_text_that_cannot_be_stored_is_the_callers_mistake(app: Any) -> None:
    with pytest.raises(InputError, match="NUL"):
        await joined(app, lambda db: db.execute("INSERT INTO told VALUES (%s)", ("a\0b",)))
    with pytest.raises(psycopg.DataError):
        await joined(app, lambda db: db.execute("SELECT 1 / 0"))
