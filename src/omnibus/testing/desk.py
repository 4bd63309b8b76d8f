"""The desk in memory: what a plugin's endpoints and receipts are tested against, without store and bus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from omnibus.customers.identities import Recogniser
from omnibus.errors import NotFound
from omnibus.facets import BUILT_IN, Offers
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.customer import Customer
from omnibus.model.event import Event, settled_time
from omnibus.model.offer import Handover, Offer, Redemption, Terms
from omnibus.offers.codes import SHORT, grouped, personal, plain, token
from omnibus.testing.clock import FakeClock
from omnibus.testing.people import People
from omnibus.tokens import Tokens

HANDOVER_SECONDS = 900


class FakeDesk:
    """Be the ``Desk`` of an endpoint under test; facets fold for real, everything else is a dict.

    Args:
        settings: what ``desk.settings`` gives (the channel's own settings object).
        facets: the plugin's facets, beside the built-in ones.
        offers: promotions that ``issue`` and ``redeem`` know.
        public_url: set by ``serve`` when it is empty.
    """

    def __init__(
        self, *, clock: FakeClock | None = None, settings: Any = None, brand: Brand | None = None,
        public_url: str = "", facets: Iterable[type[Any]] = (), offers: Iterable[Offer] = (), key: bytes = b"test key",
    ) -> None:  # fmt: skip
        self.clock = clock or FakeClock()
        self.settings: Any = settings
        self.brand = brand or Brand("Acme", url="https://acme.example")
        self.public_url = public_url
        self.people = People((*BUILT_IN, *facets))
        self._key, self._offers = key, {each.name: each for each in offers}
        self._tokens, self._recogniser = Tokens(key, self.now), Recogniser(key)
        self._codes: dict[str, tuple[str, str]] = {}
        self._won: dict[str, dict[tuple[str, str], Redemption]] = {}
        self._handovers: list[Handover] = []
        self._claimed: dict[str, str] = {}
        self._changed, self._closed = asyncio.Condition(), False

    def now(self) -> datetime:
        """Tell business time."""
        return self.clock.now()

    # ---- who

    async def find(self, kind: str, value: str) -> Customer | None:
        """Find a customer by an identity."""
        return self.people.owner(kind, value)

    async def visitor(self, kind: str, value: str) -> Customer:
        """Find a customer by an identity, or make one with it."""
        return await self.find(kind, value) or await self.add(**{kind: value})

    async def add(
        self, *, id: str = "", name: str = "", locale: str = "", zone: str = "", **identities: str
    ) -> Customer:
        """Make a customer for a test: ``await desk.add(name="Ada", email="ada@example.com", phone="+44…")``."""
        customer = self.people.add(self.now(), id)
        for kind, value in identities.items():
            customer = await self.identify(customer.id, kind, value, evidence="test", verified=True)
        told = {key: value for key, value in {"name": name, "locale": locale, "zone": zone}.items() if value}
        if told:
            await self.track(customer.id, "customer.updated", told, id=f"add:{customer.id}", source="test")
        return customer

    async def identify(
        self, customer: str, kind: str, value: str, *, evidence: str, verified: bool = False
    ) -> Customer:
        """Give one more identity; merge when it is another's."""
        owner, me = self.people.owner(kind, value), self.people.who(customer)
        if owner is not None and owner.id != me:
            made = self.people.merge(me, owner.id)
            other = owner.id if made.id == me else me
            await self.track(made.id, "customer.merged", {"other": other}, id=f"merge:{other}", source="omnibus")
        new = self._recogniser.identity(kind, value, verified=verified, evidence=evidence)
        made, ref = self.people.give(me, new), new.ref
        data = {"kind": kind, "identity": ref, "evidence": evidence, "verified": verified}
        await self.track(made.id, "customer.identified", data, id=f"identity:{ref}:{verified}", source="omnibus")
        return made

    # ---- what

    async def context(self, customer: str) -> Context:
        """Give what is known of a customer now."""
        return self.people.context(customer)

    async def timeline(self, customer: str, last: int = 20) -> list[Event]:
        """List the last events, oldest first."""
        return self.people.timeline(customer)[-last:]

    async def track(
        self, customer: str, type_: str, data: Mapping[str, Any], *, id: str, at: datetime | None = None, source: str
    ) -> bool:
        """Put a fact on the timeline; False when it was there."""
        time = settled_time((at or self.now()).astimezone(UTC), self.now())
        event = Event(id, source, type_, time, self.people.who(customer), json.loads(json.dumps(data)))
        new = self.people.store(event)
        if new:
            await self._wake()
        return new

    async def sent(self, customer: str, channel: str, delivery: str, **details: Any) -> None:
        """Put a `message.sent` on the timeline as the core would, e.g. a card: ``sent(ada.id, "web", "d1", card={…})``."""
        data = {
            "delivery": delivery, "message": "test", "topic": "general", "purpose": "marketing", "channel": channel,
            "audience": "person", "provider": channel, "attempt": f"{delivery}-1", "identity": "", **details,
        }  # fmt: skip
        await self.track(customer, "message.sent", data, id=f"{delivery}:sent", source="omnibus")

    def stream(self, customer: str) -> AsyncIterator[Context]:
        """Give the context now and after every change until ``close``."""
        return self._stream(customer)

    async def close(self) -> None:
        """End all streams, as the server does when it stops."""
        self._closed = True
        await self._wake()

    # ---- offers

    async def issue(self, customer: str, offer: str) -> Terms:
        """Make an offer theirs (what the core does when a message names it); again: the same code."""
        me, known = self.people.who(customer), self._offers[offer]
        code = known.code or personal(self._key, offer, me)
        self._codes[plain(code)] = (offer, "" if known.kind == "shared" else me)
        ends = known.expires(self.now())
        data = {"offer": offer, "expires": ends.isoformat()} if ends else {"offer": offer}
        await self.track(me, "code.issued", data, id=f"issue:{offer}:{me}", source="omnibus")
        return next(each for each in self._terms(me) if each.offer == offer)

    async def offers(self, customer: str) -> list[Terms]:
        """List what they hold, unredeemed and not expired."""
        held = self.people.context(customer)[Offers].held
        live = {name for name, each in held.items() if not each.redeemed and not self._over(each.expires)}
        return [each for each in self._terms(self.people.who(customer)) if each.offer in live]

    async def redeem(self, code: str, *, basket: str, customer: str = "", source: str) -> Redemption:
        """Redeem: exactly one basket wins a personal code; a shared one counts per person and in total."""
        typed = plain(code)
        name, owner = self._codes.get(typed, ("", ""))
        shared = (each for each in self._offers.values() if each.code and plain(each.code) == typed)
        offer = self._offers.get(name) or next(shared, None)
        if offer is None:
            return Redemption(False, "", basket, "unknown code")
        won = self._won.setdefault(typed, {})
        who = owner or (self.people.who(customer) if customer else "")
        before = won.get((who, basket)) or next((each for (w, _), each in won.items() if w == who and w), None)
        if before is not None:
            same = before.basket == basket
            return before if same else Redemption(False, offer.name, before.basket, "already redeemed", customer=who)
        held = self.people.context(who)[Offers].held.get(offer.name) if who else None
        if self._over(held.expires if held else offer.ends):
            return Redemption(False, offer.name, "", "expired", customer=who)
        if offer.limit is not None and len(won) >= offer.limit:
            return Redemption(False, offer.name, "", "limit reached", customer=who)
        won[who, basket] = Redemption(True, offer.name, basket, percent=offer.percent, customer=who)
        if who:
            data = {"offer": offer.name, "basket": basket}
            await self.track(who, "code.redeemed", data, id=f"redeem:{offer.name}:{who}", source=source)
        return won[who, basket]

    # ---- to the till, and tokens

    async def issue_handover(self, customer: str) -> Handover:
        """Make a signed token and a short code, good for a quarter of an hour."""
        me, number = self.people.who(customer), len(self._handovers)
        sealed = self.seal({"handover": me, "number": str(number)}, HANDOVER_SECONDS)
        ends = self.now() + timedelta(seconds=HANDOVER_SECONDS)
        made = Handover(sealed, grouped(token(self._key, f"handover {number}", SHORT)), me, ends)
        self._handovers.append(made)
        await self.track(me, "handover.issued", {}, id=f"handover:{number}", source="omnibus")
        return made

    async def claim_handover(self, token: str, *, source: str) -> str:
        """Read a token or short code once; the same source may ask again."""
        told = token.strip()
        made = next((h for h in self._handovers if h.token == told or plain(h.short) == plain(told)), None)
        if made is None or self._over(made.expires):
            raise NotFound("this hand-over code is unknown or expired", fix="ask the customer to make a new one")
        if self._claimed.setdefault(made.short, source) != source:
            raise NotFound("this hand-over code was used already", fix="ask the customer to make a new one")
        who = self.people.who(made.customer)
        await self.track(who, "handover.claimed", {}, id=f"claim:{made.short}", source=source)
        return who

    def seal(self, claims: Mapping[str, str], seconds: int) -> str:
        """Sign short-lived claims."""
        return self._tokens.seal(claims, seconds)

    def unseal(self, token: str) -> dict[str, str]:
        """Read claims; Forged when changed or expired."""
        return self._tokens.unseal(token)

    # ---- inside

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _stream(self, customer: str) -> AsyncIterator[Context]:
        seen = -1
        while not self._closed:
            context = self.people.context(customer)
            if context.version != seen:
                seen = context.version
                yield context
                continue
            async with self._changed:
                await self._changed.wait_for(lambda: self._closed or self.people.context(customer).version != seen)  # noqa: B023 - awaited here

    def _terms(self, customer: str) -> list[Terms]:
        held = self.people.context(customer)[Offers].held
        mine = []
        for name, owner in self._codes.values():
            if name in held and (not owner or self.people.who(owner) == customer):
                offer, ends = self._offers[name], held[name].expires
                code = offer.code or personal(self._key, name, owner)
                label = offer.label or f"{offer.percent} % off"
                deadline = f"{ends.day} {ends:%B %Y}" if ends else ""
                mine.append(Terms(name, code, label, offer.percent, ends, deadline))
        return mine

    def _over(self, ends: datetime | None) -> bool:
        return ends is not None and ends <= self.now()
