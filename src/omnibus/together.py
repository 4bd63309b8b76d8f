"""Facts told by several at once, on their way into one commit: who told what, whose it is, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from omnibus.errors import stranger
from omnibus.model.customer import Identity
from omnibus.model.event import Event, settled_time
from omnibus.store import Loaded, Move

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """Ask to store facts; all of them, or the reason why not.

    Args:
        moves, identities: by subject; done in the same commit as that subject's first event.
        quiet: journeys do not hear them.
    """

    events: Sequence[Event]
    moves: Mapping[str, tuple[Move, ...]] = field(default_factory=dict)
    identities: Mapping[str, tuple[Identity, ...]] = field(default_factory=dict)
    quiet: bool = False


@dataclass(slots=True, eq=False)
class Share:
    """Follow what one asker told: what is not stored yet, how much was new, what was wrong with it."""

    told: Told
    left: list[Event]
    new: int = 0
    fault: Exception | None = None

    @property
    def answer(self) -> int | Exception:
        """Tell how many facts were new, or what was wrong."""
        return self.new if self.fault is None else self.fault


@dataclass(slots=True, eq=False)
class Group:
    """Gather the facts of one customer that go into one change, by who told them."""

    loaded: Loaded
    quiet: bool
    shares: dict[Share, list[Event]] = field(default_factory=dict)

    @property
    def events(self) -> list[Event]:
        """List what all of them told."""
        return [event for own in self.shares.values() for event in own]

    def moves(self) -> tuple[Move, ...]:
        """List the moves that go with it."""
        return tuple(move for share, subject in self._subjects() for move in share.told.moves.get(subject, ()))

    def identities(self) -> tuple[Identity, ...]:
        """List the identities that go with it."""
        return tuple(each for share, subject in self._subjects() for each in share.told.identities.get(subject, ()))

    def _subjects(self) -> list[tuple[Share, str]]:
        return [
            (share, subject)
            for share, own in self.shares.items()
            if share.told.moves or share.told.identities
            for subject in dict.fromkeys([event.subject for event in own])
        ]

    def alone(self, share: Share) -> Group:
        """Give what one of them told by itself."""
        return Group(self.loaded, self.quiet, {share: self.shares[share]})


class Together:
    """Take shares from being told to being stored, round after round.

    Args:
        received: when they came; claimed times are cut back by it.
    """

    def __init__(self, told: Sequence[Told], received: datetime) -> None:
        self.shares = [Share(each, [_settled(event, received) for event in each.events]) for each in told]
        self._singly = False

    def playing(self) -> list[Share]:
        """List the shares of the next round: all that are not done, or the first of them after a fault of nobody known."""
        open_ = [each for each in self.shares if each.left and each.fault is None]
        return open_[:1] if self._singly else open_

    def blame(self, error: Exception) -> None:
        """Give a fault to the share it is of; where that cannot be told, go on with one share at a time."""
        playing = self.playing()
        if len(playing) == 1:
            playing[0].fault = error
        self._singly = True

    def fail(self, error: Exception) -> None:
        """Give a fault to all that are not done."""
        for each in self.shares:
            if each.left and each.fault is None:
                each.fault = error

    def sort(self, playing: Sequence[Share], known: Collection[Key], loaded: Mapping[str, Loaded]) -> list[Group]:
        """Group by customer what is new. What somebody else tells in the same round, or otherwise loud, waits for the next."""
        groups: dict[str, Group] = {}
        taken: set[Key] = set()
        for share in playing:
            share.left = fresh = [each for each in share.left if (each.source, each.id) not in known]
            unknown = next((each.subject for each in fresh if each.subject not in loaded), None)
            if unknown is not None:
                share.fault = stranger(unknown)
                continue
            for event in fresh:
                key = (event.source, event.id)
                mine = loaded[event.subject]
                group = groups.get(mine.customer.id)
                if group is None:
                    group = groups[mine.customer.id] = Group(mine, share.told.quiet)
                if key not in taken and group.quiet == share.told.quiet:
                    taken.add(key)
                    group.shares.setdefault(share, []).append(event)
        return [each for each in groups.values() if each.shares]

    def stored(self, groups: Iterable[Group]) -> None:
        """Count what is durable now."""
        gone: defaultdict[Share, set[Key]] = defaultdict(set)
        for group in groups:
            for share, own in group.shares.items():
                gone[share].update([(each.source, each.id) for each in own])
        for share, keys in gone.items():
            share.left = [each for each in share.left if (each.source, each.id) not in keys]
            share.new += len(keys)


def _settled(event: Event, received: datetime) -> Event:
    time = settled_time(event.time, received)
    return event if time == event.time else replace(event, time=time)
