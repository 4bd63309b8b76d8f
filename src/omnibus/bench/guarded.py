"""Run a command until it ends or our input does, so that nothing a benchmark started outlives it, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

PATIENCE = 8  # seconds to end by itself


def _watch(child: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()  # whoever started us closes the pipe, even when killed
    child.terminate()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()


def main() -> None:
    """Start the command of our arguments and watch over it."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - the benchmark's own words
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    os._exit(child.wait() & 0xFF)


if __name__ == "__main__":
    main()
