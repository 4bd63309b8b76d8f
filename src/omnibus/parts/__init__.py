"""PARTS: what a bus is put together from, each made of the settings in a module of its own; ``build`` knows how they fit."""

from omnibus.parts.lines import make_lines
from omnibus.parts.now import system_now
from omnibus.parts.plugins import load_plugins
from omnibus.parts.policies import make_policies
from omnibus.parts.rates import make_rates
from omnibus.parts.store import make_store
from omnibus.parts.whole import Parts

__all__ = ["Parts", "load_plugins", "make_lines", "make_policies", "make_rates", "make_store", "system_now"]
