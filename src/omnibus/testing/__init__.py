"""What plugin authors inherit: contracts, fakes, the sandbox of the outside world.

Sandboxes run in the demo too, where neither pytest nor a server need be installed; so the names that stand on
those are imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omnibus.testing.clock import FakeClock
from omnibus.testing.desk import FakeDesk
from omnibus.testing.drafts import hostile_draft, sample_attempt, sample_context, sample_draft
from omnibus.testing.fakes import HANG, FakeChannel, FakeKeep, FakeProvider, FarSide, Handed, fake_provider, fake_report
from omnibus.testing.faults import Fault, FaultyServer, Reply
from omnibus.testing.sandbox import HttpSandbox, Sandbox
from omnibus.testing.world import Entry, World

if TYPE_CHECKING:
    from omnibus.testing.contracts import ChannelContract, ProviderContract, plain
    from omnibus.testing.serving import routes, serve

_LATER = {
    "ChannelContract": "contracts",
    "ProviderContract": "contracts",
    "plain": "contracts",
    "routes": "serving",
    "serve": "serving",
}

__all__ = [
    "HANG", "ChannelContract", "Entry", "FakeChannel", "FakeClock", "FakeDesk", "FakeKeep", "FakeProvider", "FarSide",
    "Fault", "FaultyServer", "Handed", "HttpSandbox", "ProviderContract", "Reply", "Sandbox", "World",
    "fake_provider", "fake_report", "hostile_draft", "plain", "routes", "sample_attempt", "sample_context",
    "sample_draft", "serve",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(name)
    return getattr(import_module(f"omnibus.testing.{_LATER[name]}"), name)
