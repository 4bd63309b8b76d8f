"""The mail server on the other side: it takes submissions as a strict server does, and writes what people would see.

Addresses say what happens to a mail, as in the simulators of real providers: a local part that begins with
``nobody`` is refused (550 5.1.1), ``full`` is full (452 4.2.2), ``later`` is put off once (451 4.7.1), ``bounce`` is
accepted and comes back as a delivery report, ``complain`` is accepted and reported as spam.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax

from omnibus.testing import Entry, Sandbox, World
from omnibus_email import sandbox_mail as mails

USER, PASSWORD, HOOK_SECRET = "sandbox", "sandbox-password", "sandbox-hook-secret"
MAX_SIZE = 10_000_000  # bytes
BOUNCE_AFTER = timedelta(minutes=2)
REFUSALS = {"nobody": "550 5.1.1 no such user here", "full": "452 4.2.2 mailbox full"}


class _Server(SMTP):
    """Add what a submission server offers beyond aiosmtpd: PIPELINING, DSN, enhanced codes."""

    dsn: dict[str, str]

    @syntax("MAIL FROM: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - named by the library
        self.dsn = {}
        await super().smtp_MAIL(self._without(arg, {"RET": {"FULL", "HDRS"}, "ENVID": None}))

    @syntax("RCPT TO: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        await super().smtp_RCPT(self._without(arg, {"NOTIFY": None, "ORCPT": None}))

    def _without(self, arg: str | None, known: Mapping[str, set[str] | None]) -> str | None:
        """Take out the parameters of RFC 3461; a wrong value stays, so the library refuses it."""
        kept = []
        for word in (arg or "").split(" "):
            name, _, value = word.partition("=")
            allowed = known.get(name.upper(), set())
            if value and (allowed is None or value.upper() in allowed):
                self.dsn[name.upper()] = value
            else:
                kept.append(word)
        return " ".join(kept) if arg is not None else None


def _hang_up(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()


class SmtpSandbox(Sandbox):
    """Be a submission server with STARTTLS and AUTH on loopback.

    Args:
        unknown: addresses that are refused as unknown, beside ``nobody…@``.
    """

    channel: ClassVar[str] = "email"
    name: ClassVar[str] = "smtp"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.unknown: set[str] = set()
        self.drop_after_dot = 0  # how many mails are taken without an answer
        self._count = sum(1 for each in world.entries if each.channel == self.channel)  # goes on after a restart
        self._server: asyncio.Server | None = None
        self._open: set[_Server] = set()

    async def start(self) -> Mapping[str, Mapping[str, Any]]:
        """Listen on a free loopback port with a certificate made for this run."""
        (self.world.folder / "email").mkdir(parents=True, exist_ok=True)
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # the library's; it warns of itself, and shows addresses
        cert, key = mails.certificate(self.world.folder)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(cert, key)
        self._server = await asyncio.get_running_loop().create_server(lambda: self._session(tls), "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        table = {
            "provider": f"smtp://{USER}@127.0.0.1:{port}", "password": PASSWORD, "ca_file": str(cert),
            "from": "Acme <hello@acme.example>", "hook_secret": HOOK_SECRET,
        }  # fmt: skip
        return {"email": table}

    def _session(self, tls: ssl.SSLContext) -> SMTP:
        server = _Server(
            self, data_size_limit=MAX_SIZE, enable_SMTPUTF8=True, hostname="mx.sandbox.example", ident="sandbox",
            tls_context=tls, auth_required=True, auth_require_tls=True, authenticator=self._authenticate,
        )  # fmt: skip
        self._open.add(server)
        return server

    async def stop(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
            for each in self._open:
                _hang_up(each)
            self._open.clear()
            await self._server.wait_closed()
            self._server = None
            await asyncio.sleep(0)  # lets the aborted transports say good-bye to their protocols

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=good, message=None if good else "535 5.7.8 bad user or password")

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer what real servers offer."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-DSN", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse whom the address asks to refuse."""
        local = address.split("@", maxsplit=1)[0].lower()
        refusal = next((text for begin, text in REFUSALS.items() if local.startswith(begin)), "")
        if address in self.unknown:
            refusal = REFUSALS["nobody"]
        if local.startswith("later") and not any(each.to == address for each in self.world.of("email", accepted=False)):
            refusal = "451 4.7.1 greylisted, come back"
        if refusal:
            self._refuse(server, address, refusal)
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Write the mail to disk and ledger, then answer."""
        raw, to = envelope.original_content or b"", envelope.rcpt_tos[0]
        mail = message_from_bytes(raw, policy=policy.default)
        if fault := mails.fault_of(mail, raw):
            self._refuse(server, to, fault)
            return fault
        entry = self._record(server, mail, raw, envelope)
        local = to.split("@")[0].lower()
        if local.startswith("bounce"):
            self.bounce(entry)
        if local.startswith("complain"):
            self.complain(entry)
        if self.drop_after_dot:
            self.drop_after_dot -= 1
            _hang_up(server)
        return f"250 2.0.0 ok, queued as {entry.id}"

    def _next(self) -> str:
        self._count += 1
        return f"Q{self._count:06d}"

    def _refuse(self, server: SMTP, to: str, why: str) -> None:
        envid = getattr(server, "dsn", {}).get("ENVID", "")
        self.world.record(
            Entry(self._next(), self.world.now().isoformat(), "email", "smtp", "mail", to, attempt=envid, refused=why)
        )

    def _record(self, server: SMTP, mail: EmailMessage, raw: bytes, envelope: Envelope) -> Entry:
        name = self._next()
        eml, html = self._path(name, "eml"), self._path(name, "html")
        eml.write_bytes(raw)
        html.write_bytes(mails.picture_of(mail))
        plain = mail.get_body(("plain",))
        data = {
            "subject": str(mail["subject"]), "from": str(mail["from"]), "message_id": str(mail["message-id"]).strip("<> "),
            "envelope_from": envelope.mail_from, "list_unsubscribe": str(mail.get("list-unsubscribe", "")),
            "eml": eml.name, "html": html.name, "size": len(raw),
        }  # fmt: skip
        text = str(plain.get_content()).replace("\r\n", "\n") if plain is not None else ""
        envid, at = getattr(server, "dsn", {}).get("ENVID", ""), self.world.now().isoformat()
        to = envelope.rcpt_tos[0]
        return self.world.record(Entry(name, at, "email", "smtp", "mail", to, envid, text, data=data))

    def _path(self, name: str, ending: str) -> Path:
        return self.world.folder / "email" / f"{name}.{ending}"

    def raw(self, entry: Entry) -> bytes:
        """Give a mail as it was received."""
        return (self.world.folder / "email" / str(entry.data["eml"])).read_bytes()

    # ---- what the person, or their mail server, does

    def bounce(self, entry: Entry, status: str = "5.1.1", after: timedelta = BOUNCE_AFTER) -> None:
        """Owe a delivery report (RFC 3464) about a mail that was accepted before."""
        self.world.owe(self, f"{entry.id}:bounce", after, {"what": "bounce", "entry": entry.id, "status": status})

    def complain(self, entry: Entry, after: timedelta = BOUNCE_AFTER) -> None:
        """Owe a complaint (RFC 5965): the person pressed "spam"."""
        self.world.owe(self, f"{entry.id}:complaint", after, {"what": "complaint", "entry": entry.id})

    def reply(self, entry: Entry, text: str, after: timedelta = timedelta(0)) -> None:
        """Owe the person's answer to a mail, with the mail quoted below it as mail programs do."""
        payload = {"what": "reply", "entry": entry.id, "text": text}
        self.world.owe(self, f"{entry.id}:reply:{mails.digest(text)}", after, payload)

    def write(self, sender: str, text: str, subject: str = "Hello", after: timedelta = timedelta(0)) -> None:
        """Owe a mail that a person writes on their own."""
        payload = {"what": "write", "from": sender, "text": text, "subject": subject}
        self.world.owe(self, f"{sender}:write:{mails.digest(subject + text)}", after, payload)

    async def unsubscribe(self, entry: Entry) -> int:
        """Press the mail program's unsubscribe button (RFC 8058); returns the HTTP status."""
        url = str(entry.data["list_unsubscribe"]).split(">")[0].lstrip("<")
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self.world.post(url, headers=headers, body=b"List-Unsubscribe=One-Click")
        return answer.status_code

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Post a promised mail to the hook.

        Raises:
            RuntimeError: the bus did not take it.
        """
        mail = self._mail(payload)
        headers = {"content-type": "message/rfc822", "x-hook-secret": HOOK_SECRET}
        answer = await self.world.post(f"/hooks/email/{self.name}", headers=headers, body=mail)
        if not answer.is_success:
            raise RuntimeError(f"the hook answered {answer.status_code}")

    def _mail(self, payload: Mapping[str, Any]) -> bytes:
        now = self.world.now()
        if payload["what"] == "write":
            return mails.answer(payload["from"], "hello@acme.example", payload["text"], now, subject=payload["subject"])
        entry = next(each for each in self.world.entries if each.id == payload["entry"] and each.channel == "email")
        raw, back = self.raw(entry), str(entry.data["envelope_from"])
        if payload["what"] == "bounce":
            return mails.bounce(entry.to, back, entry.attempt, payload["status"], raw, now)
        if payload["what"] == "complaint":
            return mails.complaint(entry.to, back, raw, now)
        subject, parent = f"Re: {entry.data['subject']}", str(entry.data["message_id"])
        return mails.answer(
            entry.to, str(entry.data["from"]), payload["text"], now, subject=subject, parent=parent, quoted=entry.text
        )  # fmt: skip
