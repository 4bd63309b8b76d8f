"""The till: a card on the clerk's screen, the till API behind it, and the receipt on paper.

Start with ``channel.py`` (the card) and ``receipt.py`` (the paper); ``counter.py`` is what a till calls.
"""

from collections.abc import Callable

from omnibus import hookimpl
from omnibus_pos.cards import TillCard, TillCards
from omnibus_pos.channel import CardContent, Pos
from omnibus_pos.counter import endpoints
from omnibus_pos.display import Display, DisplayContent
from omnibus_pos.passes import Passes
from omnibus_pos.points import Points
from omnibus_pos.pole import Pole
from omnibus_pos.printer import Escpos
from omnibus_pos.receipt import PaperReceipt, ReceiptContent
from omnibus_pos.screen import TillScreen
from omnibus_pos.shopify import Shopify
from omnibus_pos.square import Square
from omnibus_pos.stripe import StripeReader

__all__ = [
    "CardContent", "Display", "DisplayContent", "Escpos", "PaperReceipt", "Passes", "Points", "Pole", "Pos",
    "ReceiptContent", "Shopify", "Square", "StripeReader", "TillCard", "TillCards", "TillScreen", "omnibus_register",
    "omnibus_sandbox",
]  # fmt: skip


@hookimpl
def omnibus_register(register: Callable[..., None]) -> None:
    """Bring three channels, their providers, the facets of cards and points, and the till API."""
    register(
        Pos,
        PaperReceipt,
        Display,
        TillScreen,
        Square,
        Shopify,
        Escpos,
        Pole,
        StripeReader,
        TillCards,
        Points,
        *endpoints(),
    )


@hookimpl
def omnibus_sandbox(register: Callable[..., None]) -> None:
    """Bring a till, a printer and a pole display on loopback; Square, Shopify and Stripe have sandboxes to start by hand."""
    from omnibus_pos.sandbox import PoleSandbox, PrinterSandbox, TillSandbox  # noqa: PLC0415 - only tests and demo pay for it

    register(TillSandbox, PrinterSandbox, PoleSandbox)
