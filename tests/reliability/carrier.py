"""The plugin that carries to the sink: over HTTP, by the client that all providers use, under the attempt's own key."""

from __future__ import annotations

from typing import Any, ClassVar

from omnibus import Attempt, Content, Keep, Provider, ProviderSettings, Receipt, Unknown, hookimpl
from omnibus.http import Client
from omnibus.testing import FakeChannel


class Mail(FakeChannel):
    name: ClassVar[str] = "mail"


class Sink(Provider):
    channel, scheme, idempotency, key_window = Mail, "sink", "key", 0
    _client: Client | None = None

    class Settings(ProviderSettings):
        host: str
        port: int

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        if self._client is None:
            self._client = Client(f"http://{self.settings.host}:{self.settings.port}/")
        answer = await self._client.request("POST", "", json={"id": attempt.id, "to": address, "text": content.text})
        if answer.status != 200:
            raise Unknown("answer")
        return Receipt(f"sink-{attempt.id}")

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()


@hookimpl
def omnibus_register(register: Any) -> None:
    register(Mail, Sink)
