"""BUILD: settings → plugins → a bus. The only place that knows how everything fits together; the parts are made in ``parts``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from omnibus.bell import Bell
from omnibus.bus import Bus
from omnibus.campaigns.campaigns import Campaigns
from omnibus.customers.identities import Recogniser
from omnibus.customers.register import Customers
from omnibus.inbound.advance import Journeys
from omnibus.inbound.inbox import Inbox
from omnibus.model.brand import Brand
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.model.ids import Ids
from omnibus.offers.promises import Promises
from omnibus.outbound.compose import Composer
from omnibus.outbound.dispatch import Dispatcher
from omnibus.outbound.pruning import Pruner
from omnibus.outbound.road import fact
from omnibus.outbound.wishing import Wishes
from omnibus.parts.lines import make_lines
from omnibus.parts.messages import make_journeys, make_messages, picker
from omnibus.parts.now import Now, system_now
from omnibus.parts.plugins import load_plugins
from omnibus.parts.policies import make_policies
from omnibus.parts.road import make_road
from omnibus.parts.store import make_store
from omnibus.parts.whole import Parts
from omnibus.plugins import Registry
from omnibus.roll import Roll
from omnibus.settings import Settings, load
from omnibus.timeline import Timeline
from omnibus.tokens import Sealer, Tokens
from omnibus.tracking.links import Links
from omnibus.writing.brand import read_brand
from omnibus.writing.drafts import Writer, terms_for


def build(
    settings: Settings, *, now: Now = system_now, plugins: Iterable[Any] = (), slots: int = 50, strict: bool = True
) -> Bus:
    """Put a bus together; nothing is opened yet.

    Args:
        now: business time; virtual in tests and in the simulator.
        plugins: plugin objects handed in, beside those that the configuration enables.
        strict: a broken channel stops the start; `doctor` looks at the rest without.

    Raises:
        ConfigError: a wrong key or value, a channel that no installed plugin brings.
        MessageError, JourneyError: a wrong file.
    """
    loaded, key, brand = load_plugins(settings, plugins), settings.read_key(), make_brand(settings)
    registry, ids, bell, tokens, recogniser = loaded.registry, Ids(), Bell(), Tokens(key, now), Recogniser(key)
    lines = make_lines(settings, loaded, now, strict=strict)
    messages = make_messages(settings, registry)
    store = make_store(settings.omnibus.store, now)
    timeline = Timeline(store, registry.facets, now)
    links = Links(tokens, settings.omnibus.public_url, brand.senders.get("unsubscribe", ""))
    tracked = links.tracked if settings.tracking.clicks else None
    composer = Composer(Writer(brand), brand, picker(messages), links.opt_out, tracked)
    promises = Promises(settings.offers, key, store, timeline, terms_for, tokens, brand.zone)
    policies, sealer = make_policies(settings, registry), Sealer(key, "notes")
    road = make_road(settings, timeline, lines, policies, composer, promises, sealer, ids, strict=strict)
    wishes = Wishes(messages.pick, lines, ids, brand.name, now)
    inbox = Inbox(timeline, ids, recogniser.identity, _types(registry))
    journeys = make_journeys(settings, registry, messages)
    return Bus(
        Parts(
            settings, loaded, store, timeline, Customers(timeline, recogniser, ids), inbox,
            Journeys(timeline, ids, journeys, wishes.of_journey, wishes.publication, brand.zone),
            _campaigns(timeline, ids, recogniser, wishes), road, Dispatcher(road, slots=slots), promises, messages,
            wishes, brand, tokens, links, bell, ids, Pruner(store, now, settings.keep),
        )
    )  # fmt: skip


def make_brand(settings: Settings) -> Brand:
    """Read who speaks; in the zone of the settings, where the brand names none.

    Raises:
        MessageError: there is no such file, or it is wrong.
    """
    brand = read_brand(settings.omnibus.brand)
    zone = settings.omnibus.zone
    return replace(brand, zone=zone) if zone and brand.zone == "UTC" else brand


def _types(registry: Registry) -> frozenset[str]:
    return frozenset(each for facet in registry.facets.values() for each in facet.hears if not each.endswith("*"))


def _campaigns(timeline: Timeline, ids: Ids, recogniser: Recogniser, wishes: Wishes) -> Campaigns:
    def dropped(delivery: Delivery, at: datetime, why: str) -> Event:
        return fact("message.dropped", delivery, at, f"{delivery.id}:dropped", {"reason": why})

    roll = timeline.store if isinstance(timeline.store, Roll) else None
    return Campaigns(roll, timeline, ids, recogniser.identity, wishes.of_campaign, dropped)


def open_bus(
    path: Path | str = "omnibus.toml", *, now: Now = system_now, plugins: Iterable[Any] = (), **overrides: Any
) -> Bus:
    """Read a configuration and build its bus: ``async with omnibus.open("omnibus.toml") as bus``."""
    return build(load(path, **overrides), now=now, plugins=plugins)
