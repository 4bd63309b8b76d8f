"""Hold one bound SMPP session: requests with their answers, the peer's questions, the end.

``smpp34`` has a client too, but it acknowledges a receipt before we have stored it, and it cannot tell a refused
bind from a slow one; promises 4 and 8 need both. So PDUs are its, the session is ours.
Source: SMPP v3.4 issue 1.2, §2.2 (sessions), §4.1 (bind), §4.2 (unbind), §4.6 (deliver), §4.11 (enquire_link).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
from collections.abc import Awaitable, Callable
from ssl import SSLContext

from smpp34 import DeliverSm, SmppError, decode

from omnibus import TryLater, Unknown

BIND = {"transmitter": 0x02, "transceiver": 0x09}
SUBMIT, DELIVER, UNBIND, ENQUIRE, NACK, RESPONSE = 0x04, 0x05, 0x06, 0x15, 0x80000000, 0x80000000
MAX_PDU = 70_000  # octets: a message_payload of 64 kB and its heads
TEMPORARY, UNKNOWN_COMMAND = 0x64, 0x03
VERSION = 0x34

Heard = Callable[[DeliverSm], Awaitable[bool]]


def pdu(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """Write a PDU that ``smpp34`` has no class for."""
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """Write the body of a bind: any address range."""
    words = b"".join(word.encode("latin-1") + b"\0" for word in (system_id, password, system_type))
    return words + bytes([VERSION, 0, 0, 0])


class Session:
    """Be one connection; make it with ``open``, then ``bind``.

    Args:
        heard: stores a deliver_sm and tells whether that was done; only then it is acknowledged.
        window: submits that may be unanswered at once.
        idle: seconds between enquire_links; a peer that does not answer one in that time is gone.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard, *, window: int, idle: float
    ) -> None:
        self._reader, self._writer, self._heard, self._idle = reader, writer, heard, idle
        self._window = asyncio.Semaphore(window)
        self._sequence = itertools.cycle(range(1, 0x7FFFFFFF))
        self._open: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._tasks = {asyncio.create_task(self._read()), asyncio.create_task(self._ask())}
        self.alive = True

    @classmethod
    async def open(
        cls, host: str, port: int, tls: SSLContext | None, heard: Heard, *, window: int = 10, idle: float = 30.0
    ) -> Session:
        """Connect.

        Raises:
            TryLater: nobody is there; nothing was sent.
        """
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=MAX_PDU)
        except OSError:
            raise TryLater("not_connected") from None
        return cls(reader, writer, heard, window=window, idle=idle)

    async def bind(self, kind: str, body: bytes) -> int:
        """Bind; returns the status, 0 for bound.

        Raises:
            Unknown: the session ended first.
        """
        return (await self._call(BIND[kind], body))[0]

    async def submit(self, make: Callable[[int], bytes]) -> tuple[int, str]:
        """Send what *make* writes for a sequence number; returns status and message id.

        Raises:
            TryLater: the session had ended before; nothing was sent.
            Unknown: it ended before the answer.
        """
        async with self._window:
            if not self.alive:
                raise TryLater("not_connected")
            sequence = next(self._sequence)
            status, body = await self._answer(sequence, make(sequence))
        return status, body.partition(b"\0")[0].decode("latin-1")

    async def unbind(self) -> None:
        """Say goodbye and close; open submits that get no answer are Unknown."""
        if self.alive:
            with contextlib.suppress(Unknown, TimeoutError):
                async with asyncio.timeout(1):
                    await self._call(UNBIND)
        await self.close()

    async def close(self) -> None:
        """Close at once; may be called twice."""
        self._end()
        mine = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    # ---- inside

    async def _call(self, command: int, body: bytes = b"") -> tuple[int, bytes]:
        sequence = next(self._sequence)
        return await self._answer(sequence, pdu(command, 0, sequence, body))

    async def _answer(self, sequence: int, sent: bytes) -> tuple[int, bytes]:
        waiting = self._open[sequence] = asyncio.get_running_loop().create_future()
        try:
            self._send(sent)
            told: tuple[int, bytes] = await waiting
            return told
        finally:
            self._open.pop(sequence, None)

    def _send(self, octets: bytes) -> None:
        if not self.alive or self._writer.is_closing():
            raise Unknown("disconnected")
        self._writer.write(octets)

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(16)
                length, command, status, sequence = struct.unpack(">IIII", head)
                if not 16 <= length <= MAX_PDU:
                    return
                self._take(command, status, sequence, head + await self._reader.readexactly(length - 16))
        except (OSError, EOFError, Unknown):
            return
        finally:
            self._end()

    def _take(self, command: int, status: int, sequence: int, whole: bytes) -> None:
        if command & RESPONSE:
            waiting = self._open.get(sequence)
            if waiting is not None and not waiting.done():
                waiting.set_result((status, whole[16:]))
        elif command == DELIVER:
            task = asyncio.create_task(self._hear(sequence, whole))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif command in {ENQUIRE, UNBIND}:
            self._send(pdu(command | RESPONSE, 0, sequence))
            self.alive = self.alive and command != UNBIND  # nothing new is sent; answers may still come
        else:
            self._send(pdu(NACK, UNKNOWN_COMMAND, sequence))

    async def _hear(self, sequence: int, whole: bytes) -> None:
        try:
            read = decode(whole)
        except SmppError:
            read = None
        stored = isinstance(read, DeliverSm) and await self._heard(read)
        with contextlib.suppress(Unknown):
            self._send(pdu(DELIVER | RESPONSE, 0 if stored else TEMPORARY, sequence, b"\0"))

    async def _ask(self) -> None:
        while self.alive:
            await asyncio.sleep(self._idle)
            try:
                async with asyncio.timeout(self._idle):
                    await self._call(ENQUIRE)
            except (TimeoutError, Unknown):
                break
        self._end()
        self._writer.close()

    def _end(self) -> None:
        self.alive = False
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(Unknown("disconnected"))
