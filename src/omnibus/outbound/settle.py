"""SETTLE: what became of deliveries, with its events folded, in group commits over whatever is ready.

Whoever hands over does not wait here: settlements that come while one commit is under way share the next, so one slow
answer delays no other and a commit is paid once for many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omnibus.errors import Conflict, StoreFull
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.model.swift import swift
from omnibus.premises import stands
from omnibus.store import Loaded, Settlement
from omnibus.timeline import TRIES, Timeline

MOMENT = 0.01  # seconds of machine time that an answer waits for others to be written down with
PRESSED = 0.1  # the same while there is more than we can take: the next claim, which comes sooner, takes it along
PATIENCE = 600  # tries, a second apart, to write an answer down while the store has no room


@swift
@dataclass(frozen=True, slots=True)
class Basis:
    """Hold what a delivery was judged by: its events are folded onto it, unless somebody moved the context since."""

    loaded: Loaded
    context: Context


@dataclass(slots=True, eq=False)
class Pending:
    """Hold a settlement that waits for the next commit.

    Args:
        fields: of the settlement, but its change, which is known when its events are folded.
        shown: the delivery, when it is on show now and its premises are still looked at.
    """

    fields: dict[str, Any]
    events: tuple[Event, ...] = ()
    shown: Delivery | None = None
    basis: Basis | None = None
    tries: int = 0

    @property
    def customer(self) -> str:
        """Name whose it is."""
        return str(self.fields["customer"])


class Settling:
    """Collect settlements and commit them, batch after batch.

    Args:
        rest: waits seconds of machine time, when the store has no room.
    """

    def __init__(self, timeline: Timeline, rest: Callable[[float], Awaitable[None]]) -> None:
        self.timeline, self.rest = timeline, rest
        self._waiting: list[Pending] = []
        self._batch: list[Pending] = []
        self._timer: asyncio.TimerHandle | None = None
        self.moment = MOMENT  # how long an answer waits at most
        self.work: asyncio.Task[None] | None = None
        self.failure: BaseException | None = None

    def __len__(self) -> int:
        """Count what is not on disk yet."""
        return len(self._waiting) + len(self._batch)

    def holds(self, lease: str) -> bool:
        """Tell whether something that was claimed under a lease is not on disk yet."""
        return any(each.fields["lease"] == lease for each in (*self._waiting, *self._batch))

    def add(self, asked: Pending) -> None:
        """Take one in; it is committed at the next flush, or after a moment."""
        self._waiting.append(asked)
        if self.work is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.moment, self.flush)

    def flush(self) -> None:
        """Begin to commit what waits; whoever is about to bring a commit of their own, or has nothing else to do, calls it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self.work is None:
            self.work = asyncio.get_running_loop().create_task(self._all())

    async def _all(self) -> None:
        self._batch, self._waiting = self._waiting, []
        try:
            await self._patiently(self._batch)
        except BaseException as error:
            self.failure = error  # the dispatcher tells it; what was answered meanwhile is written all the same …
            if not isinstance(error, Exception):
                self._waiting = []  # … but not by a process that ends
                raise
        finally:
            self._batch, self.work = [], None
            if self._waiting:  # answered meanwhile
                self._timer = asyncio.get_running_loop().call_later(self.moment, self.flush)

    async def _patiently(self, batch: Sequence[Pending]) -> None:
        """Commit one batch; what a provider answered is worth waiting for room."""
        for _ in range(PATIENCE):
            try:
                await self._commit(batch)
            except StoreFull:
                await self.rest(1.0)
            else:
                return
        await self._commit(batch)

    async def _commit(self, batch: Sequence[Pending]) -> None:
        store = self.timeline.store
        strangers = [each.customer for each in batch if each.events and each.basis is None]
        loaded = await store.load(strangers) if strangers else {}
        wanted: list[tuple[Pending, Settlement]] = []
        for each in batch:
            try:
                wanted.append((each, await self._folded(each, loaded)))
            except StoreFull:
                raise
            except Exception as error:  # noqa: BLE001 - a facet's fault is its own delivery's, not the batch's
                self.failure = error
        answers = await store.settle([settlement for _, settlement in wanted])
        for (each, _), ok in zip(wanted, answers, strict=True):
            if not ok:
                await self._again(each)
        self.timeline.ring([each.customer for each in batch])

    async def _folded(self, each: Pending, loaded: Mapping[str, Loaded]) -> Settlement:
        if not each.events:
            return Settlement(**each.fields)
        timeline, basis = self.timeline, each.basis or self._basis(loaded[each.customer])
        onward = timeline.onward(basis.loaded, each.events, basis.context) if len(each.events) == 1 else None
        change = onward[0] if onward else await timeline.fold(basis.loaded, each.events, context=basis.context)
        if each.shown is not None:
            after = onward[1] if onward else Context(basis.context.customer, timeline.facets, change.bodies)
            if not stands(each.shown, after, timeline.now()):  # its reason went while the hand-over was under way
                return Settlement(**{**each.fields, "due": timeline.now(), "withdraw": True}, change=change)
        return Settlement(**each.fields, change=change)

    def _basis(self, loaded: Loaded) -> Basis:
        return Basis(loaded, self.timeline.context(loaded))

    async def _again(self, each: Pending) -> None:
        """Fold once more: somebody was faster, perhaps with these very events."""
        if each.tries >= TRIES:
            self.failure = Conflict("the context kept moving; try again")
            return
        known = await self.timeline.store.known([(event.source, event.id) for event in each.events])
        each.events = tuple(event for event in each.events if (event.source, event.id) not in known)
        each.tries, each.basis = each.tries + 1, None
        self._waiting.append(each)
