"""Ask a server that speaks in numbered lines, and hear its replies: what SMTP stands on.

A mail is one exchange. Its replies are read and its body is written where they arrive, in the event loop's own call; the
task that waits wakes up once, at the end. No stream, no task and no time-out per mail: the one timer is the connection's.
Sources: RFC 5321 §4.2 (replies), RFC 2920 (several commands at once).
"""

from __future__ import annotations

import asyncio

from omnibus_email.answers import Reply

MAX_LINE = 4096  # octets of a reply line that we are ready to read; RFC 5321 §4.5.3.1.5 says 512
MAX_LINES = 128
AFTER_CODE = frozenset({b"", b" ", b"-", b"\r"})


class Lost(Exception):
    """Tell that the connection is gone, or speaks no SMTP any more."""


class Exchange(asyncio.BufferedProtocol):
    """Be one connection; not for two tasks at once.

    Args:
        past_dot: the last body, with its final dot, has left or may have: a loss from there on may hide an accepted mail.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = asyncio.Transport()  # none yet
        self._gone = self._loop.create_future()
        self._room = memoryview(
            bytearray(MAX_LINE)
        )  # filled again and again: a new one each time costs more than the reply
        self._buffer, self._lines = b"", list[bytes]()
        self._answer: asyncio.Future[list[Reply]] | None = None
        self._replies, self._wanted, self._worst, self._body = list[Reply](), 0, 0, b""
        self._stuck = self._leaving = self._sealed = False
        self._due = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self.past_dot = False

    @property
    def lost(self) -> bool:
        """Tell whether nothing can be asked here any more: closed, or the server said something unasked."""
        return self._gone.done() or bool(self._buffer)

    async def _ask(self, data: bytes, wanted: int = 1, body: bytes = b"") -> list[Reply]:
        """Write, and wait for so many replies; *body* leaves as soon as the last one agrees (354), and adds one reply.

        Raises:
            Lost: the connection broke, or something else than a reply came.
            TimeoutError: it took longer than ``_patience`` allows, and the body has not left.
        """
        if self.lost:
            raise Lost("closed")
        self._begin(wanted, body)
        self._transport.write(data)
        return await self._heard()

    async def _listen(self) -> Reply:
        """Wait for a reply to nothing: the greeting.

        Raises:
            Lost: as ``_ask``.
        """
        if self._gone.done():
            raise Lost("closed")
        self._begin(1, b"")
        self._read()
        return (await self._heard())[0]

    def _begin(self, wanted: int, body: bytes) -> None:
        self._replies, self._wanted, self._worst, self._body = [], wanted, 0, body
        self._leaving = self.past_dot = False
        self._answer = self._loop.create_future()

    async def _heard(self) -> list[Reply]:
        assert self._answer is not None
        try:
            return await self._answer
        finally:
            self._answer = None

    def _patience(self, until: float) -> None:
        """Bound, by the loop's clock, when the next body has left; one timer serves all mails of a connection."""
        self._due = until
        if self._watch is None or self._watch.when() > self._due:
            self._rest()
            self._watch = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._watch = None
        if self._answer is None or self.past_dot:
            return
        if self._loop.time() < self._due:
            self._watch = self._loop.call_at(self._due, self._look)
        else:
            self._fail(TimeoutError())

    def _rest(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def drop(self) -> None:
        """Close at once, without a word; what has not left never will."""
        self._rest()
        self._transport.abort()

    # ---- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and want to know of every byte that could not leave at once; TLS would not tell."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._sealed:
            transport.set_write_buffer_limits(0)

    def pause_writing(self) -> None:
        """Note that bytes wait here."""
        self._stuck = True

    def resume_writing(self) -> None:
        """Note that all have left, the final dot among them."""
        self._stuck = False
        self.past_dot = self.past_dot or self._leaving

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the room for what arrives."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Read replies, if any are waited for."""
        data = bytes(self._room[:nbytes])
        self._buffer = self._buffer + data if self._buffer else data
        if self._answer is not None:
            self._read()
        elif len(self._buffer) > MAX_LINE:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._rest()
        if not self._gone.done():
            self._gone.set_result(None)
        self._fail(Lost(type(exc).__name__ if exc else "closed"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _read(self) -> None:
        """Read whole lines; the last line of a reply makes the reply."""
        *lines, self._buffer = self._buffer.split(b"\n")
        for number, raw in enumerate(lines):
            code, more = raw[:3], raw[3:4]
            if len(code) < 3 or not code.isdigit() or more not in AFTER_CODE or len(raw) > MAX_LINE:
                self._fail(Lost("no SMTP"))
                return
            self._lines.append(raw)
            if more != b"-" and self._told(int(code)):
                self._buffer = b"\n".join([*lines[number + 1 :], self._buffer])
                return
        if len(self._buffer) > MAX_LINE or len(self._lines) > MAX_LINES:
            self._fail(Lost("endless reply"))

    def _told(self, code: int) -> bool:
        """Take a reply; tell whether it was the last that is waited for."""
        self._replies.append(Reply(code, self._lines))
        self._lines = []
        self._worst = max(self._worst, code)
        if len(self._replies) < self._wanted:
            return False
        if code == 354 and self._body and self._worst < 400:
            self._leave()
            return False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._replies)
        return True

    def _leave(self) -> None:
        """Write the body with its dot. What waits in our buffer has not left; under TLS that cannot be told."""
        body, self._body = self._body, b""
        self._wanted += 1
        self._leaving = True
        self._transport.write(body)
        self.past_dot = self._sealed or not (self._stuck or self._transport.is_closing())
