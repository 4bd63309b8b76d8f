"""RATES: what providers allow in a second, shared by all workers; taken from the store in blocks, spent one by one.

Who gets no token waits for its turn: turns are told one after the other, so that what waits comes back when there is
a token for it and not all at once. What is urgent is first to get a token, and waits for the next one only.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from omnibus.model.rate import Rate
from omnibus.upkeep import Upkeep

BLOCK = 10  # tokens that are asked for at least: one look at the shared row for as many hand-overs
FRESH = 1.0  # seconds after which what is left of a block is void: it was meant for then, not for now
FAR = 60.0  # seconds beyond which no turn is told


@dataclass(slots=True)
class _Held:
    """Hold what is left of a block, until when it is good, and the next turn that is free."""

    left: int = 0
    until: float = 0.0
    turn: float = 0.0


class Rates:
    """Hand out tokens.

    Args:
        rates: provider, named as its pauses are (``channel/scheme``) → its rate; others are not limited.
        clock: seconds of machine time, monotonic.
        chance: spreads those for whom there is no turn yet.
    """

    def __init__(
        self, store: Upkeep, rates: Mapping[str, Rate], *, clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._store, self._rates, self._clock, self._chance = store, dict(rates), clock, chance
        self._held = {name: _Held() for name in rates}
        self._locks = {name: asyncio.Lock() for name in rates}

    def __bool__(self) -> bool:
        """Tell whether any provider is limited."""
        return bool(self._rates)

    async def ask(self, wanted: Sequence[tuple[str, bool]]) -> list[float]:
        """Ask a token for each hand-over: (provider, urgent) in, seconds to wait out; nought means that it may go.

        Raises:
            StoreFull: the store is down; nothing was handed out.
        """
        waits = [0.0] * len(wanted)
        places: dict[str, list[int]] = {}
        for place, (name, _) in enumerate(wanted):
            if name in self._rates:
                places.setdefault(name, []).append(place)
        for name, mine in places.items():
            first = sorted(mine, key=lambda place: not wanted[place][1])
            async with self._locks[name]:
                got, wait = await self._take(name, len(mine))
                for place in first[got:]:
                    waits[place] = self._turn(name, wait, urgent=wanted[place][1])
        return waits

    def void(self, providers: Iterable[str]) -> None:
        """Give up what is left of the blocks of providers that rest: it was taken before they said so."""
        for name in providers:
            if name in self._held:
                self._held[name].left = 0

    def give_back(self, providers: Iterable[str]) -> None:
        """Take back the tokens of hand-overs that were not made, while what was taken then is good."""
        for name in providers:
            held = self._held.get(name)
            if held is not None and self._clock() < held.until:
                held.left += 1

    async def _take(self, name: str, count: int) -> tuple[int, float]:
        held, rate = self._held[name], self._rates[name]
        if self._clock() >= held.until:
            held.left = 0
        got = min(held.left, count)
        held.left -= got
        if got == count:
            return got, 0.0
        block = await self._store.tokens(name, rate, max(count - got, min(BLOCK, rate.burst)))
        more = min(block.tokens, count - got)
        held.left, held.until = block.tokens - more, self._clock() + FRESH
        return got + more, block.wait

    def _turn(self, name: str, wait: float, *, urgent: bool) -> float:
        held, now = self._held[name], self._clock()
        if urgent:
            return max(wait, self._rates[name].seconds)
        turn = max(held.turn, now + wait)
        if turn - now > FAR:
            return max(wait, FAR * (1 + self._chance()) / 2)
        held.turn = turn + self._rates[name].seconds
        return max(turn - now, self._rates[name].seconds)
