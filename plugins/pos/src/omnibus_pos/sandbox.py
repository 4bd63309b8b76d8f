"""The store on loopback: a receipt printer that draws what it prints, and tills that call the till API over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from omnibus.testing import Entry, Sandbox, World
from omnibus_pos.decode import CODE_PAGES, Asked, Kicked, NotEscPos, Seen, Tape
from omnibus_pos.line import NEAR_END, NO_PAPER, OFFLINE, PAPER, PRINTER
from omnibus_pos.paper import Cut, Piece, QrCode, Text, lines_of
from omnibus_pos.picture import receipt_picture
from omnibus_pos.till import Till

COLUMNS = 42
JOB = re.compile(r"^Job (\w+)$", re.MULTILINE)


class PrinterSandbox(Sandbox):
    """Be an 80 mm printer: one client at a time, status when asked, a receipt recorded when it is cut.

    Args:
        paper_out, near_end, cover_open: what the status bytes say.
        silent: it takes bytes and answers nothing.
        reset_after: break the line after so many bytes of a connection; None for never.
    """

    channel = "receipt"
    name = "escpos"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.paper_out = self.near_end = self.cover_open = self.silent = False
        self.reset_after: int | None = None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._one = asyncio.Lock()
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> Mapping[str, Mapping[str, Any]]:
        """Listen on a free loopback port."""
        (self.world.folder / "receipts").mkdir(exist_ok=True)
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        table = {"provider": f"escpos://127.0.0.1:{self.port}", "codepages": "cp858,cp866", "columns": COLUMNS}
        return {"receipt": table}

    async def stop(self) -> None:
        """Stop listening and drop whoever is connected."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            await server.wait_closed()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        try:
            async with self._one:
                await self._serve(reader, writer)
        except (OSError, NotEscPos):
            _reset(writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tape, pieces, taken = Tape(), list[Piece](), 0
        while data := await reader.read(1 if self.reset_after is not None else 65_536):
            taken += len(data)
            over = self.reset_after is not None and taken >= self.reset_after
            for seen in tape.feed(data):
                if not (over and isinstance(seen, Asked)):
                    await self._see(seen, pieces, taken, writer)
            if over:
                _reset(writer)
                return

    async def _see(self, seen: Seen, pieces: list[Piece], taken: int, writer: asyncio.StreamWriter) -> None:
        match seen:
            case Asked(what):
                if not self.silent:
                    writer.write(bytes([self._status(what)]))
                    await writer.drain()
            case Kicked():
                self._record("drawer", [Text("the cash drawer opened")], taken)
            case Cut():
                self._record("receipt", [*pieces, seen], taken)
                pieces.clear()
            case _:
                pieces.append(seen)

    def _status(self, what: int) -> int:
        """Give the byte of ``DLE EOT n``."""
        stopped = self.paper_out or self.cover_open
        says = {
            PRINTER: 0x08 if stopped else 0,
            OFFLINE: (0x04 if self.cover_open else 0) | (0x20 if self.paper_out else 0),
            PAPER: (NO_PAPER | NEAR_END if self.paper_out else 0) | (NEAR_END if self.near_end else 0),
        }
        return 0x12 | says.get(what, 0)

    def _record(self, kind: str, pieces: list[Piece], taken: int) -> None:
        lines = [line for piece in pieces for line in lines_of(piece, COLUMNS)]
        text = "\n".join(lines).strip("\n")
        number = sum(each.sandbox == self.name for each in self.world.entries) + 1
        job = JOB.search("\n".join(line.strip() for line in lines))
        codes = [piece.data for piece in pieces if isinstance(piece, QrCode)]
        entry = Entry(
            f"{kind}-{number}", self.world.now().isoformat(), self.channel, self.name, kind,
            attempt=job.group(1) if job else "", text=text, data={"qr": codes, "bytes": taken},
        )  # fmt: skip
        path = self.world.folder / "receipts" / entry.id
        path.with_suffix(".txt").write_text(text + "\n", "utf-8")
        path.with_suffix(".svg").write_bytes(receipt_picture(pieces, COLUMNS))
        self.world.record(entry)


class PoleSandbox(Sandbox):
    """Be a pole display of 2 × 20: it answers nothing, and every frame that stood is recorded.

    Args:
        rows: what stands there now.
        reset_after: break the line after so many bytes of a connection; None for never.
    """

    channel = "display"
    name = "pole"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.rows = ["", ""]
        self._page = "cp437"
        self.reset_after: int | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> Mapping[str, Mapping[str, Any]]:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return {"display": {"provider": f"pole://127.0.0.1:{port}", "codepage": "cp858", "seconds": 0}}

    async def stop(self) -> None:
        """Stop listening."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            limit = self.reset_after
            told = await (reader.readexactly(limit) if limit is not None else reader.read())
            self._page = "cp437"
            for each in told.split(b"\x0c")[1:]:
                self._show(each)
            if limit is not None:
                _reset(writer)
        except (OSError, asyncio.IncompleteReadError):
            _reset(writer)
        finally:
            writer.close()

    def _show(self, frame: bytes) -> None:
        """Read ``row US $ 1 2 row``; a code page may be chosen within."""
        self.rows = [self._words(each) for each in (*frame.split(b"\x1f$\x01\x02"), b"")[:2]]
        number = sum(each.sandbox == self.name for each in self.world.entries) + 1
        text = "\n".join(self.rows)
        if text.strip():
            at = self.world.now().isoformat()
            self.world.record(Entry(f"frame-{number}", at, self.channel, self.name, "frame", text=text))

    def _words(self, row: bytes) -> str:
        """Read one row; anything but letters and ``ESC t n`` shows as it is."""
        words, at = "", 0
        while at < len(row):
            if row[at : at + 2] == b"\x1bt" and at + 2 < len(row):
                self._page, at = CODE_PAGES.get(row[at + 2], "cp437"), at + 3
                continue
            words, at = words + row[at : at + 1].decode(self._page, "replace"), at + 1
        return words


def _reset(writer: asyncio.StreamWriter) -> None:
    """Send RST, not FIN."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class TillSandbox(Sandbox):
    """Be two tills of one store; their keys outlive a restart."""

    channel = "pos"
    name = "till"

    async def start(self) -> Mapping[str, Mapping[str, Any]]:
        """Make or read the terminals' keys; tills call, nobody calls them."""
        terminals = {name: self._key(name) for name in ("till-1", "till-2")}
        seed = hashlib.sha256(self._key("pass").encode()).hexdigest()
        return {"pos": {"provider": "till", "terminals": terminals, "pass_key": seed}}

    async def stop(self) -> None:
        """Do nothing: there is no listener."""

    def till(self, name: str = "till-1") -> Till:
        """Give a till to act with."""
        return Till(self.world, name, self._key(name))

    def _key(self, name: str) -> str:
        path = self.world.folder / f"{name}.key"
        if not path.exists():
            path.write_text(secrets.token_urlsafe(24), "utf-8")
        return path.read_text("utf-8")
