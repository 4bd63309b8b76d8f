"""Run the app with uvicorn on a port of this machine, inside the caller's event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from omnibus.bus import Bus
from omnibus.server.app import make_app


class Serving(uvicorn.Server):
    """Leave the process's signals to the caller, and tell when the server listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        self.listens.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serving(bus: Bus, listener: socket.socket) -> AsyncIterator[str]:
    """Serve an open bus on a listening socket; gives the base URL on this machine."""
    closing = asyncio.Event()
    app = make_app(bus, closing)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=3
    )
    server = Serving(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.listens.wait()
        host, port = listener.getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        closing.set()
        bus.parts.bell.ring()
        server.should_exit = True
        await running
        listener.close()
