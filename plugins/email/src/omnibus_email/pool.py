"""Keep SMTP connections: as many as allowed, each for a while, and know when a lost one may be replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from omnibus import TryLater, Unknown
from omnibus_email.answers import Reply
from omnibus_email.exchange import Lost
from omnibus_email.wire import Peer, Wire

MAILS_PER_CONNECTION = 100  # what many servers allow before they hang up
IDLE = 20.0  # seconds; servers drop idle clients sooner than RFC 5321's five minutes

#: what the server offers → the commands ``MAIL`` and ``RCPT``
Commands = Callable[[Mapping[str, str]], tuple[str, str]]


class Pool:
    """Hand mails over, at most *room* at a time."""

    def __init__(self, room: int) -> None:
        self.idle: list[Wire] = []
        self._room = asyncio.Semaphore(room)
        self.closed = False

    async def hand_over(self, peer: Peer, mail: bytes, commands: Commands, until: float) -> Reply:
        """Hand one mail over on a kept connection, or on a new one.

        Args:
            until: the loop's time after which it is better to give up before the mail leaves than to wait on.

        Raises:
            TryLater: no connection, or lost before the final dot, or out of patience: nothing was handed over.
            Unknown: lost after it.
            DeliveryError: the server refused.
        """
        try:
            await self._turn(until)
            try:
                return await self._anyhow(peer, mail, commands, until)
            finally:
                self._room.release()
        except TimeoutError:
            raise TryLater("timeout_before_dot") from None

    async def _turn(self, until: float) -> None:
        if not self._room.locked():
            await self._room.acquire()  # at once
            return
        async with asyncio.timeout_at(until):
            await self._room.acquire()

    async def _anyhow(self, peer: Peer, mail: bytes, commands: Commands, until: float) -> Reply:
        wire = self._kept()
        if wire is not None:
            try:
                return await self._transfer(wire, mail, commands, until)
            except Lost:  # the server closed it meanwhile; nothing was handed over
                pass
        try:
            async with asyncio.timeout_at(until):
                wire = await Wire.open(peer)
            return await self._transfer(wire, mail, commands, until)
        except Lost:
            raise TryLater("not_connected") from None

    async def _transfer(self, wire: Wire, mail: bytes, commands: Commands, until: float) -> Reply:
        whole = True
        try:
            return await wire.transfer(*commands(wire.offers), mail, until)
        except Lost:
            whole = False
            if wire.past_dot:
                raise Unknown("lost_after_dot") from None
            raise
        except (TimeoutError, asyncio.CancelledError):  # in the middle of a dialogue: of no more use
            whole = False
            raise
        finally:
            await self._put_back(wire, whole=whole)

    def _kept(self) -> Wire | None:
        if self.closed:
            raise TryLater("closed")
        now = asyncio.get_running_loop().time()
        while self.idle:
            wire = self.idle.pop()
            if not wire.lost and now - wire.idle_since < IDLE and wire.mails < MAILS_PER_CONNECTION:
                return wire
            wire.drop()
        return None

    async def _put_back(self, wire: Wire, *, whole: bool) -> None:
        if not whole:
            wire.drop()
        elif self.closed:
            await wire.quit()
        else:
            wire.idle_since = asyncio.get_running_loop().time()
            self.idle.append(wire)

    async def close(self) -> None:
        """Say good-bye on every kept connection; nothing is handed over afterwards."""
        self.closed = True
        while self.idle:
            await self.idle.pop().quit()
