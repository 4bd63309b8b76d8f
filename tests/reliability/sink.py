"""The provider's side, a process of its own: each hand-over is in its ledger before it is answered.

``python sink.py LEDGER`` prints its port. A line of the ledger: seconds since 1970, the attempt's key, the address.
``GET /COUNT`` makes room: hand-overs beyond so many lines are written down, and wait for their answer.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections import deque
from typing import Any, ClassVar

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'


class Taking(asyncio.Protocol):
    """Read posts of a known length, one after the other on a kept connection."""

    ledger, lines, room = -1, 0, 1 << 62
    waiting: ClassVar[deque[Any]] = deque()

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if head.startswith(b"GET /"):
                self._buffer = rest
                self._make_room(int(head[5:].split()[0]))
                continue
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            told = json.loads(rest[:length])
            os.write(self.ledger, f"{time.time():.3f} {told['id']} {told['to']}\n".encode())
            Taking.lines += 1
            if self.lines > self.room:
                self.waiting.append(self._transport)
            else:
                self._transport.write(ANSWER)

    def _make_room(self, count: int) -> None:
        Taking.room = count
        for _ in range(len(self.waiting) if count >= self.lines else 0):
            self.waiting.popleft().write(ANSWER)
        self._transport.write(ANSWER)


async def serve(ledger: str) -> None:
    Taking.ledger = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    gc.disable()  # there are no circles
    server = await asyncio.get_running_loop().create_server(Taking, "127.0.0.1", 0, backlog=500)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
