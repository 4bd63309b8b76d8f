"""All parts of a bus as one."""

from __future__ import annotations

from dataclasses import dataclass

from omnibus.bell import Bell
from omnibus.campaigns.campaigns import Campaigns
from omnibus.customers.register import Customers
from omnibus.inbound.advance import Journeys
from omnibus.inbound.inbox import Inbox
from omnibus.model.brand import Brand
from omnibus.model.ids import Ids
from omnibus.offers.promises import Promises
from omnibus.outbound.dispatch import Dispatcher
from omnibus.outbound.pruning import Pruner
from omnibus.outbound.road import Road
from omnibus.outbound.wishing import Wishes
from omnibus.plugins import Plugins
from omnibus.settings import Settings
from omnibus.store import Store
from omnibus.timeline import Timeline
from omnibus.tokens import Tokens
from omnibus.tracking.links import Links
from omnibus.writing.messages import Messages


@dataclass(frozen=True, slots=True)
class Parts:
    """Hold what ``build`` put together for one bus."""

    settings: Settings
    plugins: Plugins
    store: Store
    timeline: Timeline
    customers: Customers
    inbox: Inbox
    journeys: Journeys
    campaigns: Campaigns
    road: Road
    dispatcher: Dispatcher
    promises: Promises
    messages: Messages
    wishes: Wishes
    brand: Brand
    tokens: Tokens
    links: Links
    bell: Bell
    ids: Ids
    pruner: Pruner
