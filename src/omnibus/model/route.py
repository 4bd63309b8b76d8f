"""One way this message could reach this customer now."""

from __future__ import annotations

from dataclasses import dataclass

from omnibus.model.capabilities import Audience, Capabilities
from omnibus.model.customer import Identity
from omnibus.model.swift import swift
from omnibus.model.verdict import Reach


@swift
@dataclass(frozen=True, slots=True)
class Route:
    """Name channel, provider and identity; policies judge it.

    Args:
        identity: how the person is reached; None where the channel needs none (public, ambient).
        reach: whether and until when the channel may speak to this customer.
        points: what it costs of the contact budget.
    """

    channel: str
    audience: Audience
    provider: str
    identity: Identity | None
    capabilities: Capabilities
    reach: Reach
    points: int

    @property
    def name(self) -> str:
        """Write it for people and logs: channel and provider, no address."""
        return f"{self.channel}/{self.provider}"


def tried_key(channel: str, provider: str, identity: str) -> str:
    """Name a way as `Delivery.tried` keeps it; *identity* is its ref, never an address, and empty where there is none."""
    return f"{channel}/{provider}/{identity}"
