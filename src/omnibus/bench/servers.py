"""Processes that a scene needs beside it: started on free ports of loopback, ended by their process id."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO

import aiohttp

from omnibus.bench import machine

PATIENCE = 30.0  # seconds to start, and to end


def free_port() -> int:
    """Give a port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def last_words(text: str) -> str:
    """Give the last line, of an error rather than of anything else."""
    lines = [each.strip() for each in text.splitlines() if each.strip()]
    errors = [each for each in lines if re.search(r"\w(Error|Exception|Exit)\b", each)]
    return (errors or lines or ["it said nothing"])[-1][:200]


class Process:
    """Run one command under ``guarded.py``; what it says goes to a file.

    Args:
        cores: where it runs; sinks and brokers on the other cores.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None,
        cores: AbstractContextManager[None] | None = None, talks: bool = False,
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log.txt"
        guard = [sys.executable, "-I", str(Path(__file__).with_name("guarded.py")), *command]
        with cores or machine.elsewhere(), self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                guard, stdin=subprocess.PIPE, stdout=subprocess.PIPE if talks else log, stderr=log, cwd=folder,
                env={**os.environ, **(env or {})},
            )  # fmt: skip

    @property
    def output(self) -> IO[bytes]:
        """Give what it writes."""
        if self._process.stdout is None:
            raise RuntimeError("this server has no output")
        return self._process.stdout

    @property
    def ended(self) -> bool:
        """Tell whether it has ended by itself."""
        return self._process.poll() is not None

    def said(self) -> str:
        """Give the last line of what it said; of an error rather than of anything else."""
        return last_words(self.log.read_text("utf-8", "replace"))

    async def listening(self, port: int) -> None:
        """Wait until it takes connections.

        Raises:
            RuntimeError: it ended, or did not listen in time.
        """
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.ended:
                raise RuntimeError(f"it ended at once: {self.said()}")
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"it did not listen: {self.said()}")

    async def stop(self) -> None:
        """End it, by its process id if it must be."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            await asyncio.to_thread(self._process.wait, PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()


class SinkProcess:
    """Run ``sink.py`` or ``sink_smtp.py`` on another core where there is one.

    Args:
        delay: seconds before it answers.
    """

    def __init__(self, folder: Path, module: str = "sink", *, delay: float = 0.0) -> None:
        self._folder, self._module, self._delay = folder, module, delay
        self.port, self.url = 0, ""
        self._server: Process | None = None

    async def start(self) -> None:
        """Start it and read its port."""
        script = str(Path(__file__).with_name(f"{self._module}.py"))
        server = Process([sys.executable, "-I", script, str(self._delay)], self._folder / self._module, talks=True)
        self._server = server
        line = await asyncio.to_thread(server.output.readline)
        if not line:
            raise RuntimeError(f"the sink did not start: {server.said()}")
        self.port = int(line)
        self.url = f"http://127.0.0.1:{self.port}"

    async def count(self) -> int:
        """Ask how many distinct ids it has seen."""
        async with aiohttp.ClientSession() as session, session.get(self.url) as answer:
            return int(await answer.text())

    async def stop(self) -> None:
        """End it, if it was started."""
        if self._server is not None:
            await self._server.stop()
            self._server = None
