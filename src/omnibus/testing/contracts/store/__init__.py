"""What every store must keep, as tests to inherit: one class for each engine, unchanged.

::

    class TestSqlite(StoreContract):
        def make(self, folder):
            return Sqlite(folder / "store.db", lambda: NOW)
"""

from omnibus.testing.contracts.store.parts import MINUTE, NOW, StoreParts, attempt, delivery, event, identity, settled
from omnibus.testing.contracts.store.whole import StoreContract

__all__ = ["MINUTE", "NOW", "StoreContract", "StoreParts", "attempt", "delivery", "event", "identity", "settled"]
