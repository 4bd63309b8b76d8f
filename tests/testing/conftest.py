"""The fixtures that an installed omnibus brings by its pytest plugin, also where its entry point is not installed yet."""

from omnibus.testing.plugin import omnibus_clock, omnibus_desk

__all__ = ["omnibus_clock", "omnibus_desk"]
