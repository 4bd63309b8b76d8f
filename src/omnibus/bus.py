"""THE HALL where the roads meet: a place to go through, not to work in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from omnibus.campaigns.campaigns import Everybody
from omnibus.inbound.crossing import Crossing
from omnibus.inbound.door import check_type
from omnibus.inbound.receive import receive
from omnibus.model.campaign import Campaign
from omnibus.model.context import Context
from omnibus.model.customer import Customer
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.model.message import Message, Purpose
from omnibus.model.offer import Redemption
from omnibus.model.request import Request, Response
from omnibus.outbound.accept import Acceptance
from omnibus.outbound.preview import Shown, preview
from omnibus.outbound.resolve import Lines
from omnibus.outbound.take_back import take_back
from omnibus.outbound.why import why
from omnibus.parts import Parts
from omnibus.provider import Provider
from omnibus.store import Wish
from omnibus.work import Worker

APP = "app"  # the source of events that the embedding app tracks without naming one
CHUNK = 300  # customers in one commit: two or three milliseconds of the writer
KEYED = 100  # … with a key each, which costs three times as much


class Bus:
    """Send, publish, track, receive, redeem, withdraw and work; use it as an async context manager."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.customers, self.campaigns = parts.customers, parts.campaigns
        self.now = parts.timeline.now
        self._worker = Worker(parts)
        self._opened = False
        self._acceptance = Acceptance(parts.store, Crossing, parts.dispatcher.overtaking.accept)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Open the store, keep the journeys' definitions, and fold anew what a changed facet asks for."""
        parts = self.parts
        await parts.store.open()
        await parts.timeline.agree()
        parts.store.stir(parts.journeys.hears)
        parts.timeline.ring = parts.bell.ring
        parts.store.listen(parts.bell.hear)
        parts.bell.tell = parts.store.tell
        await parts.journeys.define()
        self._opened = True

    async def aclose(self) -> None:
        """Finish what is in flight and close; may be called twice."""
        if not self._opened:
            return
        self._opened = False
        await self.parts.dispatcher.finish()
        for provider in self.providers.values():
            await provider.aclose()
        await self.parts.store.aclose()

    @property
    def lines(self) -> Lines:
        """Give the configured channels with who carries them."""
        return self.parts.road.lines

    @property
    def providers(self) -> dict[tuple[str, str], Provider]:
        """Give the configured providers by (channel, scheme)."""
        return {(name, each.scheme): each for (name, _), line in self.lines.items() for each in line.providers}

    # ---- out

    async def send(
        self, message: str | Message, to: Customer | str, *, key: str = "", at: datetime | None = None,
        origin: str = "", connection: Any = None, **values: Any,
    ) -> tuple[Delivery, ...]:  # fmt: skip
        """Store the wish to tell a customer something; who, whether, when, where and what are decided when it leaves.

        Args:
            message: name of a message file, or a Message.
            to: a customer, their id, or an identity written ``email:ada@example.com``.
            key: the same key has the same effect once; with something else under it, Conflict.
            at: not before this moment (aware).
            connection: the app's own ``psycopg.AsyncConnection`` with a transaction open: it is sent if that commits.
            values: what the message's templates and premises may use.

        Returns:
            The deliveries, durably accepted: one for the chosen channel and one for each ambient one.

        Raises:
            NotFound: no such message or customer.
            Conflict: the key was used for something else.
        """
        who = await (self.customers.who(to) if key else self.customers.told(to))
        wish = self.parts.wishes.wish(message, who, values, f"send:{key}" if key else "", at, origin)
        if connection is not None:
            return (await self._accept([wish], connection))[0]
        done = await self._acceptance.one(wish)
        urgent = done[0].purpose == Purpose.TRANSACTIONAL and done[0].due is not None and done[0].due <= self.now()
        if not (urgent and self.parts.dispatcher.working):  # it has it in its hands
            self.parts.bell.ring()
        return done

    async def send_many(
        self, message: str | Message, to: Iterable[Customer | str], *, key: str = "", **values: Any
    ) -> AsyncIterator[tuple[Delivery, ...]]:
        """Send to many, in chunks of one commit each; customers by id or Customer; *key* is made unique per customer.

        Raises:
            NotFound: no such message or customer; nothing of that chunk was accepted.
            Conflict: a key was used for something else.
        """
        chunk: list[str] = []
        size = KEYED if key else CHUNK
        for each in to:
            chunk.append(each.id if isinstance(each, Customer) else each)
            if len(chunk) == size:
                for deliveries in await self._send_chunk(message, chunk, key, values):
                    yield deliveries
                chunk = []
        for deliveries in await self._send_chunk(message, chunk, key, values):
            yield deliveries

    async def _send_chunk(
        self, message: str | Message, customers: list[str], key: str, values: dict[str, Any]
    ) -> list[tuple[Delivery, ...]]:
        if not customers:
            return []
        wishes = self.parts.wishes
        if key:
            return await self._accept(wishes.keyed(message, customers, values, f"send:{key}"))
        mailing = wishes.mailing(message, customers, values)
        await self.parts.store.accept_many(mailing)
        self.parts.bell.ring()
        return mailing.deliveries()

    async def launch(
        self, message: str, to: Everybody = "all", *, name: str = "", rejects: Path | None = None, **values: Any
    ) -> Campaign:
        """Send one message to many: stored at once, expanded and sent by `work`; ``bus.campaigns`` watches and steers it.

        Args:
            to: ``"all"`` customers there are now; the path of a CSV file (a column `customer`, or an identity kind such
                as `email`); or customers, ids or identities written ``email:ada@example.com``.
            name: unique; the same launch under the same name again has no effect. Made from message and time if empty.
            rejects: CSV file for the lines that name nobody, with number and reason; they are only counted without it.
            values: what the message's templates and premises may use.

        Raises:
            NotFound: no such message.
            InputError: a wrong name or file, or a message to the public; nothing is stored.
            Conflict: the name was used for something else.
        """
        return await self.campaigns.launch(message, to, name=name, rejects=rejects, values=values)

    async def publish(
        self, message: str, *, via: Sequence[str] = (), key: str = "", at: datetime | None = None, **values: Any
    ) -> tuple[Delivery, ...]:
        """Say something to the public of some channels; one delivery per channel.

        Args:
            via: the channels; those of the message when empty.
            key: the same key has the same effect once.

        Raises:
            NotFound: no such message.
            MessageError: it speaks to one person, or no channel is named, here or in the message.
            Conflict: the key was used for something else.
        """
        wishes = self.parts.wishes.publication(message, via, values, f"publish:{key}" if key else "", at)
        for wish in wishes:
            for each in wish.deliveries:
                await self.parts.store.create([(each.customer, ())], self.now())
        return tuple(each for deliveries in await self._accept(wishes) for each in deliveries)

    async def _accept(self, wishes: list[Wish], connection: Any = None) -> list[tuple[Delivery, ...]]:
        done = await self._acceptance.all(wishes, connection)
        self.parts.bell.ring()
        return done

    async def withdraw(self, delivery: str, *, reason: str = "withdrawn by the app") -> Delivery:
        """Take a delivery back: a waiting one is dropped, one on show is taken off where its channel can.

        Raises:
            NotFound: no such delivery.
            Conflict: the customer's context kept moving; nothing was done.
        """
        return await take_back(self.parts.road, delivery, reason)

    # ---- in

    async def track(
        self, customer: Customer | str, type_: str, data: Mapping[str, Any] | None = None, *, id: str = "",
        at: datetime | None = None, source: str = APP, quiet: bool = False,
    ) -> bool:  # fmt: skip
        """Put a fact on a customer's timeline; their context moves in the same commit, journeys react.

        Args:
            id: unique within *source*; the same fact told twice changes nothing.
            quiet: journeys do not hear it (imports of the past).

        Returns:
            False when it was known.

        Raises:
            InputError: unknown type, one that only the bus writes, or unreadable data; nothing is stored.
        """
        check_type(type_)
        told = isinstance(customer, str) and ":" not in customer  # an id: who that is now is read with the rest
        who, now = str(customer) if told else await self.customers.who(customer), self.now()
        event = Event(id or self.parts.ids.new(now), source, type_, at or now, who, dict(data or {}))
        return bool(await self.parts.inbox.put([event], quiet=quiet, follow=told))

    async def receive(self, channel: str, scheme: str, request: Request) -> Response:
        """Answer a provider's webhook: verified, durable and folded before 2xx."""
        return await receive(self.parts.inbox, self.providers, channel, scheme, request)

    async def redeem(self, code: str, *, basket: str, customer: str = "", source: str = APP) -> Redemption:
        """Redeem a code for a basket; exactly one basket wins, whoever races."""
        return await self.parts.promises.redeem(code, basket=basket, customer=customer, source=source)

    # ---- looking

    async def context(self, customer: Customer | str) -> Context:
        """Give what every channel knows of this customer now."""
        return await self.parts.timeline.read(await self.customers.who(customer))

    async def timeline(self, customer: Customer | str, *, last: int | None = None) -> list[Event]:
        """List a customer's events, oldest first."""
        who = await self.customers.who(customer)
        loaded = (await self.parts.store.load([who]))[who]
        return await self.parts.store.events(loaded.aliases, last=last)

    async def preview(self, message: str | Message, to: Customer | str, **values: Any) -> list[Shown]:
        """Show what each allowed channel would say to this customer now, and what the policies say; nothing is sent."""
        wish = self.parts.wishes.wish(message, await self.customers.who(to), values)
        return [shown for each in wish.deliveries for shown in await preview(self.parts.road, each)]

    async def why(self, delivery: str) -> dict[str, Any]:
        """Tell the whole decision of a delivery: every policy's verdict, the consent that allowed it, route and attempts.

        Raises:
            NotFound: no such delivery.
        """
        return await why(self.parts.store, delivery)

    async def audit(self) -> dict[str, int]:
        """Balance the accounts: accepted = final + waiting, nothing stuck, nothing silent."""
        return await self.parts.store.audit(self.now())

    async def rebuild(self, customer: str) -> bool:
        """Fold one customer anew from their events; True when the stored context was byte-identical."""
        return not await self.rebuild_all([customer])

    async def rebuild_all(self, customers: Sequence[str]) -> list[str]:
        """Fold many customers anew, hundreds at a time; lists those whose stored context differed, and is right now."""
        return await self.parts.timeline.rebuild(customers)

    # ---- working

    async def drain(self) -> int:
        """Work until nothing is due now: deliveries and journeys; returns how much was done. For tests and virtual time."""
        return await self._worker.drain()

    async def next_due(self) -> datetime | None:
        """Tell when the next delivery or journey step is due."""
        return await self.parts.store.next_due()

    async def work(self, stop: asyncio.Event | None = None) -> None:
        """Work until *stop* is set: dispatch what is due, move journeys, rescue what a dead worker held.

        Raises:
            ConfigError: another process works on this store already.
        """
        await self._worker.work(stop or asyncio.Event())
