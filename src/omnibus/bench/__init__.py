"""Measure this machine: every scenario beside its yardsticks and peers, in one run, in turn. Ratios travel, rates do not.

``rounds.py`` says how it is measured, ``goals.py`` what is asked for, ``program.py`` what there is. There is no fast
mode: FULL, attempt first and every policy are on.
"""
