"""PORT: a server route that a plugin brings, and the narrow face of the bus it gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.customer import Customer
from omnibus.model.event import Event
from omnibus.model.offer import Handover, Redemption, Terms
from omnibus.model.request import Request, Response


class Desk(Protocol):
    """Be what a plugin's server route may do: find, context, track, redeem, stream; never the whole bus."""

    settings: Any
    brand: Brand
    public_url: str

    def now(self) -> datetime:
        """Tell business time, aware UTC."""

    async def find(self, kind: str, value: str) -> Customer | None:
        """Find a customer by an identity; the value is normalised first; follows merges."""

    async def visitor(self, kind: str, value: str) -> Customer:
        """Find a customer by an identity, or make a new, anonymous one with it."""

    async def identify(
        self, customer: str, kind: str, value: str, *, evidence: str, verified: bool = False
    ) -> Customer:
        """Give a customer one more identity; when it is another's, the two become one. Returns who they are now."""

    async def context(self, customer: str) -> Context:
        """Fold what is known of a customer now.

        Raises:
            NotFound: no such customer.
        """

    async def timeline(self, customer: str, last: int = 20) -> list[Event]:
        """List the last events of a customer, oldest first."""

    async def track(
        self, customer: str, type_: str, data: Mapping[str, Any], *, id: str, at: datetime | None = None, source: str
    ) -> bool:
        """Put a fact on a customer's timeline; False when this (source, id) was already there.

        Raises:
            InputError: unknown type, or data that its facet cannot read.
        """

    async def offers(self, customer: str) -> list[Terms]:
        """List what this customer holds and may still redeem."""

    async def redeem(self, code: str, *, basket: str, customer: str = "", source: str) -> Redemption:
        """Redeem a code for a basket: exactly one basket wins; the same basket asks again and gets the same answer."""

    async def issue_handover(self, customer: str) -> Handover:
        """Make a signed token (for a QR) and a short code (to type) that carry cart and offer to the till."""

    async def claim_handover(self, token: str, *, source: str) -> str:
        """Read a token or a typed short code; returns the customer's id.

        Raises:
            NotFound: unknown, forged or expired; reading it twice is reading it once.
        """

    def seal(self, claims: Mapping[str, str], seconds: int) -> str:
        """Sign short-lived claims into a URL-safe token."""

    def unseal(self, token: str) -> dict[str, str]:
        """Read a sealed token.

        Raises:
            Forged: changed, of another key or expired.
        """

    def stream(self, customer: str) -> AsyncIterator[Context]:
        """Give the context now and after every change; ends when the server stops."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Offer one HTTP route under ``/<channel>/…``.

    Args:
        path: below the channel's prefix, e.g. ``/stream``; ``{name}`` parts are passed in ``request.query``.
        handle: gets the request and the desk; errors of the InputError branch become 4xx with their text.
        channel: whose ``[channels.<name>]`` enables it.
    """

    channel: str
    method: str
    path: str
    handle: Callable[[Request, Desk], Awaitable[Response]]
