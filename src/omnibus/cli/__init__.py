"""The command line: one small file per group of commands, imported only when its command runs."""

from omnibus.cli.entry import main

__all__ = ["main"]
