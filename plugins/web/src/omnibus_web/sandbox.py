"""The shop: its pages, its backend that signs who is logged in, and its visitors. What they see goes to the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from omnibus import Request, Response
from omnibus.testing import Entry, HttpSandbox, World
from omnibus_web.preview import card_page
from omnibus_web.shop import SCRIPT, STYLE, shop_page
from omnibus_web.visitor import Visitor
from omnibus_web.visitors import assertion

SECRET = "sandbox-identify-secret"  # noqa: S105 - the sandbox's own, for loopback only


class ShopSandbox(HttpSandbox):
    """Be the web shop on loopback: pages that load the module, a log-in, and people without a browser.

    The ledger gets an entry ``card`` when a visitor first sees a card (id: the delivery's, *to*: the visitor's
    name) and ``card-gone`` when it is no longer there.
    """

    channel: ClassVar[str] = "web"
    name: ClassVar[str] = "site"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.visitors: dict[str, Visitor] = {}
        self._on_show: dict[str, dict[str, str]] = {}
        for entry in world.entries:
            self._remember(entry)

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Point the channel at this shop."""
        return {"web": {"provider": "site", "origins": [self.base_url], "identify_secret": SECRET}}

    async def answer(self, request: Request) -> Response:  # noqa: PLR0911 - one return a page
        """Serve the shop: its page, and ``/login?email=…`` with the backend's signed word."""
        if request.method != "GET":
            return Response.of_text("method not allowed", 405)
        if request.path == "/":
            page = Response.of_text(shop_page(self.world.public_url), 200, "text/html")
            return Response(200, page.body, {**page.headers, "content-security-policy": policy(self.world.public_url)})
        if request.path == "/shop.js":
            return Response.of_text(SCRIPT, 200, "text/javascript")
        if request.path == "/shop.css":
            return Response.of_text(STYLE, 200, "text/css")
        if request.path == "/omnibus-worker.js":
            body = f"importScripts({json.dumps(self.world.public_url + '/web/worker.js')});"
            return Response.of_text(body, 200, "text/javascript")
        email = request.query.get("email", "")
        if request.path == "/login" and "@" in email:
            return Response.of_json({"assertion": self.sign("email", email)})
        return Response.of_text("not found", 404)

    def sign(self, kind: str, value: str) -> str:
        """Sign, as the shop's backend, who is logged in."""
        return assertion(SECRET, kind, value, now=self.world.now())

    def visitor(self, name: str) -> Visitor:
        """Give the browser of one person; the same name is the same browser while the shop runs."""
        if name not in self.visitors:
            self.visitors[name] = Visitor(
                self.world.public_url, origin=self.base_url, sign=self.sign, name=name,
                on_cards=lambda cards: self._saw(name, cards),
            )  # fmt: skip
        return self.visitors[name]

    async def stop(self) -> None:
        """Close all pages and the shop."""
        for visitor in self.visitors.values():
            await visitor.aclose()
        self.visitors.clear()
        await super().stop()

    def _saw(self, name: str, cards: list[dict[str, Any]]) -> None:
        before, now = self._on_show.setdefault(name, {}), {card["id"]: card for card in cards}
        for card in cards:
            if card["id"] not in before:
                self._record(name, card["id"], "card", card_words(card), {"card": card})
        for gone in [each for each in before if each not in now]:
            self._record(name, gone, "card-gone", before[gone], {})
        folder = self.world.folder / "web"
        folder.mkdir(exist_ok=True)
        safe = "".join(each if each.isalnum() or each in "-_" else "_" for each in name)
        (folder / f"{safe}.html").write_text(card_page(*cards, title=f"{name} sees"), encoding="utf-8")

    def _record(self, name: str, card: str, kind: str, words: str, data: dict[str, Any]) -> None:
        at = self.world.now().isoformat()
        entry = Entry(card, at, self.channel, self.name, kind, to=name, attempt=card, text=words, data=data)
        self._remember(self.world.record(entry))

    def _remember(self, entry: Entry) -> None:
        if entry.channel == self.channel and entry.kind == "card":
            self._on_show.setdefault(entry.to, {})[entry.id] = entry.text
        elif entry.channel == self.channel and entry.kind == "card-gone":
            self._on_show.setdefault(entry.to, {}).pop(entry.id, None)


def card_words(card: Mapping[str, Any]) -> str:
    """Write a card as a person reads it."""
    link = f"{card['label']}: {card['url']}" if card["url"] else ""
    offer = [card["offer"], *(each for each in (card["code"], card["deadline"]) if each not in card["offer"])]
    lines = (card["headline"], card["body"], " ".join(filter(None, offer)), link, *card["notes"])
    return "\n".join(filter(None, lines))


def policy(public_url: str) -> str:
    """Write a strict Content Security Policy: the module needs no more than its own origin, for code and for talking."""
    return (
        f"default-src 'none'; script-src 'self' {public_url}; connect-src 'self' {public_url}; style-src 'self'; worker-src 'self'; "
        "img-src 'self' https: data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
