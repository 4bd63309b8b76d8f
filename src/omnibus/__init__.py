"""Omnibus: one customer, six channels, one story.

The face: everything an app or a plugin needs, sorted; nothing is defined here. The bus itself (``Bus``, ``open``,
``open_sync``) is imported when first asked for, so that a plugin's ``import omnibus`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omnibus.channel import Channel, ChannelSettings
from omnibus.endpoint import Desk, Endpoint
from omnibus.errors import (
    Conflict,
    DeliveryError,
    Forged,
    InputError,
    MessageError,
    NotFound,
    OmnibusError,
    Refused,
    TryLater,
    Unknown,
    Unreachable,
)
from omnibus.facet import Facet
from omnibus.facets import Cart, Consent, Conversation, Engagement, Offers, Orders, Profile
from omnibus.hookspecs import hookimpl
from omnibus.model.attempt import Absent, Attempt, Receipt, Report
from omnibus.model.brand import Brand
from omnibus.model.capabilities import Capabilities
from omnibus.model.content import Content, Layout, Loss, Preview
from omnibus.model.context import Context
from omnibus.model.customer import Customer, Identity
from omnibus.model.delivery import Delivery, State
from omnibus.model.draft import Draft, Element, Fact
from omnibus.model.event import Event
from omnibus.model.message import CallToAction, Media, Message, Purpose
from omnibus.model.money import Money
from omnibus.model.request import Request, Response
from omnibus.model.route import Route
from omnibus.model.verdict import Drop, Hold, Reach, Send
from omnibus.policy import Policy
from omnibus.provider import Keep, Provider, ProviderSettings

if TYPE_CHECKING:
    from omnibus.build import open_bus as open  # noqa: A004 - the word of the design: omnibus.open("omnibus.toml")
    from omnibus.bus import Bus
    from omnibus.portal import SyncBus, open_sync

_LATE = {
    "Bus": ("omnibus.bus", "Bus"), "SyncBus": ("omnibus.portal", "SyncBus"), "open": ("omnibus.build", "open_bus"),
    "open_sync": ("omnibus.portal", "open_sync"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'omnibus' has no attribute {name!r}")
    module, attribute = _LATE[name]
    return getattr(import_module(module), attribute)


__all__ = [
    "Absent", "Attempt", "Brand", "Bus", "CallToAction", "Capabilities", "Cart", "Channel", "ChannelSettings",
    "Conflict", "Consent", "Content", "Context", "Conversation", "Customer", "Delivery", "DeliveryError", "Desk", "Draft", "Drop",
    "Element", "Endpoint", "Engagement", "Event", "Facet", "Fact", "Forged", "Hold", "Identity", "InputError",
    "Keep", "Layout", "Loss", "Media", "Message", "MessageError", "Money", "NotFound", "Offers", "OmnibusError",
    "Orders", "Policy", "Preview", "Profile", "Provider", "ProviderSettings", "Purpose", "Reach", "Receipt",
    "Refused", "Report", "Request", "Response", "Route", "Send", "State", "SyncBus", "TryLater", "Unknown",
    "Unreachable", "hookimpl", "open", "open_sync",
]  # fmt: skip
