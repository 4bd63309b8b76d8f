"""The web channel of Omnibus: cards on the shop's own pages, placed by the bus and shown by one small ES module."""

from collections.abc import Callable

from omnibus import hookimpl
from omnibus_web.cards import Card, Cards
from omnibus_web.channel import CardContent, Web
from omnibus_web.endpoints import ENDPOINTS
from omnibus_web.site import Site
from omnibus_web.visitors import assertion, reference

__all__ = [
    "Card",
    "CardContent",
    "Cards",
    "Site",
    "Web",
    "assertion",
    "omnibus_register",
    "omnibus_sandbox",
    "reference",
]


@hookimpl
def omnibus_register(register: Callable[..., None]) -> None:
    """Bring channel, carrier, facet and what pages call."""
    register(Web, Site, Cards, *ENDPOINTS)


@hookimpl
def omnibus_sandbox(register: Callable[..., None]) -> None:
    """Bring the shop and its visitors."""
    from omnibus_web.sandbox import ShopSandbox  # noqa: PLC0415 - only tests and the demo need it

    register(ShopSandbox)
