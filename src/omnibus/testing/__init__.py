"""What plugin authors inherit: contracts, fakes, the sandbox of the outside world."""

from omnibus.testing.sandbox import HttpSandbox, Sandbox
from omnibus.testing.world import Entry, World

__all__ = ["Entry", "HttpSandbox", "Sandbox", "World"]
