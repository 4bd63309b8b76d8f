"""The embedded store: one SQLite file, nothing to install.

Read ``engine.py`` for the commits, ``outbox.py`` for the road out, ``customers.py`` for contexts.
"""

from omnibus.stores.sqlite.store import Sqlite

__all__ = ["Sqlite"]
