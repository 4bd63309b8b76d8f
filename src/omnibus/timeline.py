"""Contexts and the one way to move them: load, fold, commit; again when somebody else was faster.

Everything that changes a context, on the road out or in, makes its ``Change`` here, so a broken premise wakes
what waits and takes off what is shown in the same commit, wherever the fact came from.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from omnibus.errors import Conflict, InputError, StoreFull, stranger
from omnibus.facet import Facet
from omnibus.model.context import Context, Facets
from omnibus.model.customer import Identity
from omnibus.model.event import Event
from omnibus.model.fault import FAULTS, read_faults
from omnibus.model.trace import History
from omnibus.premises import broken, concerned
from omnibus.store import Change, Loaded, Move, Store, Survey
from omnibus.together import Group, Share, Together, Told

_VERSIONS = ("timeline", "facets")  # the note that holds facet name → version
TOGETHER = 250  # customers that are folded anew together
TRIES = 20  # times that a stale change is folded again before we give up

_log = logging.getLogger("omnibus")


class Timeline:
    """Load contexts and put events, for any number of customers in one commit.

    Args:
        facets: name → facet class, built-in and plugins'.
        now: business time (aware UTC).
    """

    def __init__(self, store: Store, facets: Mapping[str, type[Facet]], now: Callable[[], datetime]) -> None:
        self.store, self.facets, self.now = store, Facets(facets), now
        self.ring: Callable[[Collection[str]], None] = lambda customers: None

    def context(self, loaded: Loaded) -> Context:
        """Wrap what was loaded; nothing is decoded until it is read."""
        spent = tuple([(each.at, each.channel, each.points) for each in loaded.spent]) if loaded.spent else ()
        return Context(
            loaded.customer, self.facets, loaded.bodies, version=loaded.version, through=loaded.through, spent=spent
        )

    async def read(self, customer: str) -> Context:
        """Give one customer's context.

        Raises:
            NotFound: no such customer.
        """
        loaded = (await self.store.load([customer])).get(customer)
        if loaded is None:
            raise stranger(customer)
        return self.context(loaded)

    async def fold(
        self, loaded: Loaded, events: Iterable[Event], *, moves: tuple[Move, ...] = (),
        identities: tuple[Identity, ...] = (), quiet: bool = False, context: Context | None = None, refuse: bool = False,
    ) -> Change:  # fmt: skip
        """Compute what new events do to one customer; an event older than the last folded one folds all anew.

        Args:
            context: made of *loaded* before; its facets need not be read again.
            refuse: whoever tells the events is there to be told that a facet cannot read one.

        Raises:
            InputError: a facet says so of one of them, and they may be refused.
        """
        fresh, context = sorted(events, key=lambda each: each.order), context or self.context(loaded)
        if not fresh:
            return Change(
                loaded.customer.id, loaded.version, moves=moves, identities=identities, quiet=quiet, now=self.now()
            )
        after = self._onto(context, fresh)
        if after is None:
            told = (*await self.store.events(loaded.aliases), *fresh)
            after = self.folded(loaded, sorted(told, key=lambda each: each.order))
        if refuse and after.faults:
            _refuse(fresh, after)
        return self._change(loaded, fresh, after, moves, identities, quiet=quiet)

    def onward(self, loaded: Loaded, fresh: Sequence[Event], context: Context) -> tuple[Change, Context] | None:
        """Fold events that follow on all that was folded; None when one is older, and asks for all to be folded anew."""
        after = self._onto(context, fresh)
        return None if after is None else (self._change(loaded, fresh, after), after)

    def _onto(self, context: Context, fresh: Sequence[Event]) -> Context | None:
        """Fold events onto a context; None when one of them belongs before what was folded, and a facet hears it.

        Where a facet is not known, it is None as well: its code may have been mended.
        """
        through = context.through
        if context.faults:
            return None
        if through is None or fresh[0].order > through:
            return context.after(fresh)
        if any(each.order <= through and self.facets.listeners(each.type) for each in fresh):
            return None
        after = context.after(fresh)  # what no facet hears changes nothing, wherever it belongs
        after.through = max(through, fresh[-1].order)
        return after

    def _change(
        self, loaded: Loaded, fresh: Sequence[Event], after: Context, moves: tuple[Move, ...] = (),
        identities: tuple[Identity, ...] = (), *, quiet: bool = False,
    ) -> Change:  # fmt: skip
        now, bodies = self.now(), after.bodies()
        live = [each for each in loaded.live if concerned(each, after)]
        wake, withdraw = broken(live, after, now) if live else ((), ())  # what was not touched did not break
        if after.faults:
            self.tell(loaded.customer.id, loaded.bodies, bodies)
        return Change(
            loaded.customer.id, after.version - 1, tuple(fresh), bodies, after.through, wake, withdraw, moves,
            identities, quiet, now,
        )  # fmt: skip

    def tell(self, customer: str, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
        """Tell the log of facets that are not known any more; what is stored was told before."""
        was, now = (read_faults(each[FAULTS]) if FAULTS in each else {} for each in (before, after))
        for facet, fault in now.items():
            if fault != was.get(facet):
                _log.error(
                    "facet %s of customer %s cannot be folded: %s at event %s of %s; `omnibus dead` lists all such",
                    facet, customer, fault.error, fault.event, fault.source,
                )  # fmt: skip

    def folded(self, loaded: Loaded, events: Sequence[Event]) -> Context:
        """Fold a whole timeline from nothing."""
        return Context(loaded.customer, self.facets, version=loaded.version).after(events)

    async def put(
        self, events: Sequence[Event], *, quiet: bool = False, moves: Mapping[str, tuple[Move, ...]] | None = None,
        identities: Mapping[str, tuple[Identity, ...]] | None = None,
    ) -> int:  # fmt: skip
        """Store events and fold them, one commit for all; known ones change nothing. Returns how many were new.

        Args:
            moves, identities: by subject; done in the same commit as that subject's first event.

        Raises:
            NotFound: an event's subject is no customer; nothing is stored.
            Conflict: the store kept moving; nothing of the remaining ones is stored.
        """
        (answer,) = await self.put_all([Told(events, moves or {}, identities or {}, quiet)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def put_all(self, told: Sequence[Told], seen: Survey | None = None) -> list[int | Exception]:
        """Store and fold what several told, in one commit where nothing is wrong; for each how many were new, or the fault.

        A fault is the fault of who told it: an unknown customer, data that a facet cannot read. The others' is stored.

        Args:
            seen: what is known of the facts already, so that it need not be asked again.
        """
        together, tries = Together(told, self.now()), 0
        while playing := together.playing():
            try:
                stale = await self._round(together, playing, seen)
            except StoreFull as error:
                together.fail(error)
            except Exception as error:  # noqa: BLE001 - told to who told what cannot be stored
                together.blame(error)
            else:
                tries = tries + 1 if stale else 0
                if tries == TRIES:
                    together.fail(Conflict("the context kept moving; try again"))
            seen = None
        return [each.answer for each in together.shares]

    async def _round(self, together: Together, playing: Sequence[Share], seen: Survey | None) -> bool:
        """Read, fold and commit once; True when somebody else moved one of the contexts meanwhile."""
        told = [event for share in playing for event in share.left]
        subjects = list(dict.fromkeys([each.subject for each in told]))
        if seen is None:
            seen = await self.store.survey((), [(each.source, each.id) for each in told], subjects)
        elif lacking := [each for each in subjects if each not in seen.loaded]:
            seen.loaded.update(await self.store.load(lacking))
        changes: list[tuple[Group, Change]] = []
        for group in together.sort(playing, seen.known, seen.loaded):
            try:
                changes.append((group, await self._folded(group)))
            except StoreFull:
                raise
            except Exception as error:  # noqa: BLE001 - a facet's fault is of who told the fact
                await self._blame(group, error)
        sound = [(group, change) for group, change in changes if not any(share.fault for share in group.shares)]
        if not sound:
            return False
        done = await self.store.put([change for _, change in sound])
        self.ring([change.customer for _, change in sound])
        together.stored(group for (group, _), ok in zip(sound, done, strict=True) if ok)
        return not all(done)

    async def _folded(self, group: Group) -> Change:
        return await self.fold(
            group.loaded,
            group.events,
            moves=group.moves(),
            identities=group.identities(),
            quiet=group.quiet,
            refuse=True,
        )

    async def _blame(self, group: Group, error: Exception) -> None:
        """Find out whose facts cannot be folded; the others' are folded in the next round."""
        for share in group.shares:
            try:
                await self._folded(group.alone(share))
            except StoreFull:
                raise
            except Exception as own:  # noqa: BLE001 - as above
                share.fault = own
        if not any(share.fault for share in group.shares):  # only together are they wrong
            for share in group.shares:
                share.fault = error

    async def rebuild(self, customers: Sequence[str]) -> list[str]:
        """Fold customers anew from their events; lists those whose stored context was not byte-identical (now it is).

        Raises:
            NotFound: no such customer.
            Conflict: a context kept moving.
        """
        left, differed, tries = list(dict.fromkeys(customers)), list[str](), 0
        while left:
            found = await self.store.histories(left[:TOGETHER], self._retold)
            if not found:
                raise stranger(left[0])
            changes = {asked: change for asked, change in found.items() if change is not None}
            # guarded by the version: an event that came meanwhile is not lost from the context
            done = await self.store.put(list(changes.values())) if changes else []
            stale = {each for each, ok in zip(changes, done, strict=True) if not ok}
            differed += [each for each in changes if each not in stale]
            left = [each for each in left if each not in found or each in stale]
            tries = tries + 1 if stale else 0
            if tries == TRIES:
                raise Conflict("the context kept moving; try again")
        await self.store.hear_again()
        return differed

    def _retold(self, told: History) -> Change | None:
        """Fold a whole timeline; None when that is what is stored, byte by byte."""
        bodies, facets, events = self.facets.folded(told.events), self.facets, told.events
        if bodies == told.bodies:
            return None
        kept = {name: body for name, body in told.bodies.items() if name in facets or name == FAULTS}
        if bodies == kept:
            return None
        self.tell(told.customer, told.bodies, bodies)
        return Change(told.customer, told.version, (), bodies, events[-1].order if events else None)

    async def agree(self) -> int:
        """Fold all contexts anew when a facet came or changed its version since the store was last open; returns how many.

        A facet that went is forgotten here, so it is folded anew when it comes back: it heard nothing meanwhile.
        """
        now = {name: facet.version for name, facet in sorted(self.facets.items())}
        told = await self.store.note(*_VERSIONS)
        known = now if told is None else json.loads(told)
        folded = 0
        if any(known.get(name) != version for name, version in now.items()):
            async for page in self.store.ids():
                await self.rebuild(page)
                folded += len(page)
        if known != now or told is None:
            await self.store.note(*_VERSIONS, json.dumps(now))
        return folded


def _refuse(fresh: Sequence[Event], after: Context) -> None:
    """Raise what a facet says of an event that it cannot read; other faults are its own."""
    own = {(each.id, each.source) for each in fresh}
    for fault in after.faults.values():
        if isinstance(fault.cause, InputError) and (fault.event, fault.source) in own:
            raise fault.cause
