"""One SMTP connection: greeting, STARTTLS, AUTH, then mails with PIPELINING where the server offers it.

Why not a library: none for asyncio knows PIPELINING (one round trip for a mail instead of four), and none tells
"lost before the final dot" from "lost after it", which decides between sending again and never again.
Sources: RFC 5321, RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3461 (DSN), RFC 1047.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from omnibus import TryLater
from omnibus_email.answers import Reply, fault

MAX_LINE = 4096  # octets of a reply line that we are ready to read; RFC 5321 §4.5.3.1.5 says 512
MAX_LINES = 128

StartTls = Literal["always", "auto", "never"]


class Lost(Exception):
    """Tell that the connection is gone, or speaks no SMTP any more."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Name a server and how to greet it."""

    host: str
    port: int
    helo: str
    tls: ssl.SSLContext = field(repr=False)
    implicit: bool = False
    starttls: StartTls = "always"
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


class Wire:
    """Be one connection; not for two tasks at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.offers: dict[str, str] = {}
        self.mails = 0
        self.idle_since = 0.0
        self.past_dot = False

    @classmethod
    async def open(cls, peer: Peer) -> Self:
        """Connect, secure and log in.

        Raises:
            Lost: no connection, or it broke.
            TryLater: the server does not let us in.
        """
        try:
            tls = peer.tls if peer.implicit else None
            reader, writer = await asyncio.open_connection(peer.host, peer.port, ssl=tls, limit=MAX_LINE)
        except (OSError, ssl.SSLError) as error:
            raise Lost(type(error).__name__) from None
        wire = cls(reader, writer)
        try:
            await wire._greet(peer)
        except BaseException:
            wire.drop()
            raise
        return wire

    async def _greet(self, peer: Peer) -> None:
        _must(await self._reply(), 220)
        await self._ehlo(peer.helo)
        if not peer.implicit and peer.starttls != "never":
            if "STARTTLS" in self.offers:
                await self._secure(peer)
            elif peer.starttls == "always":
                raise TryLater("no_starttls", account=True)
        if peer.user:
            await self._login(peer)

    async def _ehlo(self, name: str) -> None:
        reply = _must(await self._command(f"EHLO {name}"), 250)
        lines = reply.text.split("\n")[1:]
        self.offers = {word.upper(): rest for word, _, rest in (each.partition(" ") for each in lines)}

    async def _secure(self, peer: Peer) -> None:
        _must(await self._command("STARTTLS"), 220)
        if self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way to see it
            raise Lost("clear text after STARTTLS")  # somebody in between put commands there, CVE-2011-0411
        try:
            await self._writer.start_tls(peer.tls, server_hostname=peer.host)
        except (OSError, ssl.SSLError) as error:
            raise Lost(type(error).__name__) from None
        await self._ehlo(peer.helo)  # what was offered in clear is void

    async def _login(self, peer: Peer) -> None:
        methods = self.offers.get("AUTH", "").upper().split()
        if "PLAIN" in methods:
            secret = base64.b64encode(f"\0{peer.user}\0{peer.password}".encode()).decode()
            _must(await self._command(f"AUTH PLAIN {secret}"), 235)
        elif "LOGIN" in methods:
            _must(await self._command("AUTH LOGIN"), 334)
            _must(await self._command(base64.b64encode(peer.user.encode()).decode()), 334)
            _must(await self._command(base64.b64encode(peer.password.encode()).decode()), 235)
        else:
            raise TryLater("no_auth_method", account=True)

    async def transfer(self, mail: str, rcpt: str, body: bytes, at_dot: Callable[[], None]) -> Reply:
        """Hand one mail over; *mail* and *rcpt* are whole commands.

        Sets ``past_dot`` and calls *at_dot* right before the final dot may leave: a loss from there on may hide an
        accepted mail.

        Raises:
            Lost: the connection broke.
            DeliveryError: the server refused, by its own words.
        """
        self.past_dot = False
        self.mails += 1
        commands = [mail, rcpt, "DATA"]
        if "PIPELINING" in self.offers:
            await self._write("".join(f"{each}\r\n" for each in commands).encode())
            replies = [await self._reply() for _ in commands]
        else:
            replies = await self._one_by_one(commands)
        await self._agreed(replies)
        stuffed = (b"." + body if body.startswith(b".") else body).replace(b"\r\n.", b"\r\n..")
        await self._write(stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n")
        self.past_dot = True
        at_dot()
        await self._write(b".\r\n")
        return _must(await self._reply(), 250, recipient=False)

    async def _one_by_one(self, commands: Sequence[str]) -> list[Reply]:
        replies = []
        for each in commands:
            replies.append(await self._command(each))
            if replies[-1].code >= 400:
                break
        return replies

    async def _agreed(self, replies: Sequence[Reply]) -> None:
        """Raise the first refusal; leave the server ready for the next mail."""
        wrong = next((number for number, each in enumerate(replies) if each.code >= 400), None)
        if wrong is None:
            _must(replies[-1], 354)
            return
        if replies[wrong].code == 421 and self.mails > 1:
            raise Lost("421")  # it only closes a connection that it had enough of
        if replies[-1].code == 354:  # pipelined DATA was taken although nobody is to get it: RFC 2920 §3.1
            await self._command(".")
        else:
            await self._command("RSET")
        raise _fault(replies[wrong], recipient=wrong == 1)

    async def quit(self) -> None:
        """Say good-bye and close; a server that is gone already is no fault."""
        try:
            await self._command("QUIT")
        except Lost:
            self.drop()
            return
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except (OSError, ssl.SSLError):
            self.drop()

    def drop(self) -> None:
        """Close at once, without a word."""
        self._writer.transport.abort()

    async def _command(self, line: str) -> Reply:
        await self._write(f"{line}\r\n".encode())
        return await self._reply()

    async def _write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, ssl.SSLError) as error:
            raise Lost(type(error).__name__) from None

    async def _reply(self) -> Reply:
        lines: list[str] = []
        while len(lines) < MAX_LINES:
            try:
                raw = await self._reader.readuntil(b"\n")
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError) as error:
                raise Lost(type(error).__name__) from None
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if not line[:3].isdigit() or line[3:4] not in ("", " ", "-"):
                raise Lost("no SMTP")
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), "\n".join(lines))
        raise Lost("endless reply")


def _must(reply: Reply, code: int, *, recipient: bool = False) -> Reply:
    if reply.code == code:
        return reply
    if reply.code < 400:
        raise Lost(f"unexpected {reply.code}")
    raise _fault(reply, recipient=recipient)


def _fault(reply: Reply, *, recipient: bool) -> Exception:
    return fault(reply.code, reply.text, reply.enhanced, recipient=recipient)
