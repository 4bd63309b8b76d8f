"""One connection: a request goes out on it, and its answer is read: a plain one at one look, all others by aiohttp's parser."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from omnibus.errors import Refused, Unknown
from omnibus.http.answer import MAX_BODY, Answer
from omnibus.http.ask import Ask, Origin
from omnibus.http.plain import read_head

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

_TIMEOUT = re.compile(r"\btimeout\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)


class HttpLine(asyncio.Protocol):
    """Stand between a connection that aiohttp made, and its parser.

    Args:
        parser: reads what is not plain.
        origin: where the connection leads to.
    """

    def __init__(
        self, connection: Connection, parser: ResponseHandler, transport: asyncio.Transport, origin: Origin
    ) -> None:
        self._connection, self._parser, self._transport, self.origin = connection, parser, transport, origin
        self.fresh = self.until = 0.0  # when kept: until when it is trusted unseen, and may rest, by the loop's clock
        self.rests = 0.0  # seconds that the other side lets it rest, as it says with the first answer
        self._over = False
        self._spoilt = parser.should_close  # nothing more is to be asked on it
        self._waiter: asyncio.Future[Answer | None] | None = None
        self._parsing = False  # the parser reads
        self._pieces: list[bytes] = []  # of a plain answer, its head the first, that is not all there …
        self._missing = 0  # … and the bytes that are not
        transport.set_protocol(self)

    @property
    def fit(self) -> bool:
        """Tell whether another request may go out on it."""
        return not (self._spoilt or self._transport.is_closing())

    def ask(self, ask: Ask) -> asyncio.Future[Answer | None]:
        """Send one request; gives its answer, or None when it is to be ``read``."""
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        if ask.place.bodiless:
            self._parse(bodiless=True)
        self._transport.write(ask.data)
        return waiter

    def answered(self, answer: Answer) -> None:
        """Look whether the request was read whole (what is left of it would precede the next one), and how long it may rest."""
        if self._transport.get_write_buffer_size():
            self._spoilt = True
        if not self.rests:
            self.rests = resting(answer.headers)
            self._spoilt = self._spoilt or not self.rests

    def cut(self) -> None:
        """End what goes on: it has taken too long."""
        self._over = True
        self._transport.abort()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._spoilt = True
        self._connection.close()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._waiter is None:
            if self._parsing:
                self._parser.data_received(data)
            else:
                self._spoilt = True  # somebody spoke unasked: that must not be read as our answer
            return
        if self._pieces:
            self._pieces.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._pieces)
        head = read_head(data)
        if head is None:
            self._pieces = [data]
            self._parse()
            return
        status, told, begin, end = head
        if len(data) < end:
            self._pieces, self._missing = [data], end - len(data)
            return
        if len(data) > end:
            self._spoilt = True
        self._tell(Answer(status, told, data[begin:end]))

    def eof_received(self) -> None:
        """Note that nothing more comes."""
        self._spoilt = True
        self._parser.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take what there is of an error; of anything else the parser says what is wrong."""
        self._spoilt = True
        if self._waiter is not None:
            data = b"".join(self._pieces)
            head = read_head(data)
            if head is not None and head[0] >= 400:
                self._tell(Answer(head[0], head[1], data[head[2] :]))
            else:
                self._parse()
        self._parser.connection_lost(exc)

    def _tell(self, answer: Answer | None) -> None:
        waiter, self._waiter, self._pieces = self._waiter, None, []
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _parse(self, *, bodiless: bool = False) -> None:
        """Leave the answer to the parser, from its beginning."""
        self._parsing = True
        self._parser.set_response_params(skip_payload=bodiless, read_until_eof=True)
        for each in self._pieces:
            self._parser.data_received(each)
        self._tell(None)

    async def read(self) -> Answer:
        """Read one answer whole, up to the limit; an interim one (1xx) is none; of an error only what there is of it.

        Raises:
            Unknown: it may have arrived (``answer_lost``, ``deadline``, ``answer_too_big``).
            Refused: a redirect.
        """
        status, headers, parts, size = 0, dict[str, str](), list[bytes](), 0
        try:
            message, payload = await self._parser.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, payload = await self._parser.read()
            status, headers = message.code, _told(message.headers)
            if message.compression:
                headers.pop("content-encoding", None)  # it is undone
            while not payload.at_eof() and not 300 <= status < 400 and size <= MAX_BODY:
                parts.append(await payload.readany())
                size += len(parts[-1])
        except Exception:  # noqa: BLE001 - the request is out: whatever is wrong now, it may have arrived
            if status < 400:
                raise Unknown("deadline" if self._over else "answer_lost") from None
            self._spoilt = True
        self._parsing = False
        self._spoilt = self._spoilt or self._parser.should_close
        if 300 <= status < 400:
            raise Refused("redirect")
        if status < 400:
            if self._over or status < 200:
                raise Unknown("deadline" if self._over else "answer_lost")
            if size > MAX_BODY:
                raise Unknown("answer_too_big")
        return Answer(status, headers, b"".join(parts)[:MAX_BODY])


def resting(headers: Mapping[str, str]) -> float:
    """Read for how many seconds a connection may rest: a second less than the other side says, or half of what is less than two.

    That second is for the way there: a request that meets the closing of its connection is a lost answer.

    Source:
        https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Keep-Alive (Node closes after 5 s, and says so).
    """
    told = _TIMEOUT.search(headers.get("keep-alive", ""))
    return math.inf if told is None else max(int(told[1]) - 1.0, int(told[1]) / 2)


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """Give headers by lower-case name; those told twice are joined."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        name, value = name.lower(), value if value.isascii() else _readable(value)  # noqa: PLW2901 - their plain form
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _readable(value: str) -> str:
    """Replace bytes that are no UTF-8, which the parser hands on as lone surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
