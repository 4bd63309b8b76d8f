"""Run a command until it ends or our input does, so that nothing a benchmark started outlives it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

PATIENCE = 8  # seconds to end by itself


def _watch(child: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()  # whoever started us closes the pipe, even when killed
    child.terminate()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()


def _outlived(pid: int) -> None:
    """End a process that somebody else started, unless we are told first that it has ended."""
    if not sys.stdin.read():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)


def main() -> None:
    """Start the command of our arguments and watch over it; with ``--pid N`` over that process instead."""
    if sys.argv[1] == "--pid":
        _outlived(int(sys.argv[2]))
        return
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - the benchmark's own words
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    os._exit(child.wait() & 0xFF)


if __name__ == "__main__":
    main()
