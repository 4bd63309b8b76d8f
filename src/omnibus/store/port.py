"""PORT: all parts of a store as one, how it is opened, and what is asked of several parts at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TypeVar

from omnibus.model.trace import Clue, History, Trace
from omnibus.store.cues import Cues, Walker
from omnibus.store.customers import CustomerRows
from omnibus.store.events import EventRows
from omnibus.store.loaded import Survey
from omnibus.store.looking import DeliveryRows
from omnibus.store.outbox import OutboxRows
from omnibus.store.runs import RunRows
from omnibus.store.shelf import ShelfRows
from omnibus.upkeep import Upkeep

T = TypeVar("T")


class Store(Upkeep, CustomerRows, EventRows, OutboxRows, DeliveryRows, ShelfRows, RunRows):
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

    # asked of several parts at once; an engine may answer in one go

    async def histories(self, customers: Sequence[str], fold: Callable[[History], T]) -> dict[str, T]:
        """Hand whole timelines with their contexts to *fold*, one by one; of too much at once only the first ones.

        Args:
            fold: pure, for it may run on another thread; what it makes of each is given by id, as `load` does.
        """
        found = await self.load(customers)
        return {
            asked: fold(History(each.customer.id, each.version, each.bodies, await self.events(each.aliases)))
            for asked, each in found.items()
        }

    async def trace(self, clues: Sequence[Clue]) -> list[Trace | None]:
        """Find what reports are about; our id binds only to a hand-over by that very channel and provider."""
        return [await self._traced(each) for each in clues]

    async def survey(self, clues: Sequence[Clue], keys: Sequence[tuple[str, str]], customers: Sequence[str]) -> Survey:
        """Ask `trace`, `known` and `load` together, the customers of what is traced included."""
        traces, known = await self.trace(clues), await self.known(keys)
        wanted = dict.fromkeys([*customers, *(each.customer for each in traces if each is not None)])
        return Survey(traces, known, await self.load(list(wanted)))

    async def cues(self, now: datetime, limit: int) -> Cues:
        """Ask what journeys are to do now: `stirred`, the runs that are due, and the `walkers` of both."""
        events, due = await self.stirred(limit), await self.runs(due=now, last=limit)
        subjects = dict.fromkeys([*(each.subject for each in events), *(each.customer for each in due)])
        return Cues(events, due, await self.walkers(list(subjects)) if subjects else {})

    async def walkers(self, customers: Sequence[str]) -> dict[str, Walker]:
        """Load customers with their live runs, by id as `load` does."""
        return {
            asked: Walker(loaded, tuple(await self.runs(customer=loaded.customer.id)))
            for asked, loaded in (await self.load(customers)).items()
        }

    async def busy(self, now: datetime) -> bool:
        """Tell whether anything is to be done now: claimed, heard or woken; True where an engine does not know."""
        return True

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
