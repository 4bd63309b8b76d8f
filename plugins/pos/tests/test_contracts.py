"""The printer and the clerk's screen under the provider contract."""

import asyncio
from contextlib import asynccontextmanager
from typing import ClassVar

from omnibus import Receipt, TryLater
from omnibus.testing import ProviderContract, sample_attempt, sample_context, sample_draft
from omnibus.testing.faults import Fault
from omnibus_pos import Escpos, PaperReceipt, Pos, TillScreen


class TestTillScreen(ProviderContract):
    provider_class = TillScreen
    without: ClassVar = {
        "network": "the timeline carries the card", "webhooks": "the till API calls us itself",
        "identity": "a card needs no address",
    }  # fmt: skip

    def content(self):
        return Pos().compose(sample_draft("pos"), None, sample_context())

    async def test_closed_it_places_nothing(self):
        provider = self.provider()
        assert isinstance(await self.handed(provider), Receipt)
        await provider.aclose()
        assert isinstance(await self.handed(provider, sample_attempt(2)), TryLater)


class TestEscpos(ProviderContract):
    provider_class = Escpos
    settings: ClassVar = {"host": "127.0.0.1", "port": 1, "codepages": "cp858", "finish_seconds": 30}
    faults = (Fault.REFUSED, Fault.RESET_BEFORE, Fault.RESET, Fault.CLOSED, Fault.HANG)
    without: ClassVar = {
        "http": "ESC/POS is a byte stream", "webhooks": "a printer tells nothing by itself",
        "identity": "it stands in the store",
    }  # fmt: skip

    def content(self):
        return PaperReceipt().compose(sample_draft("receipt"), None, sample_context())

    @asynccontextmanager
    async def faulty(self, fault):
        async def served(reader, writer):
            try:
                for _ in range(0 if fault is Fault.RESET_BEFORE else 2):
                    await reader.readexactly(3)
                    writer.write(b"\x12")
                if fault is not Fault.RESET_BEFORE:
                    await reader.readuntil(b"\x1dV")
                if fault is Fault.HANG:
                    await reader.read()
                if fault is Fault.CLOSED:
                    writer.close()
                else:
                    writer.transport.abort()
            except (OSError, asyncio.IncompleteReadError):
                writer.transport.abort()

        server = await asyncio.start_server(served, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if fault is Fault.REFUSED:
            server.close()
            await server.wait_closed()
        provider = self.provider(port=port)
        yield provider
        await provider.aclose()
        server.close()
