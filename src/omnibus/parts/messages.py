"""Messages and journeys: read, checked against what the installed facets can promise."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from omnibus.model.delivery import Delivery
from omnibus.model.journey import Journey
from omnibus.model.message import Message
from omnibus.outbound.outbox import read_inline
from omnibus.plugins import Registry
from omnibus.premises import knows
from omnibus.settings import Settings
from omnibus.writing.journeys import read_journeys
from omnibus.writing.messages import Messages, read_messages


def make_messages(settings: Settings, registry: Registry) -> Messages:
    """Read the message files.

    Raises:
        MessageError: one is wrong, or its premise or offer is known to nobody.
    """
    return read_messages(
        settings.omnibus.messages, premises=lambda name: knows(registry.facets, name), offers=set(settings.offers)
    )


def make_journeys(settings: Settings, registry: Registry, messages: Messages) -> dict[str, Journey]:
    """Read the journey files.

    Raises:
        JourneyError: one is wrong, or names a message or premise that there is not.
    """
    own = {(name, claim) for name, facet in registry.facets.items() for claim in facet.premises()}
    known = {f"{spelt}.{claim}" for name, claim in own for spelt in (name, name.removesuffix("s"))}
    return read_journeys(settings.omnibus.journeys, messages=messages.names, premises=known)


def picker(messages: Messages) -> Callable[[Delivery, str], Message]:
    """Give what finds a delivery's message in a language: the one handed in with it, or that of a file."""
    read = lru_cache(maxsize=256)(read_inline)  # a message handed in whole goes to many

    def pick(delivery: Delivery, locale: str) -> Message:
        return read(delivery.inline) if delivery.inline else messages.pick(delivery.message, locale)

    return pick
