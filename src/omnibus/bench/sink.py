"""A sink in a process of its own: takes every POST, counts distinct ids, answers at once or after a delay."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress

_OK = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'


class Sink(asyncio.Protocol):
    """Read requests with a length, one after the other on a kept connection; ``GET`` answers the count."""

    seen: set[bytes] = set()  # noqa: RUF012 - one count for all connections of the process
    delay = 0.0

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lowered = head.lower()
            at = lowered.find(b"content-length:")
            length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._answer(head, rest[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            told = b"%d" % len(self.seen)
            self._write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(told), told))
            return
        self.seen.add(body.partition(b'"id"')[2].partition(b'"')[2].partition(b'"')[0])
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._write, _OK)
        else:
            self._write(_OK)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined] # a stream's


async def serve(delay: float) -> None:
    """Listen on a free port of loopback, print it, and stay until whoever started it ends it."""
    Sink.delay = delay
    gc.disable()  # there are no circles, and its pauses would be somebody's p99
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=500)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(float(sys.argv[1]) if sys.argv[1:] else 0.0))
