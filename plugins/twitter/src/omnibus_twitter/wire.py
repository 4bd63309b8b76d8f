"""Call X: authorised, within its limits, every failure one of our four errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from omnibus import Keep, TryLater, Unknown
from omnibus.http import Answer, Client
from omnibus_twitter.answers import error_of
from omnibus_twitter.budget import Budget
from omnibus_twitter.media import load
from omnibus_twitter.oauth import Bearer, signature
from omnibus_twitter.settings import XSettings


class Wire:
    """Hold one account's connections, token and limits; opened by the first call."""

    def __init__(self, settings: XSettings, now: Callable[[], datetime]) -> None:
        self._settings, self._now, self._budget = settings, now, Budget()
        self._client: Client | None = None
        self._fetch: Client | None = None
        self._bearer: Bearer | None = None
        self._closed = False

    async def call(
        self, method: str, path: str, *, keep: Keep | None = None, endpoint: str = "", **body: Any
    ) -> Answer:  # fmt: skip
        """Make one call that succeeds (2xx).

        Args:
            endpoint: what X counts limits by, e.g. ``DELETE /2/tweets/:id``; by default method and path.

        Raises:
            TryLater, Refused, Unreachable, Unknown: by X's answer, or because there was none.
        """
        endpoint = endpoint or f"{method} {path}"
        await self._budget.ask(endpoint, self._now(), keep)
        answer = await self._answer(method, path, keep, body)
        await self._budget.learn(endpoint, answer.headers, self._now(), keep)
        if not answer.ok:
            raise error_of(answer, self._now())
        return answer

    async def harmless(self, method: str, path: str, **rest: Any) -> Answer:
        """Make a call that publishes nothing: when its answer is lost it is simply made again, later."""
        try:
            return await self.call(method, path, **rest)
        except Unknown as lost:
            raise TryLater(lost.reason) from lost

    async def _answer(self, method: str, path: str, keep: Keep | None, body: dict[str, Any]) -> Answer:
        client = self._open()
        if self._bearer is None:
            return await client.request(method, path, **body)
        headers = await self._bearer.header(keep)
        answer = await client.request(method, path, headers=headers, **body)
        if answer.status == 401 and await self._bearer.renew(headers["authorization"], keep):
            answer = await client.request(method, path, headers=await self._bearer.header(keep), **body)
        return answer

    def _open(self) -> Client:
        if self._closed:
            raise TryLater("closed")
        if self._client is None:
            settings = self._settings
            if settings.signs:
                self._client = Client(settings.url, auth=signature(settings, self._now))
            else:
                self._client = Client(settings.url)
                self._bearer = Bearer(settings, self._now, self._client)
        return self._client

    async def picture(self, url: str) -> bytes:
        """Read a picture without credentials; from this machine's own network only where the API is there, too."""
        if self._closed:
            raise TryLater("closed")
        if self._fetch is None:
            self._fetch = Client()
        return await load(url, self._fetch, local=self._settings.url.startswith("http://"))

    async def aclose(self) -> None:
        """Close both clients; may be called twice."""
        self._closed = True
        if self._bearer is not None:
            await self._bearer.aclose()
        for client in (self._client, self._fetch):
            if client is not None:
                await client.aclose()
