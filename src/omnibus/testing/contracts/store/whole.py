"""All that every store must keep."""

from __future__ import annotations

from omnibus.testing.contracts.store.attempts import AttemptsContract
from omnibus.testing.contracts.store.customers import CustomersContract
from omnibus.testing.contracts.store.merging import MergingContract
from omnibus.testing.contracts.store.outbox import OutboxContract
from omnibus.testing.contracts.store.reports import ReportsContract
from omnibus.testing.contracts.store.runs import RunsContract
from omnibus.testing.contracts.store.shelf import ShelfContract


class StoreContract(
    CustomersContract, MergingContract, OutboxContract, AttemptsContract, ReportsContract, ShelfContract, RunsContract
):
    """Hold a store to all of it."""
