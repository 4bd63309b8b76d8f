"""The printer's side of ESC/POS: bytes in, what stands on the paper out. For the sandbox and for tests.

It reads the stream as a printer does, command by command, from its own tables, and refuses a command it does not know,
so that no stray byte of text passes for one.

Source: Epson "ESC/POS Command Reference".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from omnibus_pos.paper import Align, Cut, Feed, Logo, Piece, QrCode, Text

#: ``ESC t n`` of an Epson TM-T88
CODE_PAGES = {
    0: "cp437", 2: "cp850", 3: "cp860", 4: "cp863", 5: "cp865", 13: "cp857", 14: "cp737", 15: "iso8859-7",
    16: "cp1252", 17: "cp866", 18: "cp852", 19: "cp858", 33: "cp775", 34: "cp855", 35: "cp861", 36: "cp862",
    38: "cp869", 39: "iso8859-2", 40: "iso8859-15", 45: "cp1250", 46: "cp1251", 47: "cp1253", 48: "cp1254", 51: "cp1257",
}  # fmt: skip
ALIGNS: tuple[Align, ...] = ("left", "centre", "right")
LEVELS: dict[int, Literal["L", "M", "Q", "H"]] = {48: "L", 49: "M", 50: "Q", 51: "H"}
#: commands with a fixed count of parameter bytes
FIXED = {
    b"\x1b@": 0, b"\x1ba": 1, b"\x1bE": 1, b"\x1b-": 1, b"\x1bM": 1, b"\x1bd": 1, b"\x1bt": 1, b"\x1b2": 0, b"\x1b3": 1,
    b"\x1d!": 1, b"\x1dB": 1, b"\x1c.": 0, b"\x1bp": 3, b"\x1da": 1, b"\x1dr": 1, b"\x1b!": 1, b"\x10\x04": 1,
}  # fmt: skip


class NotEscPos(ValueError):
    """Name the offset and the byte that is no command."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Stand for a status request that the printer has to answer."""

    what: int


@dataclass(frozen=True, slots=True)
class Kicked:
    """Stand for an opened cash drawer: nothing of ours may cause it."""


Seen = Piece | Asked | Kicked


@dataclass(slots=True)
class Tape:
    """Read a stream piece by piece; what is incomplete waits for more bytes."""

    read: int = 0
    _buffer: bytearray = field(default_factory=bytearray)
    _words: str = ""
    _page: str = "cp437"
    _align: Align = "left"
    _bold: bool = False
    _size: int = 1
    _qr: dict[str, int | bytes] = field(default_factory=dict)

    def feed(self, data: bytes) -> Iterator[Seen]:
        """Take bytes and give what they make the printer do.

        Raises:
            NotEscPos: a byte or command that no printer of this table knows.
        """
        self._buffer += data
        while self._buffer:
            length = self._length()
            if length is None or length > len(self._buffer):
                return
            command = bytes(self._buffer[:length])
            yield from self._done(command)
            del self._buffer[:length]
            self.read += length

    def _length(self) -> int | None:
        """Tell how long the first command is; None while that cannot be told."""
        head = self._buffer
        if head[0] >= 0x20 or head[0] == 0x0A:
            return 1
        two = bytes(head[:2])
        if len(two) < 2 or two in FIXED:
            return 2 + FIXED.get(two, 0)
        if two == b"\x1dV":
            return None if len(head) < 3 else 3 + (head[2] in (0x41, 0x42))
        if two == b"\x1d(":
            return None if len(head) < 5 else 5 + head[3] + 256 * head[4]
        if two == b"\x1dv":
            return None if len(head) < 8 else 8 + _dots(bytes(head))
        raise NotEscPos(f"byte {self.read}: {two.hex()}")

    def _done(self, command: bytes) -> Iterator[Seen]:
        if command == b"\n":
            yield from self._line()
        elif command[0] >= 0x20:
            self._words += command.decode(self._page, "replace")
        elif command[:2] == b"\x10\x04":
            yield Asked(command[2])
        elif command[:2] == b"\x1bp":
            yield Kicked()
        elif command[:2] == b"\x1bd":
            yield from self._line(flush=True)
            yield Feed(command[2])
        elif command[:2] == b"\x1dV":
            yield from self._line(flush=True)
            yield Cut()
        elif command[:2] == b"\x1dv":
            yield Logo("", (command[4] + 256 * command[5]) * 8, command[8:])
        elif command[:2] == b"\x1d(":
            yield from self._symbol(command)
        else:
            self._style(command)

    def _line(self, *, flush: bool = False) -> Iterator[Seen]:
        if self._words or not flush:
            yield Text(self._words, self._align, self._bold, self._size)
        self._words = ""

    def _style(self, command: bytes) -> None:
        match command[:2]:
            case b"\x1b@":
                self._words, self._page, self._align, self._bold, self._size = "", "cp437", "left", False, 1
            case b"\x1ba":
                self._align = ALIGNS[command[2] % 48]
            case b"\x1bE":
                self._bold = bool(command[2] & 1)
            case b"\x1b!":
                self._bold, self._size = bool(command[2] & 8), 2 if command[2] & 0x30 else 1
            case b"\x1d!":
                self._size = (command[2] & 7) + 1
            case b"\x1bt":
                self._page = CODE_PAGES.get(command[2], "cp437")

    def _symbol(self, command: bytes) -> Iterator[Seen]:
        if command[2:3] != b"k" or command[5:6] != b"1":
            raise NotEscPos(f"byte {self.read}: {command[:7].hex()}")
        match command[6]:
            case 0x43:
                self._qr["size"] = command[7]
            case 0x45:
                self._qr["level"] = command[7]
            case 0x50:
                self._qr["data"] = command[8:]
            case 0x51:
                data, size, level = self._qr.get("data", b""), self._qr.get("size", 3), self._qr.get("level", 48)
                if isinstance(data, bytes) and isinstance(size, int) and isinstance(level, int):
                    yield QrCode(data.decode(), size, LEVELS[level])


def _dots(head: bytes) -> int:
    return (head[4] + 256 * head[5]) * (head[6] + 256 * head[7])


def decoded(data: bytes) -> list[Seen]:
    """Read a whole job.

    Raises:
        NotEscPos: an unknown command, or the job ends in the middle of one.
    """
    tape = Tape()
    seen = list(tape.feed(data))
    if tape.read != len(data):
        raise NotEscPos(f"byte {tape.read}: cut short")
    return seen
