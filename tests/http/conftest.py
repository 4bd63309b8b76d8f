"""A server that says exactly the bytes it is told to, whenever it is told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from omnibus.http import Client

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def hurry(client: Client, seconds: float) -> None:
    """Shorten a client's deadline, once it has a connection: how long connecting takes is another matter."""
    client._deadline = client._wire._deadline = seconds
    if client._wire._alarm is not None:
        client._wire._alarm.cancel()
        client._wire._alarm = None


class Line:
    """Read requests whole and write bytes, on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def asked(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head)
        return head + await self.reader.readexactly(int(found[1]) if found else 0)

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the other side has closed or cut the connection."""
        try:
            await self.reader.read()
        except ConnectionError:
            return


@asynccontextmanager
async def served(talk: Callable[[Line], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve each connection by *talk*; gives the base URL."""
    running: set[asyncio.Task[None]] = set()

    async def one(line: Line) -> None:
        try:
            await talk(line)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            line.writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(one(Line(reader, writer)))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for each in list(running):
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()
