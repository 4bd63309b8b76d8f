"""The store of many machines: PostgreSQL 15 or newer, any number of workers and web processes.

Read ``engine.py`` for transactions and what happens when the database is away, ``sheet.py`` for what one
transaction decides under its locks, ``statements.py`` for the hot statements, ``outbox.py`` for the road out.
"""

from omnibus.stores.postgres.store import Postgres

__all__ = ["Postgres"]
