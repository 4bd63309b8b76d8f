"""The narrow face that a plugin's routes get: one channel's settings, and what a visit may do. Never the bus."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from omnibus.bus import Bus
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.customer import Customer
from omnibus.model.event import Event
from omnibus.model.offer import Handover, Redemption, Terms

POLL = 1.0  # seconds of machine time after which a stream looks by itself: another process may have written


class BusDesk:
    """Serve the endpoints of one channel.

    Args:
        channel: whose validated settings `settings` gives.
        closing: set when the server stops, so that streams end.
    """

    def __init__(self, bus: Bus, channel: str, closing: asyncio.Event) -> None:
        self._bus, self._closing = bus, closing
        self.brand: Brand = bus.parts.brand
        self.public_url = bus.parts.settings.omnibus.public_url
        line = next((line for (name, _), line in bus.lines.items() if name == channel), None)
        self.settings: Any = line.channel.settings if line else None

    def now(self) -> datetime:
        """Tell business time, aware UTC."""
        return self._bus.now()

    async def find(self, kind: str, value: str) -> Customer | None:
        """Find a customer by an identity."""
        return await self._bus.customers.find(kind, value)

    async def visitor(self, kind: str, value: str) -> Customer:
        """Find a customer by an identity, or make a new, anonymous one with it."""
        told: dict[str, Any] = {kind: value}
        return await self._bus.customers.upsert(evidence=kind, **told)

    async def identify(
        self, customer: str, kind: str, value: str, *, evidence: str, verified: bool = False
    ) -> Customer:
        """Give a customer one more identity; two who turn out to be one become one."""
        return await self._bus.customers.identify(customer, kind, value, evidence=evidence, verified=verified)

    async def context(self, customer: str) -> Context:
        """Give what is known of a customer now."""
        return await self._bus.context(customer)

    async def timeline(self, customer: str, last: int = 20) -> list[Event]:
        """List the last events of a customer, oldest first."""
        return await self._bus.timeline(customer, last=last)

    async def track(
        self, customer: str, type_: str, data: Mapping[str, Any], *, id: str, at: datetime | None = None, source: str
    ) -> bool:
        """Put a fact on a customer's timeline; what it says of a delivery moves that delivery, too."""
        return await self._bus.track(customer, type_, data, id=id, at=at, source=source)

    async def offers(self, customer: str) -> list[Terms]:
        """List what this customer may still redeem."""
        return await self._bus.parts.promises.held(customer)

    async def redeem(self, code: str, *, basket: str, customer: str = "", source: str) -> Redemption:
        """Redeem a code for a basket: exactly one basket wins."""
        return await self._bus.redeem(code, basket=basket, customer=customer, source=source)

    async def issue_handover(self, customer: str) -> Handover:
        """Make a token and a short code that carry cart and offer to the till."""
        return await self._bus.parts.promises.hand_over(customer)

    async def claim_handover(self, token: str, *, source: str) -> str:
        """Read a token or a typed short code; gives the customer's id."""
        return await self._bus.parts.promises.claim(token, source=source)

    def seal(self, claims: Mapping[str, str], seconds: int) -> str:
        """Sign short-lived claims into a URL-safe token."""
        return self._bus.parts.tokens.seal(claims, seconds)

    def unseal(self, token: str) -> dict[str, str]:
        """Read a sealed token."""
        return self._bus.parts.tokens.unseal(token)

    async def stream(self, customer: str) -> AsyncIterator[Context]:
        """Give the context now and after every change, until the server stops."""
        seen, who = -1, (await self._bus.customers.get(customer)).id
        while not self._closing.is_set():
            async with self._bus.parts.bell.watch(who) as changed:
                context = await self._bus.context(who)
                if (context.version, context.customer.id) != (seen, who):
                    seen, who = context.version, context.customer.id
                    yield context
                    continue
                try:
                    async with asyncio.timeout(POLL * random.uniform(0.75, 1.25)):  # noqa: S311 - spreads the streams
                        await changed.wait()
                except TimeoutError:
                    continue
