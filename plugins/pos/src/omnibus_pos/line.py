"""One TCP connection to a printer: no login, no TLS, one client at a time, and a status byte when asked.

Status byte of ``DLE EOT n``: bits 1 and 4 are always set, bits 0 and 7 never; anything else on the line (automatic
status) is skipped. n = 1 printer, 2 cause of being offline, 4 paper.
Source: Epson "ESC/POS Command Reference", DLE EOT.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from omnibus import TryLater, Unknown

PRINTER, OFFLINE, PAPER = 1, 2, 4
IS_OFFLINE, COVER_OPEN, IN_ERROR, NEAR_END, NO_PAPER = 0x08, 0x04, 0x40, 0x0C, 0x60
FIXED_BITS, FIXED = 0x93, 0x12


@dataclass(slots=True)
class Line:
    """Talk to a printer; every wait is bounded in seconds of machine time.

    A line that breaks after the first byte is ``Unknown``: what the printer did with it cannot be told.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, what: int, seconds: float) -> int | None:
        """Ask for one status byte; None when there is no answer within *seconds*.

        Raises:
            Unknown: the line broke.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.write(b"\x10\x04" + bytes([what]))
                while True:
                    byte = (await self.reader.readexactly(1))[0]
                    if byte & FIXED_BITS == FIXED:
                        return byte
        except TimeoutError:
            return None
        except (OSError, asyncio.IncompleteReadError):
            raise Unknown("reset") from None

    async def write(self, job: bytes) -> None:
        """Write all bytes.

        Raises:
            Unknown: the line broke; some of it may be on paper.
        """
        try:
            self.writer.write(job)
            await self.writer.drain()
        except OSError:
            raise Unknown("reset") from None

    async def finish(self, seconds: float) -> None:
        """Say that nothing more comes, and wait a little for a break; a device that answers nothing is no break.

        Raises:
            Unknown: the line broke.
        """
        try:
            async with asyncio.timeout(seconds):
                self.writer.write_eof()
                await self.reader.read()
        except TimeoutError:
            return
        except OSError:
            raise Unknown("reset") from None


@asynccontextmanager
async def connected(host: str, port: int, seconds: float) -> AsyncIterator[Line]:
    """Connect for the length of one job.

    Raises:
        TryLater: refused, unreachable or too slow; nothing was sent.
    """
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one too
        raise TryLater("not_connected") from None
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()  # all was taken, or the line is broken: nothing is worth waiting for


def trouble(printer: int, paper: int, offline: int) -> str:
    """Read three status bytes; empty when the printer can print."""
    if paper & NO_PAPER:
        return "paper_out"
    if not printer & IS_OFFLINE:
        return ""
    if offline & COVER_OPEN:
        return "cover_open"
    return "printer_error" if offline & IN_ERROR else "offline"
