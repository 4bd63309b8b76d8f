"""The provider's side of the wire, to inherit: it speaks the provider's format and refuses what the provider would refuse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web

from omnibus.model.request import Request, Response
from omnibus.testing.world import World


class Sandbox(ABC):
    """Be one provider on loopback.

    Args:
        channel: whose ``[channels.<channel>]`` table ``start`` returns.
        name: the provider's scheme; webhooks go to ``/hooks/<channel>/<name>``.
    """

    channel: ClassVar[str]
    name: ClassVar[str]

    def __init__(self, world: World) -> None:
        self.world = world

    @abstractmethod
    async def start(self) -> Mapping[str, Mapping[str, Any]]:
        """Listen on a free loopback port; returns ``{channel: table}`` that points the bus at it, secrets included."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop listening; may be called twice."""

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Send the webhook that was promised with ``world.owe``; raise when the bus did not answer 2xx."""
        raise NotImplementedError(type(self).__name__)


class HttpSandbox(Sandbox):
    """Serve a provider's HTTP API on loopback; a subclass gives ``table`` and ``answer``."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.base_url = ""
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Give the ``{channel: table}`` for the configuration; ``self.base_url`` is known by now."""

    @abstractmethod
    async def answer(self, request: Request) -> Response:
        """Answer one API call as the provider would: refuse bad auth, unknown fields and over-long text first."""

    async def start(self) -> Mapping[str, Mapping[str, Any]]:
        """Listen on a free loopback port."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        return self.table()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = Request(request.method, f"{self.base_url}{request.raw_path}", headers, await request.read())
        answer = await self.answer(told)
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))
