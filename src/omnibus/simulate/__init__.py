"""Virtual time: the same engine, driven from due to due; it jumps only when ring and outside world are idle."""

from omnibus.simulate.clock import VirtualClock, WallClock
from omnibus.simulate.drive import Drive

__all__ = ["Drive", "VirtualClock", "WallClock"]
