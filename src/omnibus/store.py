"""PORT: where the roads out and in rest, durably. Batch in, one commit per call.

What a caller wants done to one customer is a ``Change``, computed outside the store from a loaded context and
guarded by its version: when somebody else was faster the answer is *stale*, and the caller loads and folds
again. So folding stays pure Python, and the same port serves an embedded file and many machines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from omnibus.errors import ConfigError
from omnibus.model.customer import Customer, Identity
from omnibus.model.delivery import Delivery, State
from omnibus.model.event import Event
from omnibus.model.mailing import Mailing
from omnibus.model.offer import Redemption
from omnibus.model.run import Run
from omnibus.model.swift import swift
from omnibus.model.trace import Clue, History, Trace
from omnibus.upkeep import Upkeep


@swift
@dataclass(frozen=True, slots=True)
class Spent:
    """Hold one hand-over that counts against the contact budget."""

    at: datetime
    channel: str
    points: int


@swift
@dataclass(frozen=True, slots=True)
class Loaded:
    """Hold what the store knows of one customer now.

    Args:
        customer: canonical, after merges; *aliases* are the subjects whose events belong to it (itself included).
        bodies: facet name → encoded facet.
        live: waiting deliveries with premises, and those on show that can be withdrawn.
        spent: hand-overs within the budget's window.
    """

    customer: Customer
    aliases: tuple[str, ...]
    version: int
    through: tuple[datetime, str, str] | None
    bodies: dict[str, bytes] = field(repr=False)
    live: tuple[Delivery, ...] = ()
    spent: tuple[Spent, ...] = ()


@swift
@dataclass(frozen=True, slots=True)
class Move:
    """Move one delivery by a report; the fields left None stay. A report that came before the receipt waits for it."""

    delivery: str
    state: State
    reason: str | None = None
    due: datetime | None = None
    provider_id: str | None = None
    tried: tuple[str, ...] | None = None
    attempt: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Change:
    """State all that one commit does to one customer; an empty one only guards the version.

    Args:
        version: of the context it was computed from; another one in the store makes it stale.
        events: new facts, in timeline order; *quiet* ones are not told to journeys (imports).
        bodies: the context after them, *through* their last; None when there are no events.
        wake: waiting deliveries that become due at once, because a premise broke.
        withdraw: deliveries on show that are to be taken off.
    """

    customer: str
    version: int
    events: tuple[Event, ...] = ()
    bodies: dict[str, bytes] | None = field(default=None, repr=False)
    through: tuple[datetime, str, str] | None = None
    wake: tuple[str, ...] = ()
    withdraw: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    identities: tuple[Identity, ...] = ()
    quiet: bool = False
    now: datetime | None = None


@swift
@dataclass(frozen=True, slots=True)
class Wish:
    """Ask to accept deliveries under one key.

    Args:
        key: unique per operation; empty for none. *digest* is the hash of what was asked under it.
    """

    key: str
    digest: str
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """Bound the points that may be spent on a customer since *since*; *channel* empty for all channels."""

    channel: str
    since: datetime
    points: int


@dataclass(frozen=True, slots=True)
class CodeRow:
    """Hold the keyed hash of a code that becomes a customer's (or the public's, for a shared one)."""

    hash: str
    offer: str
    customer: str


@swift
@dataclass(frozen=True, slots=True)
class Try:
    """Ask to write an attempt down before its request leaves, guarded by version, budget, pause and lease."""

    attempt: str
    delivery: str
    lease: str
    number: int
    channel: str
    provider: str
    identity: str
    points: int
    started: datetime
    change: Change
    limits: tuple[Limit, ...] = ()
    codes: tuple[CodeRow, ...] = ()
    decision: str = ""
    digest: str = ""


class Grant(StrEnum):
    """Answer a Try."""

    GRANTED = "granted"  #: the row is committed; the request may leave
    STALE = "stale"  #: the context moved; judge again
    OVER = "over"  #: the budget is spent; judge again
    PAUSED = "paused"  #: the provider rests, for every worker
    LOST = "lost"  #: the lease is somebody else's now


@swift
@dataclass(frozen=True, slots=True)
class Outcome:
    """Close an attempt: *counts* tells whether its points stay spent (a lost answer counts)."""

    attempt: str
    outcome: str
    reason: str = ""
    provider_id: str = ""
    counts: bool = True
    details: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Settlement:
    """Write down what became of a claimed delivery, fenced by its lease.

    Args:
        due: when to look at it again; None when there is nothing left to do.
        change: events and context that go with it.
        watched: its premises are still looked at when the context moves (it waits, or can be taken off show).
        decision: JSON of the judging, for `why`; empty for none.
    """

    delivery: str
    customer: str
    lease: str
    state: State
    reason: str = ""
    due: datetime | None = None
    channel: str | None = None
    provider: str | None = None
    identity: str | None = None
    provider_id: str | None = None
    tried: tuple[str, ...] | None = None
    attempts: int | None = None
    faults: int | None = None
    flagged: bool | None = None
    withdraw: bool | None = None
    watched: bool = False
    outcome: Outcome | None = None
    change: Change | None = None
    decision: str = ""


@swift
@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """Hold an attempt row as stored."""

    id: str
    delivery: str
    customer: str
    number: int
    channel: str
    provider: str
    identity: str
    started: datetime
    outcome: str
    reason: str
    provider_id: str
    points: int
    ended: datetime | None = None
    details: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """Hold what must be known of facts before they are folded.

    Args:
        traces: what each clue led to.
        known: (source, id) of those that are stored.
        loaded: the customers whom facts and traces are about, by the id asked for.
    """

    traces: Sequence[Trace | None]
    known: Collection[tuple[str, str]]
    loaded: dict[str, Loaded]


@dataclass(frozen=True, slots=True)
class Step:
    """Move journey runs on, with all that follows, in one commit.

    Args:
        before: revision the run must still have; None for a new run (which must not exist yet).
        heard: events (source, id) that journeys have now heard.
    """

    run: Run
    before: int | None
    change: Change | None = None
    wishes: tuple[Wish, ...] = ()


class Store(Upkeep, ABC):
    """Keep customers, events, contexts, deliveries, attempts, codes and runs; all or nothing per call.

    Raises (every writing call):
        StoreFull: disk full, locked or down; nothing was stored.
    """

    @abstractmethod
    async def open(self) -> None:
        """Open or create; migrate to this version's schema."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close; may be called twice."""

    @abstractmethod
    async def take_work(self) -> None:
        """Become a worker of this store; an embedded one has room for one.

        Raises:
            ConfigError: another process works on it; the text names it.
        """

    def stir(self, types: Collection[str]) -> None:
        """Say which event types journeys want to hear; others are stored as heard."""
        self.stirring = frozenset(types)

    stirring: frozenset[str] = frozenset()

    # customers

    @abstractmethod
    async def load(self, customers: Sequence[str], *, since: datetime | None = None) -> dict[str, Loaded]:
        """Load customers by id (merged ids lead to who they are now); unknown ids are missing. *since* bounds `spent`."""

    @abstractmethod
    async def find(self, refs: Sequence[str]) -> dict[str, str]:
        """Find customers by identity refs: ref → canonical customer id."""

    async def met(self, customers: Sequence[str]) -> set[str]:
        """Tell which customer ids exist, merged ones included; an engine may answer without loading them."""
        return set(await self.load(customers))

    @abstractmethod
    async def create(self, customers: Sequence[tuple[str, Sequence[Identity]]], now: datetime) -> list[str]:
        """Create customers unless one of their identities is known; returns who each one is."""

    @abstractmethod
    async def merge(self, loser: str, winner: str, changes: Sequence[Change]) -> bool:
        """Make *loser* an alias of *winner* and move waiting rows and identities; False when stale."""

    @abstractmethod
    async def unmerge(self, loser: str, changes: Sequence[Change]) -> bool:
        """Remove the alias and give identities and waiting rows back; False when stale."""

    @abstractmethod
    def customers(self, *, after: str = "") -> AsyncIterator[list[Customer]]:
        """Stream canonical customers in id order, in pages."""

    # events

    @abstractmethod
    async def known(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Tell which (source, id) are stored."""

    @abstractmethod
    async def events(self, subjects: Sequence[str], *, last: int | None = None) -> list[Event]:
        """List events of subjects in timeline order; only the last ones if *last* is given."""

    async def histories(self, customers: Sequence[str]) -> dict[str, History]:
        """Read whole timelines with their contexts, by id as `load` does; of too much at once only the first ones."""
        found = await self.load(customers)
        return {
            asked: History(each.customer.id, each.version, each.bodies, await self.events(each.aliases))
            for asked, each in found.items()
        }

    @abstractmethod
    async def put(self, changes: Sequence[Change]) -> list[bool]:
        """Store events and contexts in one commit; False where the change was stale (nothing of it is stored)."""

    @abstractmethod
    async def rewrite(self, customer: str, bodies: dict[str, bytes], through: tuple[datetime, str, str] | None) -> None:
        """Replace a stored context after a rebuild, keeping its version moving."""

    # the road out

    @abstractmethod
    async def accept(self, wishes: Sequence[Wish]) -> list[tuple[Delivery, ...] | None]:
        """Accept deliveries; a known key gives its first deliveries again, None for a key used with another digest."""

    async def accept_many(self, mailing: Mailing) -> None:
        """Accept the same for many customers, or for none of them; an engine may write it in a few statements.

        Raises:
            NotFound: for a customer who does not exist.
        """
        await self.accept([Wish("", "", each) for each in mailing.deliveries()])

    async def accept_in(self, connection: Any, wishes: Sequence[Wish]) -> list[tuple[Delivery, ...] | None]:
        """Accept deliveries in the app's own transaction: they exist when it commits.

        Raises:
            ConfigError: the app cannot share a transaction with this store.
        """
        fix = "leave `connection` out, or move to PostgreSQL"
        raise ConfigError("this store cannot join a transaction of the app", where="[omnibus] store", fix=fix)

    @abstractmethod
    async def claim(self, now: datetime, *, limit: int, lease: str, term: float) -> list[Delivery]:
        """Take due deliveries, at most one per customer, transactional ones first; *term* is the lease in seconds of machine time."""

    @abstractmethod
    async def attempt(self, tries: Sequence[Try]) -> list[Grant]:
        """Commit attempt rows; nothing of a Try that is not granted is stored."""

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Write outcomes; False where its change was stale (nothing of it is stored). A lost lease stores the attempt's outcome only."""

    @abstractmethod
    async def renew(self, lease: str, term: float) -> int:
        """Prolong the rows of a lease; returns how many."""

    @abstractmethod
    async def rescue(self, now: datetime, *, everything: bool = False) -> int:
        """Free rows whose lease ran out (or all): with an open attempt → unknown, else → queued."""

    @abstractmethod
    async def next_due(self) -> datetime | None:
        """Tell when the next delivery or run is due."""

    @abstractmethod
    async def pause(self, provider: str, until: datetime, reason: str) -> None:
        """Let a provider rest for every worker; only ever prolonged."""

    @abstractmethod
    async def pauses(self, now: datetime) -> dict[str, tuple[datetime, str]]:
        """List the providers that rest now."""

    # looking

    @abstractmethod
    async def delivery(self, id_: str) -> Delivery | None:
        """Read one delivery."""

    @abstractmethod
    async def deliveries(
        self, *, customer: str = "", state: Sequence[str] = (), channel: str = "", origin: str = "", last: int = 1000
    ) -> list[Delivery]:
        """List deliveries, newest first."""

    @abstractmethod
    async def attempts(self, delivery: str) -> list[OpenAttempt]:
        """List a delivery's attempts, first to last."""

    @abstractmethod
    async def attempt_of(self, *, id_: str = "", provider: str = "", provider_id: str = "") -> OpenAttempt | None:
        """Find an attempt by its id, or by a provider's id for it."""

    async def trace(self, clues: Sequence[Clue]) -> list[Trace | None]:
        """Find what reports are about; our id binds only to a hand-over by that very channel and provider."""
        return [await self._traced(each) for each in clues]

    async def survey(self, clues: Sequence[Clue], keys: Sequence[tuple[str, str]], customers: Sequence[str]) -> Survey:
        """Ask `trace`, `known` and `load` together, the customers of what is traced included."""
        traces, known = await self.trace(clues), await self.known(keys)
        wanted = dict.fromkeys([*customers, *(each.customer for each in traces if each is not None)])
        return Survey(traces, known, await self.load(list(wanted)))

    async def _traced(self, clue: Clue) -> Trace | None:
        found = await self.attempt_of(id_=clue.attempt) if clue.attempt else None
        if found is None or (found.channel, found.provider) != (clue.channel, clue.provider):
            found = None
            if clue.provider_id:
                found = await self.attempt_of(provider=clue.provider, provider_id=clue.provider_id)
        told = await self.delivery(found.delivery) if found is not None else None
        if found is None or told is None:
            return None
        return Trace(
            found.id, found.channel, found.provider, found.identity, told.id, told.customer, told.message, told.purpose,
            told.topic, told.audience, told.via, told.tried, told.expires,
        )  # fmt: skip

    @abstractmethod
    async def decisions(self, delivery: str) -> list[tuple[datetime, str]]:
        """List the stored decisions of a delivery, first to last."""

    @abstractmethod
    async def audit(self, now: datetime) -> dict[str, int]:
        """Count: accepted, each state, and what may never be: unbalanced, stuck, silent."""

    # offers, hand-overs, notes

    @abstractmethod
    async def code(self, hash_: str) -> CodeRow | None:
        """Read whose a code is."""

    @abstractmethod
    async def issue(self, codes: Sequence[CodeRow]) -> None:
        """Write codes down; known ones stay."""

    @abstractmethod
    async def redeem(
        self,
        code: CodeRow,
        *,
        basket: str,
        customer: str,
        single: bool,
        limit: int | None,
        now: datetime,
        change: Change | None,
    ) -> Redemption | None:
        """Redeem atomically: one basket wins; the same basket gets its answer again. None when *change* is stale."""

    @abstractmethod
    async def put_handover(self, short: str, customer: str, expires: datetime) -> None:
        """Write a hand-over's short-code hash down."""

    @abstractmethod
    async def claim_handover(self, short: str, now: datetime) -> str | None:
        """Give the customer of a live short-code hash; None when unknown or expired."""

    @abstractmethod
    async def note(self, scope: str, name: str, value: str | None = None) -> str | None:
        """Read a note, or write one when *value* is given."""

    # journeys

    @abstractmethod
    async def stirred(self, limit: int) -> list[Event]:
        """List events that journeys have not heard yet, in the order they were stored."""

    @abstractmethod
    async def heard(self, events: Sequence[Event]) -> None:
        """Mark events as heard by journeys."""

    @abstractmethod
    async def runs(
        self, *, customer: str = "", journey: str = "", due: datetime | None = None, live: bool = True, last: int = 1000
    ) -> list[Run]:
        """List runs; with *due* those whose time has come."""

    @abstractmethod
    async def step(self, steps: Sequence[Step]) -> list[bool]:
        """Move runs, each with its events and deliveries in one commit; False where it was stale or existed."""

    @abstractmethod
    async def define(self, name: str, version: str, body: str) -> None:
        """Keep a journey's definition, so that its runs can stay on it."""

    @abstractmethod
    async def definition(self, name: str, version: str) -> str | None:
        """Read a journey's definition."""


def encode_bodies(bodies: dict[str, bytes]) -> bytes:
    """Pack facets into one value: a line ``name<TAB>json`` each, sorted (JSON holds no raw line end or tab)."""
    return b"\n".join(name.encode() + b"\t" + bodies[name] for name in sorted(bodies))


def decode_bodies(packed: bytes) -> dict[str, bytes]:
    """Unpack what ``encode_bodies`` wrote, without reading the JSON."""
    found: dict[str, bytes] = {}
    for line in packed.split(b"\n"):
        name, _, body = line.partition(b"\t")
        if name:
            found[name.decode()] = body
    return found


Values = dict[str, Any]
