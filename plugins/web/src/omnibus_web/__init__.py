"""The web channel of Omnibus: cards on the shop's own pages, and notifications of the browser for who is elsewhere."""

from collections.abc import Callable

from omnibus import hookimpl
from omnibus_web.cards import Card, Cards
from omnibus_web.channel import CardContent, Web
from omnibus_web.endpoints import ENDPOINTS
from omnibus_web.push import Push, PushContent
from omnibus_web.site import Site
from omnibus_web.subscriptions import Subscriptions
from omnibus_web.vapid import new_private_key, public_text
from omnibus_web.visitors import assertion, reference
from omnibus_web.webpush import WebPush

__all__ = [
    "Card", "CardContent", "Cards", "Push", "PushContent", "Site", "Subscriptions", "Web", "WebPush", "assertion",
    "new_private_key", "omnibus_register", "omnibus_sandbox", "public_text", "reference",
]  # fmt: skip


@hookimpl
def omnibus_register(register: Callable[..., None]) -> None:
    """Bring both channels, their carriers and facets, and what pages call."""
    register(Web, Site, Cards, Push, WebPush, Subscriptions, *ENDPOINTS)


@hookimpl
def omnibus_sandbox(register: Callable[..., None]) -> None:
    """Bring the shop with its visitors, and a push service with its browsers."""
    from omnibus_web.push_sandbox import PushSandbox  # noqa: PLC0415 - only tests and the demo need them
    from omnibus_web.sandbox import ShopSandbox  # noqa: PLC0415

    register(ShopSandbox, PushSandbox)
