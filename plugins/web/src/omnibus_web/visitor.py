"""A browser page without a browser: it speaks to the bus exactly as ``omnibus.js`` does, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from omnibus import Refused
from omnibus_web.visitors import new_secret


@dataclass(frozen=True, slots=True)
class Told:
    """Hold one server-sent event."""

    id: str
    event: str
    data: str = field(repr=False)


class Visitor:
    """Be one person's browser on the shop's pages.

    Args:
        root: public URL of the bus; ``/web/…`` is below it.
        origin: of the shop's pages, as browsers send it.
        sign: the shop's backend: signs (kind, value) of who is logged in.
        on_cards: told of every new list of cards.
    """

    def __init__(
        self, root: str, *, origin: str = "", sign: Callable[[str, str], str] | None = None,
        on_cards: Callable[[list[dict[str, Any]]], None] | None = None, name: str = "visitor",
    ) -> None:  # fmt: skip
        self.name, self.cards, self.views = name, list[dict[str, Any]](), list[dict[str, Any]]()
        self.secret, self.token, self.last = "", "", ""
        self._root, self._origin, self._sign, self._on_cards = root.rstrip("/"), origin, sign, on_cards
        self._events, self._nonce = 0, new_secret()[:10]
        self._changed = asyncio.Condition()
        self._watching: asyncio.Task[None] | None = None
        self._client: aiohttp.ClientSession | None = None

    # ---- what a person does

    async def arrive(self) -> None:
        """Open the shop, as somebody new or as the one who was here before."""
        await self._visit()
        await self.track("visit.started")

    async def leave(self) -> None:
        """Close the page."""
        await self.track("visit.ended")
        await self.aclose()

    async def view(self, sku: str, name: str = "", **more: str) -> None:
        """Look at a product; *more*: price, currency, url, image."""
        await self.track("product.viewed", {"sku": sku, "name": name or sku, **more})

    async def fill(
        self, cart: str, lines: Iterable[Mapping[str, Any]], *, currency: str = "EUR", url: str = ""
    ) -> None:
        """Put lines into the cart: ``{"sku", "name", "quantity", "price", …}``."""
        await self.track(
            "cart.updated", {"id": cart, "currency": currency, "url": url, "lines": [dict(x) for x in lines]}
        )

    async def clear(self) -> None:
        """Empty the cart."""
        await self.track("cart.cleared")

    async def log_in(self, kind: str, value: str) -> bool:
        """Log in at the shop, whose backend signs who it is; tells whether the visitor was joined to them."""
        if self._sign is None:
            raise ValueError("this visitor's shop signs nothing")
        told = await self.post("identify", {"assertion": self._sign(kind, value)})
        self._take(told)
        return bool(told["identified"])

    async def subscribe(self, subscription: Mapping[str, Any], *purposes: str) -> bool:
        """Allow notifications, and perhaps ``service`` or ``marketing`` by them; *subscription* is the browser's."""
        told = await self.post("push/subscribe", {"subscription": dict(subscription), "purposes": list(purposes)})
        return bool(told["subscribed"])

    async def look(self) -> list[dict[str, Any]]:
        """Read the cards on show now, and tell that they were seen."""
        while True:
            async with self._stream(last="") as answer:
                if answer.status == 204:  # the token is over
                    await self._visit()
                    continue
                async for told in events(answer.content):
                    self._show(json.loads(told.data), told.id)
                    break
                break
        for card in self.cards:
            await self.post("seen", {"card": card["id"]})
        return self.cards

    async def dismiss(self, card: str) -> None:
        """Close a card."""
        await self.post("dismiss", {"card": card})

    async def click(self, card: str) -> None:
        """Follow a card's link."""
        await self.post("click", {"card": card})

    # ---- a page that stays open

    async def watch(self) -> None:
        """Keep the stream open until ``aclose``; it resumes by itself."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    async def until(self, test: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Wait, while watching, for a list of cards that passes *test*.

        Raises:
            Refused: the bus said no meanwhile.
        """
        await self.watch()
        assert self._watching is not None
        waiting = asyncio.ensure_future(self._passes(test))
        await asyncio.wait({waiting, self._watching}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            await self._watching
        return await waiting

    async def _passes(self, test: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        async with self._changed:
            await self._changed.wait_for(lambda: test(self.cards))
        return self.cards

    async def aclose(self) -> None:
        """Close the page and its connections; may be called twice."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        if self._client is not None:
            await self._client.close()
            self._client = None

    # ---- the wire

    async def track(self, type_: str, data: Mapping[str, Any] | None = None, *, id: str = "") -> bool:
        """Tell one event; returns whether it was new."""
        self._events += 1
        # the number rises, for events of one moment fold in the order of their ids
        name = id or f"{self._events:06d}-{self._nonce}"
        told = await self.post("track", {"id": name, "type": type_, "data": dict(data or {})})
        return bool(told["new"])

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post with the page's token, renewed once when it is over.

        Raises:
            Refused: the bus said no.
        """
        for _ in range(2):
            if not self.token:
                await self._visit()
            status, told = await self._post(path, {**body, "token": self.token})
            if status != 401 or path == "identify":
                break
            self.token = ""
        if status != 200:
            raise Refused(f"http_{status}")
        return told

    async def _visit(self) -> None:
        status, told = await self._post("visit", {"visitor": self.secret} if self.secret else {})
        if status != 200:
            raise Refused(f"http_{status}")
        self._take(told)

    def _take(self, told: Mapping[str, Any]) -> None:
        self.secret, self.token = told.get("visitor", self.secret), told.get("token", self.token)

    async def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        headers = {"content-type": "text/plain", **self._headers()}
        async with self._http().post(f"{self._root}/web/{path}", data=json.dumps(body), headers=headers) as answer:
            told = await answer.json(content_type=None)
            return answer.status, told if isinstance(told, dict) else {}

    def _stream(self, last: str) -> Any:
        headers = {"accept": "text/event-stream", **self._headers(), **({"last-event-id": last} if last else {})}
        url = f"{self._root}/web/stream"
        return self._http().get(url, params={"token": self.token}, headers=headers)

    async def _watch(self) -> None:
        while True:
            async with self._stream(self.last) as answer:
                if answer.status == 204:
                    await self._visit()
                    continue
                if answer.status != 200:
                    raise Refused(f"http_{answer.status}")
                async for told in events(answer.content):
                    self._show(json.loads(told.data), told.id)
                    async with self._changed:
                        self._changed.notify_all()

    def _show(self, state: Mapping[str, Any], mark: str) -> None:
        self.cards, self.views, self.last = state["cards"], state["views"], mark
        if self._on_cards is not None:
            self._on_cards(self.cards)

    def _headers(self) -> dict[str, str]:
        return {"origin": self._origin} if self._origin else {}

    def _http(self) -> aiohttp.ClientSession:
        if self._client is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=10)
            self._client = aiohttp.ClientSession(timeout=timeout)
        return self._client


async def events(lines: AsyncIterator[bytes]) -> AsyncIterator[Told]:
    """Read server-sent events as a browser does: comments skipped, no event without data.

    Source: WHATWG HTML §9.2.6.
    """
    last, event, data = "", "", list[str]()
    async for raw in lines:
        line = raw.decode().rstrip("\r\n")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Told(last, event or "message", "\n".join(data))
            event, data = "", []
        elif name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id" and "\0" not in value:
            last = value
