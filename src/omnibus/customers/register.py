"""The register of customers: upsert, find, recognise; two who turn out to be one, and back again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from omnibus.customers.identities import Recogniser
from omnibus.errors import Conflict, InputError, stranger
from omnibus.model.customer import PUBLIC, Customer, Identity, public
from omnibus.model.event import Event
from omnibus.model.ids import Ids
from omnibus.model.zones import read_zone
from omnibus.premises import broken
from omnibus.store import Change
from omnibus.timeline import TRIES, Timeline

SOURCE = "omnibus"
PROFILE = ("name", "first_name", "locale", "zone", "prefers")


class Customers:
    """Keep who is who; every change is an event on the timeline."""

    def __init__(self, timeline: Timeline, recogniser: Recogniser, ids: Ids) -> None:
        self.timeline, self.recogniser, self.ids = timeline, recogniser, ids
        self.store = timeline.store

    async def upsert(
        self, *, id: str = "", evidence: str = "app", verified: bool = False, **told: str | None
    ) -> Customer:
        """Find or make a customer by any of the identities given, and note what is told of them.

        Args:
            id: your own id for a new customer; a made one if empty.
            told: identities by kind (``email=``, ``phone=``, ``x=``, ``instagram=``, ``web=``, ``loyalty=`` …) and profile
                fields (``name=``, ``first_name=``, ``locale=``, ``zone=``, ``prefers=``).

        Raises:
            InputError: a malformed address or zone, or neither id nor identity.
            Conflict: the identities belong to different customers; merge them by `merge` if they are one.
        """
        profile = {key: value for key, value in told.items() if key in PROFILE and value is not None}
        if profile.get("zone"):
            read_zone(str(profile["zone"]))
        own = [
            self.recogniser.identity(kind, value, verified=verified, evidence=evidence)
            for kind, value in told.items()
            if kind not in PROFILE and value
        ]
        if not own and not id:
            raise InputError(
                "a customer needs an identity", fix="give email=, phone=, x=, instagram=, web= or loyalty="
            )
        known = set((await self.store.find([each.ref for each in own])).values())
        if len(known) > 1:
            raise Conflict("these identities belong to different customers; merge them first if they are one person")
        if id.startswith(PUBLIC) or not id.isprintable():
            fix = "choose one of printable characters that does not begin with public:"
            raise InputError("this id cannot be a customer's", where="id", fix=fix)
        now = self.timeline.now()
        customer = (await self.store.create([(id or self.ids.new(now), own)], now))[0]
        if profile or own:
            await self._identified(customer, own, profile)
        return (await self.timeline.read(customer)).customer

    async def _identified(self, customer: str, own: list[Identity], profile: Mapping[str, Any]) -> None:
        context = await self.timeline.read(customer)
        view = context.named("profile").view()
        fresh = {key: value for key, value in profile.items() if view.get(key) != value}
        met = [each.ref for each in own]
        known = await self.store.known([(SOURCE, f"identified:{customer}:{ref}") for ref in met])
        news = [ref for ref in met if (SOURCE, f"identified:{customer}:{ref}") not in known]
        events = [
            Event(
                f"identified:{customer}:{ref}",
                SOURCE,
                "customer.identified",
                self.timeline.now(),
                customer,
                {"identity": ref},
            )
            for ref in news
        ]
        if fresh:
            now = self.timeline.now()
            events.append(Event(self.ids.new(now), SOURCE, "customer.updated", now, customer, fresh))
        if events:
            await self.timeline.put(events)

    async def find(self, kind: str, value: str) -> Customer | None:
        """Find a customer by an identity, None when nobody has it.

        Raises:
            InputError: the value cannot be of this kind.
        """
        ref = self.recogniser.ref(kind, value)
        found = (await self.store.find([ref])).get(ref)
        return None if found is None else (await self.timeline.read(found)).customer

    async def who(self, customer: Customer | str) -> str:
        """Give the id that a customer has now, told as for ``get``, and read nothing else of them.

        Raises:
            NotFound: nobody.
        """
        if isinstance(customer, Customer):
            return customer.id
        if ":" in customer and not customer.startswith("public:"):
            kind, _, value = customer.partition(":")
            ref = self.recogniser.ref(kind, value)
            found = (await self.store.find([ref])).get(ref)
            if found is None:
                raise stranger(f"with this {kind}")
        else:
            found = (await self.store.now_called([customer])).get(customer)
            if found is None:
                raise stranger(customer)
        return found

    async def told(self, customer: Customer | str) -> str:
        """Give the id that was told, or whose identity it was: who accepts something for them follows merges, and finds no stranger.

        Raises:
            NotFound: nobody has that identity.
        """
        plain = isinstance(customer, str) and (":" not in customer or customer.startswith(PUBLIC))
        return str(customer) if plain else await self.who(customer)

    async def get(self, customer: str) -> Customer:
        """Give a customer by id, or by an identity written ``email:ada@example.com``; follows merges.

        Raises:
            NotFound: nobody.
        """
        return (await self.timeline.read(await self.who(customer))).customer

    async def public(self, channel: str, account: str) -> Customer:
        """Give the reserved customer that stands for the followers of an account."""
        id_ = public(channel, account)
        await self.store.create([(id_, ())], self.timeline.now())
        return Customer(id_)

    async def identify(
        self, customer: str, kind: str, value: str, *, evidence: str, verified: bool = False
    ) -> Customer:
        """Give a customer one more identity; if it is another's, the two become one (the known one stays).

        Raises:
            NotFound: no such customer.
        """
        identity = self.recogniser.identity(kind, value, verified=verified, evidence=evidence)
        here = (await self.timeline.read(customer)).customer
        other = (await self.store.find([identity.ref])).get(identity.ref)
        if other is not None and other != here.id:
            return await self.merge(here.id, other, because=identity.ref)
        await self.store.create([(here.id, [identity])], self.timeline.now())
        await self._identified(here.id, [identity], {})
        return (await self.timeline.read(here.id)).customer

    async def merge(self, loser: str, winner: str, *, because: str = "") -> Customer:
        """Let *loser* turn out to be *winner*: contexts refold over both timelines; reversible by `unmerge`.

        Raises:
            NotFound: one of them does not exist.
            InputError: they are the same already, or one stands for a public.
        """
        for _ in range(TRIES):
            loaded = await self.store.load([loser, winner])
            if loser not in loaded or winner not in loaded:
                raise stranger(loser if loser not in loaded else winner)
            gone, stays = loaded[loser], loaded[winner]
            if gone.customer.id == stays.customer.id:
                raise InputError("these two are one customer already")
            if gone.customer.public or stays.customer.public:
                raise InputError("the public of an account cannot be merged")
            now = self.timeline.now()
            data = {"merged": gone.customer.id, **({"identity": because} if because else {})}
            event = Event(self.ids.new(now), SOURCE, "customer.merged", now, stays.customer.id, data)
            stored = await self.store.events([*stays.aliases, *gone.aliases])
            after = self.timeline.folded(stays, sorted([*stored, event], key=lambda each: each.order))
            wake, off = broken(stays.live, after, now)
            change = Change(
                stays.customer.id, stays.version, (event,), after.bodies(), after.through, wake, off, now=now
            )
            wake, off = broken(gone.live, after, now)
            guard = Change(gone.customer.id, gone.version, wake=wake, withdraw=off, now=now)
            if await self.store.merge(gone.customer.id, stays.customer.id, [change, guard]):
                self.timeline.ring([gone.customer.id, stays.customer.id])
                return (await self.timeline.read(winner)).customer
        raise Conflict("the context kept moving; try again")

    async def unmerge(self, loser: str) -> tuple[Customer, Customer]:
        """Take a merge back: each has their own timeline, identities and waiting messages again. Gives (winner, loser).

        Raises:
            InputError: nobody was merged under this id.
        """
        for _ in range(TRIES):
            loaded = (await self.store.load([loser])).get(loser)
            if loaded is None or loaded.customer.id == loser:
                raise InputError(
                    f"{loser} is not merged into anybody", fix="give the id of the one that was merged away"
                )
            winner, now = loaded.customer.id, self.timeline.now()
            event = Event(self.ids.new(now), SOURCE, "customer.unmerged", now, winner, {"unmerged": loser})
            theirs = await self._below(loser, loaded.aliases)
            ours = [each for each in loaded.aliases if each not in theirs]
            stay = self.timeline.folded(
                loaded, sorted([*await self.store.events(ours), event], key=lambda each: each.order)
            )
            said = _refusals(await self.store.events(ours), loser, now)
            mine = [*await self.store.events(theirs), *said]
            leave = self.timeline.folded(loaded, sorted(mine, key=lambda each: each.order))
            change = Change(winner, loaded.version, (event,), stay.bodies(), stay.through, now=now)
            back = Change(loser, 0, said, leave.bodies(), leave.through, now=now)
            if await self.store.unmerge(loser, [change, back]):
                return (await self.timeline.read(winner)).customer, (await self.timeline.read(loser)).customer
        raise Conflict("the context kept moving; try again")

    async def _below(self, loser: str, aliases: tuple[str, ...]) -> list[str]:
        """List the loser and whoever was merged into them before."""
        below = [loser]
        for event in await self.store.events(aliases):
            merged = event.data.get("merged")
            if event.type == "customer.merged" and event.subject in below and merged:
                below.append(str(merged))
            elif event.type == "customer.unmerged" and event.subject in below and event.data.get("unmerged") in below:
                below.remove(str(event.data["unmerged"]))
        return below

    def all(self) -> AsyncIterator[list[Customer]]:
        """Stream customers in id order, in pages."""
        return self.store.customers()

    def all_ids(self) -> AsyncIterator[list[str]]:
        """Stream their ids alone, in order, in pages: a tenth of the work."""
        return self.store.ids()


def _refusals(events: Sequence[Event], loser: str, now: datetime) -> tuple[Event, ...]:
    """Repeat for who leaves what was refused while the two were one: nobody can tell whose no it was, so it is both's."""
    since = [each.time for each in events if each.type == "customer.merged" and each.data.get("merged") == loser]
    return tuple(
        Event(f"{each.id}:{loser}", each.source, each.type, now, loser, each.data)
        for each in events
        if each.type in {"consent.withdrawn", "message.unsubscribed"} and since and each.time >= since[-1]
    )
