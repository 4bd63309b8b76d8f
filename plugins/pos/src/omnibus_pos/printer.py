"""ESC/POS printers over raw TCP (port 9100) for the channel ``receipt``: LAN only, there is no login.

Asked for its status before a job (paper out, cover open: later) and after it: only a status byte behind the last
byte of the job proves that the printer took it. It removes no repeats: ``idempotency`` is none, and a job id stands
on the paper so that staff can tell.

Pages: Epson "ESC/POS Command Reference" (https://download4.epson.biz/sec_pubs/pos/reference_en/escpos/)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, cast

from pydantic import BeforeValidator, Field, model_validator

from omnibus import Attempt, Content, Keep, Provider, ProviderSettings, Receipt, Refused, TryLater, Unknown
from omnibus_pos.commands import PAGES, Ink, Page, job
from omnibus_pos.line import NEAR_END, NO_PAPER, OFFLINE, PAPER, PRINTER, Line, connected, trouble
from omnibus_pos.models import code_pages
from omnibus_pos.receipt import PaperReceipt, ReceiptContent


def _listed(told: Any) -> Any:
    return tuple(each.strip() for each in told.split(",")) if isinstance(told, str) else told


class EscposSettings(ProviderSettings):
    """Take ``escpos://host:port?codepages=cp858,cp866:17``.

    Args:
        model: as python-escpos names it, e.g. ``TM-T88V`` or ``POS-5890``; code pages then have its numbers.
        codepages: those the printer has, the preferred one first; ``name`` or ``name:number`` where it differs by model.
        status: ask for status bytes; false only for a print server that answers none: then nothing proves a print.
        connect_seconds, status_seconds: how long to wait for the connection and for a status byte.
        finish_seconds: how long a job may take until the printer answers again.
    """

    host: str
    port: int = Field(default=9100, ge=1, le=65535)
    model: str = ""
    codepages: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ("cp858",)
    status: bool = True
    connect_seconds: float = Field(default=3.0, gt=0)
    status_seconds: float = Field(default=2.0, gt=0)
    finish_seconds: float = Field(default=12.0, gt=0)

    @model_validator(mode="after")
    def _known(self) -> Self:
        """Refuse a code page that we cannot spell in, or that the model has not."""
        has = self._has()
        for each in self.codepages:
            name, _, number = each.partition(":")
            if name not in PAGES or (number and not (number.isdecimal() and int(number) < 256)):
                raise ValueError(f"codepages: write name or name:number, the name one of {', '.join(PAGES)}")
            if not number and name not in has:
                raise ValueError(f"codepages: this model has {', '.join(has)}")
        if not self.codepages:
            raise ValueError("codepages: name at least one")
        return self

    def _has(self) -> Mapping[str, int]:
        return code_pages(self.model) if self.model else PAGES

    @property
    def pages(self) -> tuple[Page, ...]:
        """Give the code pages with their numbers."""
        has, parts = self._has(), [each.partition(":") for each in self.codepages]
        return tuple(Page(name, int(number) if number else has[name]) for name, _, number in parts)


class Escpos(Provider):
    """Print receipts on one network printer."""

    channel = PaperReceipt
    scheme = "escpos"
    Settings = EscposSettings
    idempotency = "none"
    max_in_flight = 1  # a printer serves one client at a time

    _closed = False

    def __str__(self) -> str:
        """Write the DSN."""
        return f"escpos://{self.settings.host}:{self.settings.port}"

    @property
    def account(self) -> str:
        """Name the printer."""
        return f"{self.settings.host}:{self.settings.port}"

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Print one receipt.

        Raises:
            TryLater: no connection, no answer, paper out, cover open: nothing was printed.
            Refused: a price, code, deadline or link has a character that this printer has not.
            Unknown: the line broke or fell silent behind the first byte.
        """
        if self._closed:
            raise TryLater("closed")
        paper, ink = cast("ReceiptContent", content), Ink(self.settings.pages)
        if not all(ink.has(each) for each in paper.must):
            raise Refused("unprintable")
        data = job(paper.pieces, paper.columns, ink)
        async with connected(self.settings.host, self.settings.port, self.settings.connect_seconds) as line:
            if not self.settings.status:
                await line.write(data)
                await line.finish(self.settings.status_seconds)
                return Receipt(None, {"bytes": len(data), "replaced": ink.replaced, "paper": "unknown"})
            await self._ready(line)
            await line.write(data)
            left = await line.ask(PAPER, self.settings.finish_seconds)
        if left is None:
            raise Unknown("no_status")
        if left & NO_PAPER:
            raise Unknown("paper_out_in_job")
        told = "near_end" if left & NEAR_END else "ok"
        return Receipt(None, {"bytes": len(data), "replaced": ink.replaced, "paper": told})

    async def check(self) -> None:
        """Ask the printer how it is; nothing is printed."""
        async with connected(self.settings.host, self.settings.port, self.settings.connect_seconds) as line:
            if self.settings.status:
                await self._ready(line)

    async def aclose(self) -> None:
        """Print nothing any more; connections last one job each."""
        self._closed = True

    async def _ready(self, line: Line) -> None:
        answers = [await line.ask(each, self.settings.status_seconds) for each in (PAPER, PRINTER)]
        paper, printer = answers
        if paper is None or printer is None:
            raise TryLater("no_status")
        cause = await line.ask(OFFLINE, self.settings.status_seconds) if trouble(printer, paper, 0) else 0
        found = trouble(printer, paper, cause or 0)
        if found:
            raise TryLater(found)
