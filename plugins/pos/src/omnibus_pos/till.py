"""A till that calls the till API over real HTTP, for tests and the demo; what its clerk sees goes into the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from omnibus.testing import Entry, World
from omnibus_pos.passes import Pass, read


class TillRefusal(Exception):
    """Hold what the till API answered instead of 2xx: *status* and the JSON it *told*."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        self.status, self.told = status, told
        super().__init__(f"{status} {told.get('error', '')}")


class Till:
    """Act as the clerk of one terminal; every method raises TillRefusal when the answer is not 2xx."""

    def __init__(self, world: World, terminal: str, key: str) -> None:
        self.world, self.terminal = world, terminal
        self._key, self._public = key, ""

    async def find(self, **identity: str) -> dict[str, Any]:
        """Look a customer up: ``find(phone="+44…")``, or by email, code or loyalty; gives the card."""
        return self._seen(await self.call("GET", f"/customer?{urlencode(identity)}"))

    async def claim(self, token: str) -> dict[str, Any]:
        """Scan a hand-over token, or type its short code; gives the card."""
        return self._seen(await self.call("POST", "/handover", {"token": token}))

    async def card(self, customer: str, *, confirmed: bool = False) -> dict[str, Any]:
        """Look at a customer's card again."""
        asked = "?confirmed=yes" if confirmed else ""
        return self._seen(await self.call("GET", f"/card/{quote(customer, safe='')}{asked}"))

    async def dismiss(self, customer: str, delivery: str) -> dict[str, Any]:
        """Take a card off the screen."""
        return await self.call("POST", "/dismiss", {"customer": customer, "delivery": delivery})

    async def redeem(self, code: str, basket: str, customer: str = "") -> dict[str, Any]:
        """Redeem a code for a basket; ``won`` tells whether."""
        return await self.call("POST", "/redeem", {"code": code, "basket": basket, "customer": customer})

    async def sell(
        self, basket: str, lines: Sequence[Mapping[str, Any]], currency: str, *, customer: str = "",
        codes: Sequence[str] = (), paid: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Sell a basket; *lines* have sku, name, quantity and price."""
        keys = ("sku", "name", "quantity", "price")
        plain = [{key: line[key] for key in keys if key in line} for line in lines]
        told = {"basket": basket, "customer": customer, "currency": currency, "lines": plain, "codes": list(codes)}
        answer = await self.call("POST", "/sale", told if paid is None else {**told, "paid": paid})
        self._note("sale", f"sale-{self.terminal}-{basket}", f"{answer['due']} {currency}", answer)
        return answer

    async def sell_cart(self, card: Mapping[str, Any], basket: str, codes: Sequence[str] = ()) -> dict[str, Any]:
        """Sell the open cart of a card."""
        cart = card["cart"]
        return await self.sell(basket, cart["lines"], cart["currency"], customer=card["customer"], codes=codes)

    async def take_back(
        self, id: str, order: str, customer: str, lines: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, Any]:
        """Take goods back; without *lines* the whole order."""
        told = {"return": id, "order": order, "customer": customer, "lines": [dict(line) for line in lines]}
        return await self.call("POST", "/return", told)

    async def exchange(
        self, id: str, order: str, customer: str, back: Sequence[Mapping[str, Any]], basket: str,
        lines: Sequence[Mapping[str, Any]], currency: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Take *back* and give *lines* for it; ``difference`` is what is still to pay."""
        given = {"return": id, "order": order, "customer": customer, "lines": [dict(line) for line in back]}
        sale = {"basket": basket, "currency": currency, "lines": [dict(line) for line in lines]}
        return await self.call("POST", "/exchange", {"return": given, "sale": sale})

    async def learn_key(self) -> str:
        """Keep the public key, so that `read_offline` needs no network."""
        self._public = str((await self.call("GET", "/key"))["key"])
        return self._public

    def read_offline(self, token: str) -> Pass:
        """Read a pass with the key that was learnt.

        Raises:
            Forged: changed, expired, or of another key.
        """
        return read(token, self._public, self.world.now())

    async def tell_late(
        self, token: str, basket: str, at: datetime, lines: Sequence[Mapping[str, Any]], currency: str
    ) -> dict[str, Any]:
        """Tell a sale that was made offline; ``won`` and ``winner`` say whose code it was."""
        told = {
            "pass": token,
            "basket": basket,
            "at": at.isoformat(),
            "currency": currency,
            "lines": [dict(x) for x in lines],
        }
        return await self.call("POST", "/late", told)

    async def visit(self, customer: str, visit: str, state: str = "started") -> dict[str, Any]:
        """Tell that a customer came (``started``) or left (``ended``)."""
        return await self.call("POST", "/visit", {"customer": customer, "visit": visit, "state": state})

    async def call(self, method: str, path: str, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make one call of the till API."""
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        body = b"" if told is None else json.dumps(told).encode()
        answer = await self.world.post(f"/pos{path}", headers=headers, body=body, method=method)
        read: dict[str, Any] = answer.json()
        if not 200 <= answer.status_code < 300:
            raise TillRefusal(answer.status_code, read)
        return read

    def _seen(self, card: dict[str, Any]) -> dict[str, Any]:
        """Note each waiting card the first time a clerk reads it."""
        for each in card["cards"]:
            text = f"{each['headline']}\n{each['text']}"
            self._note("card", f"card-{each['delivery']}", text, {"customer": card["customer"], **each})
        return card

    def _note(self, kind: str, id: str, text: str, data: Mapping[str, Any]) -> None:
        if any(entry.id == id for entry in self.world.entries):
            return
        at = self.world.now().isoformat()
        self.world.record(Entry(id, at, "pos", "till", kind, text=text, data={"terminal": self.terminal, **data}))
