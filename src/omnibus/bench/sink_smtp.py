"""A mail sink in a process of its own: takes every mail, counts them and their distinct Message-IDs.

It offers what large servers offer (RFC 2920 PIPELINING, SIZE, 8BITMIME) and answers at once. ``XCOUNT`` tells the
two counts, ``XLAST`` gives the last mail back.
"""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from contextlib import suppress

_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?<([^>]+)>", re.IGNORECASE | re.MULTILINE)
_HELLO = b"250-sink\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250 8BITMIME\r\n"
_END = b"\r\n.\r\n"


class MailSink(asyncio.Protocol):
    """Read commands line by line, and mails up to their dot."""

    seen: set[bytes] = set()  # noqa: RUF012 - one count for all connections of the process
    mails = 0
    last = b""

    def __init__(self) -> None:
        self._buffer, self._inside = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = transport
        self._write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer all whole commands and mails in one write."""
        self._buffer += data
        answers = []
        while True:
            end = _END if self._inside else b"\r\n"
            piece, found, rest = self._buffer.partition(end)
            if not found:
                break
            self._buffer = rest
            answers.append(self._mail(piece) if self._inside else self._command(piece))
        if answers:
            self._write(b"".join(answers))

    def _mail(self, mail: bytes) -> bytes:
        self._inside = False
        named = _ID.search(mail, 0, 4096)
        self.seen.add(named[1] if named else b"")
        MailSink.mails, MailSink.last = MailSink.mails + 1, mail
        return b"250 2.0.0 taken\r\n"

    def _command(self, line: bytes) -> bytes:
        word = line[:6].upper()
        if word == b"DATA":
            self._inside = True
            return b"354 go on\r\n"
        if word[:4] == b"EHLO":
            return _HELLO
        if word == b"XCOUNT":
            return b"250 %d %d\r\n" % (self.mails, len(self.seen))
        if word[:5] == b"XLAST":
            return b"250 %d\r\n%s" % (len(self.last), self.last)
        if word[:4] == b"QUIT":
            asyncio.get_running_loop().call_soon(self._transport.close)  # after the answer
            return b"221 bye\r\n"
        return b"250 2.0.0 OK\r\n"

    def _write(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined] # a stream's


async def serve() -> None:
    """Listen on a free port of loopback, print it, and stay until whoever started it ends it."""
    gc.disable()
    server = await asyncio.get_running_loop().create_server(MailSink, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve())
