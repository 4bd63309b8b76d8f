"""Requests over connections of aiohttp's, without its session: one deadline each, and never twice by itself.

aiohttp connects, resolves, does TLS and reads answers that are not plain (llhttp). Left out is what its session and its
pool do around them with every request: a request and a response object, cookies, redirects, time-outs; and it would send
again, silently, what a kept connection lost. What is left costs a sixth (docs/decisions/0009-http-seam.md).

A request that was not written was not sent: ``TryLater``. After that everything may have arrived: ``Unknown``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from omnibus.http.answer import Answer
from omnibus.http.ask import Ask
from omnibus.http.lines import Lines
from omnibus.inflight import Deadlines


class Wire:
    """Hold the connections of one client; none before the first request.

    Args:
        limit: connections at most.
        deadline: seconds for a whole request, answer body included.
        guard: vet every address that a name leads to; *trusted* ``host:port`` may be anywhere.
    """

    def __init__(self, limit: int, deadline: float, *, guard: bool = False, trusted: Collection[str] = ()) -> None:
        self._deadline, self._deadlines = deadline, Deadlines()
        self._lines = Lines(limit, deadline / 2, guard=guard, trusted=trusted)

    @property
    def opened(self) -> bool:
        """Tell whether there was a request."""
        return self._lines.opened

    async def exchange(self, ask: Ask) -> Answer:
        """Send one request and read its answer up to the limit; of an error only what there is of it.

        Raises:
            TryLater: it was not sent (``not_connected``).
            Unknown: it may have arrived (``answer_lost``, ``deadline``, ``answer_too_big``).
            Refused: a redirect, or the guard forbids the address (``forbidden_url``).
        """
        loop, lines = asyncio.get_running_loop(), self._lines
        now, origin = loop.time(), ask.place.origin
        until = now + self._deadline
        line = lines.fresh(origin, now) or await lines.take(origin, until)
        self._deadlines.begin(line, until)
        try:
            answer = await line.ask(ask) or await line.read()
            line.answered(answer)
        except BaseException:
            line.close()
            raise
        finally:
            self._deadlines.end(line)
            lines.back(line, loop.time())
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        self._deadlines.close()
        await self._lines.aclose()
