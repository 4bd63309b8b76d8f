"""One SMTP connection: greeting, STARTTLS, AUTH, then mails with PIPELINING where the server offers it.

Why not a library: none for asyncio knows PIPELINING (one round trip for a mail instead of four), and none tells
"lost before the final dot" from "lost after it", which decides between sending again and never again.
Sources: RFC 5321, RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3461 (DSN), RFC 1047.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn, Self

from omnibus import TryLater
from omnibus_email.answers import Reply, fault
from omnibus_email.exchange import Exchange, Lost

FAREWELL = 5.0  # seconds that a good-bye may take

StartTls = Literal["always", "auto", "never"]


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


class Wire(Exchange):
    """Speak SMTP over one connection.

    Args:
        offers: extension → its parameters, as the server said.
        mails: how many were begun here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.offers: dict[str, str] = {}
        self.mails = 0
        self.idle_since = 0.0

    @classmethod
    async def open(cls, peer: Peer) -> Self:
        """Connect, secure and log in.

        Raises:
            Lost: no connection, or it broke.
            TryLater: the server does not let us in.
        """
        wire = cls()
        wire._sealed = peer.implicit
        tls = peer.tls if peer.implicit else None
        try:
            await wire._loop.create_connection(lambda: wire, peer.host, peer.port, ssl=tls)
        except (OSError, ssl.SSLError) as error:
            raise Lost(type(error).__name__) from None
        try:
            await wire._greet(peer)
        except BaseException:
            wire.drop()
            raise
        return wire

    async def _greet(self, peer: Peer) -> None:
        _must(await self._listen(), 220)
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
        if self.lost:
            raise Lost("clear text after STARTTLS")  # somebody in between put commands there, CVE-2011-0411
        try:
            made = await self._loop.start_tls(self._transport, self, peer.tls, server_hostname=peer.host)
        except (OSError, ssl.SSLError) as error:
            raise Lost(type(error).__name__) from None
        if made is None:
            raise Lost("closed")
        self._sealed = True
        self.connection_made(made)
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

    async def transfer(self, mail: str, rcpt: str, body: bytes, until: float) -> Reply:
        """Hand one mail over; *mail* and *rcpt* are whole commands.

        Args:
            until: the loop's time by which the body must have left.

        Raises:
            Lost: the connection broke; ``past_dot`` says whether the mail may have been accepted.
            TimeoutError: the body did not leave in time.
            DeliveryError: the server refused, by its own words.
        """
        self.past_dot = False
        self.mails += 1
        self._patience(until)
        if "PIPELINING" in self.offers:
            replies = await self._ask(f"{mail}\r\n{rcpt}\r\nDATA\r\n".encode(), 3, dotted(body))
        else:
            replies = await self._one_by_one((mail, rcpt), dotted(body))
        if len(replies) == 4:
            return _must(replies[3], 250, recipient=False)
        return await self._disagreed(replies)

    async def _one_by_one(self, commands: Sequence[str], body: bytes) -> list[Reply]:
        replies = []
        for each in commands:
            replies.append(await self._command(each))
            if replies[-1].code >= 400:
                return replies
        return replies + await self._ask(b"DATA\r\n", 1, body)

    async def _disagreed(self, replies: Sequence[Reply]) -> NoReturn:
        """Raise the first refusal; leave the server ready for the next mail."""
        wrong = next((number for number, each in enumerate(replies) if each.code >= 400), None)
        if wrong is None:
            raise Lost(f"unexpected {replies[-1].code}")
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
            async with asyncio.timeout(FAREWELL):
                await self._command("QUIT")
                self._transport.close()
                await asyncio.shield(self._gone)
        except (Lost, TimeoutError):
            self.drop()

    async def _command(self, line: str) -> Reply:
        return (await self._ask(f"{line}\r\n".encode()))[0]


def dotted(mail: bytes) -> bytes:
    """Double the dot at the beginning of a line, and add the final one (RFC 5321 §4.5.2)."""
    if mail.startswith(b"."):
        mail = b"." + mail
    if b"\r\n." in mail:  # most mails have none, and looking is cheaper than replacing
        mail = mail.replace(b"\r\n.", b"\r\n..")
    return mail + (b".\r\n" if mail.endswith(b"\r\n") else b"\r\n.\r\n")


def _must(reply: Reply, code: int, *, recipient: bool = False) -> Reply:
    if reply.code == code:
        return reply
    if reply.code < 400:
        raise Lost(f"unexpected {reply.code}")
    raise _fault(reply, recipient=recipient)


def _fault(reply: Reply, *, recipient: bool) -> Exception:
    return fault(reply.code, reply.text, reply.enhanced, recipient=recipient)
