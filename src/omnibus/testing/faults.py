"""A raw HTTP server on loopback that misbehaves on purpose, request by request."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from omnibus.model.request import Request

BIG = 64 * 1024 * 1024  # bytes; more than anybody should read


class Fault(StrEnum):
    """Name what goes wrong instead of an answer; what each means: docs/concepts/lost-answers.md."""

    REFUSED = "refused"  #: nobody listens there
    RESET_BEFORE = "reset before"  #: the connection is reset before the request is read
    RESET = "reset"  #: the request is read, then the connection is reset
    CLOSED = "closed"  #: the request is read, then the connection is closed
    HALF_HEAD = "half head"  #: closed in the middle of the status line
    GARBAGE = "garbage"  #: something that is no HTTP
    HANG = "hang"  #: the request is read, nothing is answered
    TRUNCATED = "truncated"  #: 200, and less body than was promised
    CHUNK_CUT = "chunk cut"  #: 200, chunked, and the last chunk is missing
    DRIP = "drip"  #: 200, and a byte now and then, for ever
    FLOOD = "flood"  #: 200, and 64 MB of body


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer with status, headers and body, whatever they are."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: Any, status: int = 200, **headers: str) -> Reply:
        """Answer with JSON; ``retry_after="7"`` becomes the header ``retry-after``."""
        told = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), {"content-type": "application/json", **told})


Script = Callable[[Request], "Reply | Fault"]


class FaultyServer:
    """Listen on loopback and answer by a script; ``async with FaultyServer(script) as server``.

    Args:
        script: gets each request when it was read whole; ``lambda request: Fault.HANG`` for one fault always.
        deaf: reset every connection before anything is read.
    """

    def __init__(self, script: Script, *, deaf: bool = False) -> None:
        self.script, self.deaf = script, deaf
        self.requests: list[Request] = []
        self.connections = 0
        self.base_url = ""
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for each in list(self._running):
            each.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._talk(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.deaf:
                _reset(writer)
                return
            while (request := await self._read(reader)) is not None:
                self.requests.append(request)
                told = self.script(request)
                if not await (_reply(writer, told) if isinstance(told, Reply) else _fail(writer, told)):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in lines if each)
        }
        if "chunked" in headers.get("transfer-encoding", ""):
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        url = target if "://" in target else self.base_url + target
        return Request(method, url, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return body


async def _reply(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    headers = {"content-length": str(len(reply.body)), **{name.lower(): value for name, value in reply.headers.items()}}
    if reply.status == 204 or reply.status < 200:
        headers.pop("content-length")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} Told\r\n{head}\r\n".encode("latin-1") + reply.body)
    await writer.drain()
    return headers.get("connection", "") != "close"


_BROKEN = {
    Fault.CLOSED: b"",
    Fault.HALF_HEAD: b"HTTP/1.1 20",
    Fault.GARBAGE: b"\x16\x03\x01 what is this\r\n\r\n<html>",
    Fault.TRUNCATED: b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"id": "1"',
    Fault.CHUNK_CUT: b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{"id": "1\r\n',
}


async def _fail(writer: asyncio.StreamWriter, fault: Fault) -> bool:
    """Do what the fault says; False, for no fault leaves a usable connection."""
    match fault:
        case Fault.RESET | Fault.RESET_BEFORE | Fault.REFUSED:
            _reset(writer)
        case Fault.HANG:
            await asyncio.Event().wait()
        case Fault.DRIP:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        case Fault.FLOOD:
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {BIG}\r\n\r\n".encode())
            for _ in range(BIG // 65_536):
                writer.write(b" " * 65_536)
                await writer.drain()
        case _:
            writer.write(_BROKEN[fault])
            await writer.drain()
    return False


def _reset(writer: asyncio.StreamWriter) -> None:
    """Make the close an RST instead of a FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
