"""What tests of campaigns begin with and look at: many people, sums that add up, who was written to."""

from __future__ import annotations

from typing import Any

from omnibus.model.event import Event

MESSAGE = "# {{ customer.first_name }}, news\n\nYour boots are here.\n"


async def people(shop: Any, count: int, start: int = 0) -> list[str]:
    """Make customers who allow everything, in chunks."""
    identity = shop.bus.customers.recogniser.identity
    names = [f"c{number:05d}" for number in range(start, start + count)]
    await shop.bus.parts.store.create(
        [(each, [identity("email", f"{each}@example.com")]) for each in names], shop.clock.now()
    )
    told = {"channel": "*", "purpose": "marketing", "topic": "*"}
    now = shop.clock.now()
    await shop.bus.parts.inbox.put(
        [Event(f"yes-{each}", "test", "consent.granted", now, each, told) for each in names]
        + [
            Event(f"name-{each}", "test", "customer.updated", now, each, {"first_name": each.upper()}) for each in names
        ],
        quiet=True,
    )
    return names


async def told(shop: Any, name: str = "spring") -> dict[str, object]:
    """Give the sums, and hold them against each other."""
    progress = await shop.bus.campaigns.status(name)
    campaign = progress.campaign
    assert campaign.recipients == campaign.expanded + campaign.left
    assert campaign.accepted == progress.final + progress.waiting
    await shop.balanced()
    return {
        "standing": progress.standing,
        "recipients": campaign.recipients,
        "expanded": campaign.expanded,
        **progress.states,
    }


def addresses(shop: Any) -> list[str]:
    """List who was written to, in order."""
    return [each.address for each in shop.wire("mail").handed]
