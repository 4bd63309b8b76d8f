"""BUILD: settings → plugins → a bus. The only place that knows how everything fits together; one module for each thing built."""

from omnibus.build.bus import build, open_bus
from omnibus.build.lines import make_lines
from omnibus.build.now import system_now
from omnibus.build.plugins import load_plugins
from omnibus.build.policies import make_policies
from omnibus.build.rates import make_rates
from omnibus.build.store import make_store

__all__ = ["build", "load_plugins", "make_lines", "make_policies", "make_rates", "make_store", "open_bus", "system_now"]
