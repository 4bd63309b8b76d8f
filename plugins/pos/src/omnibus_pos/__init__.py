"""The till: a card on the clerk's screen, the till API behind it, and the receipt on paper.

Start with ``channel.py`` (the card) and ``receipt.py`` (the paper); ``counter.py`` is what a till calls.
"""

from collections.abc import Callable

from omnibus import hookimpl
from omnibus_pos.cards import TillCard, TillCards
from omnibus_pos.channel import CardContent, Pos
from omnibus_pos.counter import endpoints
from omnibus_pos.loyalty import Loyalty
from omnibus_pos.printer import Escpos
from omnibus_pos.receipt import PaperReceipt, ReceiptContent
from omnibus_pos.screen import TillScreen
from omnibus_pos.square import Square

__all__ = [
    "CardContent", "Escpos", "Loyalty", "PaperReceipt", "Pos", "ReceiptContent", "Square", "TillCard", "TillCards", "TillScreen",
    "omnibus_register", "omnibus_sandbox",
]  # fmt: skip


@hookimpl
def omnibus_register(register: Callable[..., None]) -> None:
    """Bring two channels, their providers, the cards' facet and the till API."""
    register(Pos, PaperReceipt, TillScreen, Square, Escpos, TillCards, Loyalty, *endpoints())


@hookimpl
def omnibus_sandbox(register: Callable[..., None]) -> None:
    """Bring a till and a printer on loopback."""
    from omnibus_pos.sandbox import PrinterSandbox, TillSandbox  # noqa: PLC0415 - only tests and demo pay for it

    register(TillSandbox, PrinterSandbox)
