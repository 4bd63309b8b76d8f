"""Carry mail by SMTP submission; reports come as mail that the mailbox posts to the hook.

Source: RFC 6409 (submission), RFC 8314 (implicit TLS), RFC 5321, RFC 3461 (asking for reports).
Answers: ``answers.py``. Reports: ``incoming.py``; the hook takes a raw RFC 5322 message, ``POST`` with the
header ``X-Hook-Secret``.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property, partial
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from omnibus import (
    Attempt,
    Content,
    Event,
    Forged,
    InputError,
    Keep,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    Report,
    Request,
    TryLater,
    Unreachable,
)
from omnibus_email import api, head, incoming, mime
from omnibus_email.answers import Reply
from omnibus_email.channel import Email
from omnibus_email.content import EmailContent
from omnibus_email.dkim import Signer
from omnibus_email.exchange import Lost
from omnibus_email.pool import Pool
from omnibus_email.wire import Peer, StartTls, Wire

CHECK = 15.0  # seconds for `omnibus doctor`
SIGNERS = 4  # threads at most
BEFORE_DOT = 0.6  # share of the deadline after which it is better to give up before the mail leaves than to wait on


class SmtpSettings(ProviderSettings):
    """Take ``smtp://user:password@host:port`` and the keys of the table.

    Args:
        from_: our mailbox, ``Acme <hello@example.com>``.
        starttls: ``always``, ``auto`` (where offered) or ``never``; of no meaning for ``smtps``.
        return_path: where bounces go; ``{attempt}`` in it becomes the attempt's id (VERP). Default: the From address.
        ca_file: certificates to trust beside the system's own.
        dkim_key: PEM key (RSA or Ed25519) to sign with; its public half stands in the DNS under *dkim_selector* of
            *dkim_domain* (default: the domain of *from*). Without it your server signs.
        hook_secret: what the mailbox shows when it posts mail; *previous_hook_secret* is good as well, for rotation.
    """

    user: str = Field("", repr=False)
    password: SecretStr = SecretStr("")
    host: str
    port: int = 0
    from_: str = Field(alias="from", repr=False)
    reply_to: str = Field("", repr=False)
    return_path: str = Field("", repr=False)
    helo: str = ""
    starttls: StartTls = "always"
    ca_file: str = ""
    connections: int = Field(10, ge=1, le=100)
    dkim_key: SecretStr = SecretStr("")
    dkim_selector: str = ""
    dkim_domain: str = ""
    hook_secret: SecretStr = SecretStr("")
    previous_hook_secret: SecretStr = SecretStr("")


class Smtp(Provider):
    """Submit mail; ``ENVID`` and ``Message-ID`` name the attempt and come back in reports, hence ``echo``."""

    channel = Email
    scheme: ClassVar[str] = "smtp"
    Settings: ClassVar[type[ProviderSettings]] = SmtpSettings
    idempotency = "echo"
    max_in_flight: ClassVar[int] = 10
    implicit_tls: ClassVar[bool] = False

    def __init__(self, settings: SmtpSettings, **rest: Any) -> None:
        super().__init__(settings, **rest)
        self._sender = head.sender_of(settings.from_)
        self._reply_to = head.sender_of(settings.reply_to) if settings.reply_to else None
        self._signer = self._signing(settings)
        self._check_return_path(settings.return_path)
        self._pool = Pool(settings.connections)

    @staticmethod
    def _check_return_path(path: str) -> None:
        try:
            head.address_of(path.replace("{attempt}", "0") or "a@b.example")
        except Unreachable:
            raise InputError(
                "no mail address", where="return_path", fix="write `bounce+{attempt}@example.com`"
            ) from None

    def _signing(self, settings: SmtpSettings) -> Signer | None:
        key = settings.dkim_key.get_secret_value()
        return Signer.of_pem(settings.dkim_domain or self._domain, settings.dkim_selector, key) if key else None

    def __str__(self) -> str:
        """Write scheme and host."""
        return f"{self.scheme}://{self.settings.host}:{self._peer.port}"

    @property
    def account(self) -> str:
        """Name the server."""
        return str(self.settings.host)

    @property
    def at_once(self) -> int:
        """Hand over on as many connections as may be open."""
        return int(self.settings.connections)

    @cached_property
    def _peer(self) -> Peer:
        mine = self.settings
        tls = ssl.create_default_context()
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if mine.ca_file:
            tls.load_verify_locations(mine.ca_file)
        return Peer(
            mine.host, mine.port or (465 if self.implicit_tls else 587), mine.helo or self._domain, tls,
            self.implicit_tls, mine.starttls, mine.user, mine.password.get_secret_value(),
        )  # fmt: skip

    @property
    def _domain(self) -> str:
        return self._sender[1].rpartition("@")[2]

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Write the mail and hand it over; the receipt's id is the Message-ID without brackets."""
        if not isinstance(content, EmailContent):
            raise Refused("no_mail")
        to, until = head.address_of(address), self._until(attempt)
        name = mime.message_id(attempt.delivery, self._domain)
        mail = mime.write(content, mime.Envelope(self._sender, to, name, attempt.started, self._reply_to))
        mail = await self._signed(mail, attempt.started)
        reply = await self.hand_over(mail, to, attempt, until)
        return Receipt(name, {"message_id": name, "answer": str(reply.code)})

    async def hand_over(self, mail: bytes, to: str, attempt: Attempt, until: float | None = None) -> Reply:
        """Hand a finished mail over to one recipient.

        Args:
            until: the loop's time by which it must have left; by default a share of the attempt's deadline from now.

        Raises:
            DeliveryError: one of the four.
        """
        commands = partial(self._commands, to, attempt, len(mail))
        until = self._until(attempt) if until is None else until
        return await self._pool.hand_over(self._peer, mail, commands, until)

    def _until(self, attempt: Attempt) -> float:
        return asyncio.get_running_loop().time() + attempt.deadline * BEFORE_DOT

    async def _signed(self, mail: bytes, at: datetime) -> bytes:
        """Sign, off the event loop where it takes long: the library lets other threads run meanwhile."""
        signer = self._signer
        if signer is None or signer.quick:
            return mail if signer is None else signer.sign(mail, at)
        if self._pool.closed:
            raise TryLater("closed")
        return await asyncio.get_running_loop().run_in_executor(self._signers, signer.sign, mail, at)

    @cached_property
    def _signers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(min(SIGNERS, os.cpu_count() or 1), "omnibus-dkim")

    def _commands(self, to: str, attempt: Attempt, size: int, offers: Mapping[str, str]) -> tuple[str, str]:
        limit = offers.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < size:
            raise Refused("too_big")
        back = (self.settings.return_path or self._sender[1]).replace("{attempt}", attempt.id)
        mail, rcpt = f"MAIL FROM:<{back}>", f"RCPT TO:<{to}>"
        if "SIZE" in offers:
            mail += f" SIZE={size}"
        if not to.isascii():
            if "SMTPUTF8" not in offers:
                raise Refused("5.6.7")
            mail += " SMTPUTF8"
        if "DSN" in offers:
            mail += f" RET=HDRS ENVID={xtext(attempt.id)}"
            rcpt += " NOTIFY=FAILURE,DELAY" + (f" ORCPT=rfc822;{xtext(to)}" if to.isascii() else "")
        return mail, rcpt

    async def check(self) -> None:
        """Connect, secure, log in and leave again.

        Raises:
            TryLater: the server cannot be reached or does not let us in.
        """
        try:
            async with asyncio.timeout(CHECK):
                wire = await Wire.open(self._peer)
                await wire.quit()
        except (Lost, TimeoutError):
            raise TryLater("not_connected") from None

    def verify(self, request: Request) -> None:
        """Compare ``X-Hook-Secret`` with both live secrets in constant time."""
        if not api.shown(request, api.live(self.settings.hook_secret, self.settings.previous_hook_secret)):
            raise Forged("wrong hook secret")

    def parse(self, request: Request) -> Sequence[Report | Event]:
        """Read one incoming mail: a bounce, a complaint, a reply, or a mail that somebody wrote to us."""
        mine = incoming.Mine(self._domain, frozenset({self._sender[1].lower()}), self.settings.return_path)
        return incoming.read(request.body, mine, self.now())

    async def aclose(self) -> None:
        """Say good-bye on every kept connection."""
        await self._pool.close()
        if "_signers" in vars(self):
            self._signers.shutdown(wait=False, cancel_futures=True)


class Smtps(Smtp):
    """Submit mail over a connection that is TLS from its first byte (port 465)."""

    scheme: ClassVar[str] = "smtps"
    implicit_tls: ClassVar[bool] = True


def xtext(value: str) -> str:
    """Write a value as an ESMTP parameter (RFC 3461 §4)."""
    return re.sub(r"[^!-*,-<>-~]", lambda found: f"+{ord(found[0]):02X}", value)
