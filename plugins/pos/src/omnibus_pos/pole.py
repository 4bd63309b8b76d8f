"""Pole displays (VFD, 2 × 20) behind a serial server, over raw TCP, for the channel ``display``: LAN only.

They answer nothing, so what was written counts as shown; the last text wins, so the same again is harmless.

Commands: Epson "ESC/POS Command Reference for Customer Display" (ESC @, ESC t, CLR, US $).
"""

from __future__ import annotations

import asyncio
from typing import cast

from pydantic import Field

from omnibus import Attempt, Content, Keep, Provider, ProviderSettings, Receipt, Refused, TryLater
from omnibus_pos.commands import PAGES, Ink, Page
from omnibus_pos.display import Display, DisplayContent
from omnibus_pos.line import connected

INIT, CLEAR, SECOND_ROW = b"\x1b@", b"\x0c", b"\x1f$\x01\x02"
BREAK = 0.5  # seconds in which a broken line shows
SPARE = 2.0  # seconds of the deadline that stay for connecting and closing


class PoleSettings(ProviderSettings):
    """Take ``pole://host:port?codepage=cp858``.

    Args:
        seconds: how long a frame stands.
    """

    host: str
    port: int = Field(default=4001, ge=1, le=65535)
    codepage: str = Field(default="cp437", pattern=f"^({'|'.join(PAGES)})$")
    seconds: float = Field(default=2.0, ge=0, le=10)
    connect_seconds: float = Field(default=3.0, gt=0)


class Pole(Provider):
    """Show frames on a pole display."""

    channel = Display
    scheme = "pole"
    Settings = PoleSettings
    idempotency = "key"  # in effect: the same text again changes nothing
    key_window = 0
    max_in_flight = 1

    _closed = False

    def __str__(self) -> str:
        """Write the DSN."""
        return f"pole://{self.settings.host}:{self.settings.port}"

    @property
    def account(self) -> str:
        """Name the display."""
        return f"{self.settings.host}:{self.settings.port}"

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Show the frames one after the other; the last one stays.

        Raises:
            TryLater: no connection.
            Refused: a price, code, deadline or link has a character that the display has not.
            Unknown: the line broke behind the first byte.
        """
        shown = cast("DisplayContent", content)
        ink = Ink((Page(self.settings.codepage, PAGES[self.settings.codepage]),))
        if not all(ink.has(each) for each in shown.must):
            raise Refused("unprintable")
        await self._write([frame(one, two, ink) for one, two in shown.frames], attempt.deadline)
        return Receipt(attempt.delivery, {"frames": len(shown.frames), "replaced": ink.replaced})

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Clear the display."""
        await self._write([CLEAR], SPARE)

    async def check(self) -> None:
        """Connect; nothing is shown."""
        async with connected(self.settings.host, self.settings.port, self.settings.connect_seconds):
            pass

    async def aclose(self) -> None:
        """Show nothing any more."""
        self._closed = True

    async def _write(self, frames: list[bytes], deadline: float) -> None:
        if self._closed:
            raise TryLater("closed")
        pause = min(self.settings.seconds, max(deadline - SPARE, 0) / max(len(frames), 1))
        async with connected(self.settings.host, self.settings.port, self.settings.connect_seconds) as line:
            for number, each in enumerate(frames):
                if number:
                    await asyncio.sleep(pause)
                await line.write((INIT if number == 0 else b"") + each)
            await line.finish(BREAK)


def frame(one: str, two: str, ink: Ink) -> bytes:
    """Write one frame; text is spelt as for paper, so no byte of it is a command."""
    first, second = (ink.spell(each).replace(b"\n", b" ") for each in (one, two))
    return CLEAR + first + SECOND_ROW + second
