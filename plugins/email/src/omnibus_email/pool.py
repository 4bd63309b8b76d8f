"""Keep SMTP connections: as many as allowed, each for a while, and know when a lost one may be replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from omnibus import TryLater, Unknown
from omnibus_email.answers import Reply
from omnibus_email.wire import Lost, Peer, Wire

MAILS_PER_CONNECTION = 100  # what many servers allow before they hang up
IDLE = 20.0  # seconds; servers drop idle clients sooner than RFC 5321's five minutes

#: what the server offers → the commands ``MAIL`` and ``RCPT``
Commands = Callable[[Mapping[str, str]], tuple[str, str]]


class Pool:
    """Hand mails over, at most *room* at a time."""

    def __init__(self, room: int) -> None:
        self.idle: list[Wire] = []
        self._room = asyncio.Semaphore(room)
        self._closed = False

    async def hand_over(self, peer: Peer, mail: bytes, commands: Commands, at_dot: Callable[[], None]) -> Reply:
        """Hand one mail over on a kept connection, or on a new one.

        Raises:
            TryLater: no connection, or lost before the final dot: nothing was handed over.
            Unknown: lost after it.
            DeliveryError: the server refused.
        """
        async with self._room:
            wire = self._kept()
            if wire is not None:
                try:
                    return await self._transfer(wire, mail, commands, at_dot)
                except Lost:  # the server closed it meanwhile; nothing was handed over
                    pass
            try:
                return await self._transfer(await Wire.open(peer), mail, commands, at_dot)
            except Lost:
                raise TryLater("not_connected") from None

    async def _transfer(self, wire: Wire, mail: bytes, commands: Commands, at_dot: Callable[[], None]) -> Reply:
        whole = True
        try:
            return await wire.transfer(*commands(wire.offers), mail, at_dot)
        except Lost:
            whole = False
            if wire.past_dot:
                raise Unknown("lost_after_dot") from None
            raise
        except asyncio.CancelledError:  # in the middle of a dialogue: of no more use
            whole = False
            raise
        finally:
            await self._put_back(wire, whole=whole)

    def _kept(self) -> Wire | None:
        if self._closed:
            raise TryLater("closed")
        now = asyncio.get_running_loop().time()
        while self.idle:
            wire = self.idle.pop()
            if now - wire.idle_since < IDLE and wire.mails < MAILS_PER_CONNECTION:
                return wire
            wire.drop()
        return None

    async def _put_back(self, wire: Wire, *, whole: bool) -> None:
        if not whole:
            wire.drop()
        elif self._closed:
            await wire.quit()
        else:
            wire.idle_since = asyncio.get_running_loop().time()
            self.idle.append(wire)

    async def close(self) -> None:
        """Say good-bye on every kept connection; nothing is handed over afterwards."""
        self._closed = True
        while self.idle:
            await self.idle.pop().quit()
