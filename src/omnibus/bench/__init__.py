"""Measure this machine: every scenario beside its yardstick, in one run, in turn. Ratios travel, rates do not.

``rounds.py`` says how it is measured, ``scenes.py`` what. There is no fast mode: FULL, attempt first and every
policy are on.
"""

from omnibus.bench.rounds import Result, measure
from omnibus.bench.scenes import SCENES, Size

__all__ = ["SCENES", "Result", "Size", "measure"]
