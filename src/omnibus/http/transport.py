"""The wire as a transport of httpx: for its authentication flows, and for whoever wants an ``httpx.AsyncClient``."""

from __future__ import annotations

from collections.abc import Collection

import httpx

from omnibus.http.ask import Ask, Place, lines
from omnibus.http.wire import Wire


class Transport(httpx.AsyncBaseTransport):
    """Carry httpx's requests over one wire: no cookies, no proxies of the environment, one deadline each.

    Args:
        limit: connections at most.
        deadline: seconds for a whole request, answer body included; httpx's own time-outs are not asked.
        guard: vet every address that a name leads to.
        trusted: ``host:port`` that the guard lets pass.
    """

    def __init__(
        self, limit: int, *, deadline: float = 20.0, guard: bool = False, trusted: Collection[str] = ()
    ) -> None:
        self.wire = Wire(limit, deadline, guard=guard, trusted=trusted)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make one request and read its whole answer.

        Raises:
            DeliveryError: what ``Wire.exchange`` says.
        """
        place = Place(request.method, request.url)
        head = lines([(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw])
        answer = await self.wire.exchange(Ask(place, head, await request.aread()))
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body, request=request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.wire.aclose()
