"""Carry SMS by SMPP 3.4, straight to an SMSC or aggregator.

Source: SMPP v3.4 issue 1.2. Session: ``smpp_session.py``; PDUs and receipts: ``smpp_pdu.py``; codes: ``smpp_codes.py``.

A receipt arrives on the session, not at a URL. It is posted, signed, to our own hook, and acknowledged to the SMSC only
when that answered 2xx: so it is stored like any webhook, and the SMSC tells it again if we fall over meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from ssl import create_default_context
from typing import Any, ClassVar

from smpp34 import DeliverSm

from omnibus import (
    Attempt,
    Content,
    InputError,
    Keep,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    Report,
    Request,
    TryLater,
    Unknown,
)  # fmt: skip
from omnibus.http import Client
from omnibus_sms import own_hook
from omnibus_sms.carrier import MEANINGS, Failure, later, receipt
from omnibus_sms.channel import Sms
from omnibus_sms.phones import E164
from omnibus_sms.reports import Fates, Sent, arrived, heard
from omnibus_sms.smpp_codes import ANSWERS, PAUSE, STATUSES, THROTTLED
from omnibus_sms.smpp_ids import Ids
from omnibus_sms.smpp_pdu import Piece, lasting, pieces, reference, submit, told
from omnibus_sms.smpp_session import Session, bind_body
from omnibus_sms.smpp_settings import SmppSettings

BIND_SECONDS = 10.0  # machine time that connecting and binding may take, at most half the attempt's deadline


class Smpp(Provider):
    """Submit over one bound session; a submit without its answer is Unknown and never repeated by itself."""

    channel: ClassVar[type[Sms]] = Sms
    scheme: ClassVar[str] = "smpp"
    Settings: ClassVar[type[ProviderSettings]] = SmppSettings
    idempotency: ClassVar[Any] = "none"
    max_in_flight: ClassVar[int] = 10

    def __init__(self, settings: Any, **given: Any) -> None:
        super().__init__(settings, **given)
        self._sessions: list[Session] = []  # the last one is used; one before it may still owe answers
        self._closed, self._binding, self._ids = False, asyncio.Lock(), Ids()

    def __str__(self) -> str:
        return f"smpp://{self.account}"

    @property
    def account(self) -> str:
        """Name system id and SMSC."""
        return f"{self.settings.system_id}@{self.settings.host}:{self.settings.port}"

    @property
    def at_once(self) -> int:
        """Hand over as many as the window takes."""
        return int(self.settings.window)

    @cached_property
    def _http(self) -> Client:
        return Client(deadline=10)

    @property
    def _hears(self) -> bool:
        return bool(self.hook_url and self.settings.webhook_secret.get_secret_value())

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Submit each part in order; the receipt is asked for, and the message named, by the last one.

        Raises:
            Unknown: an answer is lost, or some parts are out and one was refused.
        """
        given = self.settings
        said = given.admit(content, address)
        sender = given.sender(address)
        if len(sender) > 20 or not sender.isascii():
            raise TryLater("bad_sender", account=True)
        parts = pieces(said.text, reference(attempt.id), alphabet=given.alphabet, long=given.long)
        session = await self._bound(attempt.deadline)
        async with self._ids.submitting():
            for number, piece in enumerate(parts):
                id_ = await self._submit(session, piece, (sender, address), first=not number, last=piece is parts[-1])
            self._ids.learn(id_, attempt.id)
        return receipt(id_, said)

    async def _submit(self, session: Session, piece: Piece, way: tuple[str, str], *, first: bool, last: bool) -> str:
        given = self.settings

        def write(sequence: int) -> bytes:
            return submit(
                piece, *way, receipt=self._hears and last, validity=lasting(given.validity),
                service_type=given.service_type, sequence=sequence,
            )  # fmt: skip

        try:
            status, id_ = await session.submit(write)
        except TryLater:
            raise TryLater("not_connected") if first else Unknown("partly_sent") from None
        if status:
            raise self._failure(status) if first else Unknown("partly_sent")
        return id_

    async def check(self) -> None:
        """Bind: proves host, system id and password."""
        await self._bound(2 * BIND_SECONDS)

    def verify(self, request: Request) -> None:
        """Check our own signature."""
        given = self.settings
        secrets = [given.webhook_secret.get_secret_value(), given.previous_webhook_secret.get_secret_value()]
        own_hook.verify(request, secrets, self.now())

    def parse(self, request: Request) -> Sequence[Report]:
        """Read what the session heard."""
        said = request.json()
        if not isinstance(said, dict) or not all(isinstance(said.get(name, ""), str) for name in _TEXTS):
            raise InputError("no deliver_sm", where=request.path)
        person = said.get("from", "")
        if "receipt" in said:
            return self._reported(said)
        if not E164.fullmatch(person) or "text" not in said:
            return ()
        part = {name: said[name] for name in _PART if isinstance(said.get(name), int)}
        id_ = f"{own_hook.digest(request.body)}:received"
        report = Report(id_, "conversation.received", self.now(), identity=("phone", person), data=part)
        return [heard(self.settings, report, said["text"])]

    async def aclose(self) -> None:
        """Unbind and close."""
        self._closed = True
        for session in self._sessions:
            await session.unbind()
        self._sessions.clear()
        await self._http.aclose()

    # ---- inside

    async def _bound(self, deadline: float) -> Session:
        async with self._binding:
            if self._closed:
                raise TryLater("closed")
            if not self._sessions or not self._sessions[-1].alive:
                try:
                    async with asyncio.timeout(min(BIND_SECONDS, deadline / 2)):
                        self._sessions.append(await self._bind())
                except (TimeoutError, Unknown):
                    raise TryLater("bind_failed") from None
                for old in self._sessions[:-2]:
                    await old.close()
                del self._sessions[:-2]
            return self._sessions[-1]

    async def _bind(self) -> Session:
        given, tls = self.settings, create_default_context() if self.settings.tls else None
        session = await Session.open(given.host, given.port, tls, self._heard, window=given.window, idle=given.idle)
        body = bind_body(given.system_id, given.password.get_secret_value(), given.system_type)
        try:
            status = await session.bind("transceiver" if self._hears else "transmitter", body)
        except BaseException:
            await session.close()
            raise
        if status:
            await session.close()
            raise self._failure(status)
        return session

    def _failure(self, status: int) -> Failure:
        own = {int(code, 16): MEANINGS[meaning] for code, meaning in self.settings.statuses.items()}
        says = own.get(status, ANSWERS.get(status, later))
        return says(f"0x{status:02X}", PAUSE if status == THROTTLED else None)

    async def _heard(self, pdu: DeliverSm) -> bool:
        """Post a deliver_sm to our own hook; True when it is stored, or can never be (400: told again, it would be the same)."""
        said = told(pdu, self.settings.alphabet) | {"at": self.now().isoformat()}
        if "receipt" in said:
            attempt = await self._ids.whose(said["receipt"])
            said |= {"attempt": attempt} if attempt else {}
        secret = self.settings.webhook_secret.get_secret_value()
        body = json.dumps(said, ensure_ascii=False).encode()
        try:
            answer = await self._http.request(
                "POST", self.hook_url, content=body, headers=own_hook.headers(body, secret, self.now())
            )
        except (TryLater, Unknown, Refused):
            return False
        return answer.ok or answer.status == 400

    def _reported(self, said: Mapping[str, Any]) -> Sequence[Report]:
        id_, stat, err = said["receipt"], said.get("stat", ""), said.get("err", "")
        kind = STATUSES.get(stat)
        if not id_ or kind is None:
            return ()
        mine = f"{int(id_):X}" if self.settings.receipt_ids == "decimal" and id_.isdecimal() else id_
        sent = Sent(f"{id_}:{stat}", self.now(), said.get("attempt"), mine, said.get("from", ""))
        if kind != "message.failed":
            return [arrived(sent, kind)]
        fates: Fates = self.settings.fates
        return fates.failed(sent, err if err in self.settings.errors else stat)


_TEXTS = ("from", "text", "receipt", "stat", "err", "attempt")
_PART = ("concat_ref", "concat_part", "concat_total")
