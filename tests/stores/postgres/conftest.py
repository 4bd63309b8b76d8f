"""A fresh database for each test, and a server that tests may stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from omnibus.stores.postgres import Postgres
from omnibus.testing.postgres import Databases, PostgresServer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this module's own, to stop and start."""
    made = PostgresServer()
    yield made
    made.close()


@pytest.fixture
def url(databases: Databases) -> str:
    return databases.make()


@pytest.fixture
def store_url(url: str) -> str:
    """The same shop as everywhere, on PostgreSQL."""
    return url


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Postgres]:
    made = Postgres(url, lambda: NOW)
    await made.open()
    try:
        yield made
    finally:
        await made.aclose()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Postgres]:
    async with opened(url) as made:
        yield made


@pytest.fixture
async def other(url: str) -> AsyncIterator[Postgres]:
    """A second process on the same database."""
    async with opened(url) as made:
        yield made


@pytest.fixture
async def connect(url: str) -> AsyncIterator[Callable[[], Any]]:
    """Open connections of one's own, for scripted interleavings."""
    async with AsyncExitStack() as stack:

        async def make() -> Any:
            return await stack.enter_async_context(await psycopg.AsyncConnection.connect(url, autocommit=True))

        yield make


@pytest.fixture
def blocked(connect: Callable[[], Any]) -> Callable[[], Awaitable[None]]:
    """Look until somebody waits for a lock."""

    async def look() -> None:
        db = await connect()
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        for _ in range(2000):
            if (await (await db.execute(asked)).fetchone())[0]:
                return
            await asyncio.sleep(0)
        raise AssertionError("nobody waited")

    return look
