"""RESOLVE: which routes lead to this customer now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from omnibus.channel import Channel
from omnibus.model.context import Context
from omnibus.model.customer import Identity
from omnibus.model.delivery import Delivery, State
from omnibus.model.route import Route, tried_key
from omnibus.model.swift import swift
from omnibus.provider import Provider


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """Hold a configured channel and who carries it, in the order of failover.

    Args:
        points: what one message costs of the contact budget here.
    """

    channel: Channel
    providers: tuple[Provider, ...] = field(repr=False)
    points: int = 1

    def provider(self, scheme: str) -> Provider:
        """Give one of them.

        Raises:
            LookupError: no such one.
        """
        for each in self.providers:
            if each.scheme == scheme:
                return each
        raise LookupError(f"{self.channel.name} has no provider {scheme}")


Lines = Mapping[tuple[str, str], ChannelLine]


@swift
@dataclass(frozen=True, slots=True)
class Resolved:
    """Hold the routes, why others are none, and until when a resting provider keeps the rest away."""

    routes: tuple[Route, ...]
    without: tuple[str, ...] = ()
    rests_until: datetime | None = None


def resolve(
    delivery: Delivery, context: Context, lines: Lines, now: datetime, pauses: Mapping[str, tuple[datetime, str]]
) -> Resolved:
    """List the routes a delivery may take, those that already failed left out; pure.

    Of a channel's providers the first that does not rest is taken: failover that heals by itself.
    What may have arrived already goes the same way again or not at all, never by another provider.
    """
    doubtful = delivery.channel and (delivery.flagged or delivery.state is State.UNKNOWN)
    pinned = tried_key(delivery.channel, delivery.provider, delivery.identity) if doubtful else ""
    routes: list[Route] = []
    without: list[str] = []
    rests: list[datetime] = []
    for name in delivery.via:
        line = lines.get((name, delivery.audience))
        if line is None:
            without.append(f"{name}: not enabled")
            continue
        identities = _identities(line.channel, context)
        if not identities:
            without.append(f"{name}: no {line.channel.identity} known")
            continue
        reach, capabilities = line.channel.reach(context, now), line.channel.capabilities
        points = 0 if capabilities.ambient else line.points
        for identity in identities:
            awake: Sequence[Provider] = line.providers
            if pinned or delivery.tried:
                ref = identity.ref if identity else ""
                keys = {tried_key(name, each.scheme, ref): each for each in awake}
                awake = [each for key, each in keys.items() if key not in delivery.tried and pinned in ("", key)]
            ready = [each for each in awake if provider_key(name, each) not in pauses] if pauses else awake
            if ready:
                scheme = ready[0].scheme
                routes.append(Route(name, line.channel.audience, scheme, identity, capabilities, reach, points))
            else:
                rests += [pauses[provider_key(name, each)][0] for each in awake]
    return Resolved(tuple(routes), tuple(without), min(rests) if rests else None)


def _identities(channel: Channel, context: Context) -> Sequence[Identity | None]:
    if channel.identity is None or channel.audience == "public":
        return [None]
    return context.customer.reached_by(channel.identity)


def provider_key(channel: str, provider: Provider) -> str:
    """Name a provider for pauses and rates, the same for every worker."""
    return f"{channel}/{provider.scheme}"
