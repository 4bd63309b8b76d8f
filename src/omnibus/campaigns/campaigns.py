"""Campaigns: launch, steer and look; and ``advance``, which expands them as fast as they are sent."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

from omnibus.campaigns.dropping import Dropped, drop
from omnibus.campaigns.launching import Clerk, Loading, digest_of, plain
from omnibus.campaigns.lists import ListEntry, Rejects, read_csv, read_ids
from omnibus.errors import ConfigError, Conflict, InputError, NotFound, OmnibusError
from omnibus.model.campaign import STEERING, Campaign, Chunk, Progress, Standing
from omnibus.model.customer import Customer, Identity
from omnibus.model.delivery import Delivery
from omnibus.model.ids import Ids
from omnibus.roll import Roll
from omnibus.timeline import Timeline

CHUNK = 300  # customers in one commit: two or three milliseconds of the writer, and half of what a hundred cost each
PRESSING = 300  # waiting deliveries of a campaign that want out soon, at which it is not expanded further
SOON = timedelta(minutes=15)  # those held for longer (night, a window) press nobody
LOOK = 0.25  # seconds of machine time between two looks for campaigns that another process launched

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")

Everybody = str | Path | Iterable[Customer | str]
Followed = Callable[[int], None]
Templating = Callable[[str, Mapping[str, Any], str], tuple[Delivery, ...]]


class Campaigns:
    """Keep campaigns going.

    Args:
        roll: where they rest; None for a store that has no place for them.
        identity: kind, value → identity.
        template: message, values, origin → the deliveries that one customer gets, as made for nobody.
        dropped: delivery, time, reason → the event that says so.
    """

    def __init__(
        self, roll: Roll | None, timeline: Timeline, ids: Ids, identity: Callable[[str, str], Identity],
        template: Templating, dropped: Dropped,
    ) -> None:  # fmt: skip
        self._roll, self.timeline, self.store, self.ids = roll, timeline, timeline.store, ids
        self.identity, self.template, self.dropped = identity, template, dropped
        self._idle_until = 0.0

    @property
    def roll(self) -> Roll:
        """Give the place where campaigns rest.

        Raises:
            ConfigError: this store has none.
        """
        if self._roll is None:
            raise ConfigError(
                "this store keeps no campaigns", where="[omnibus] store", fix="use sqlite: or postgresql:"
            )
        return self._roll

    # ---- launch

    async def launch(
        self, message: str, to: Everybody, *, name: str = "", rejects: Path | None = None,
        values: Mapping[str, Any] | None = None, told: Callable[[Loading], None] = lambda so_far: None,
    ) -> Campaign:  # fmt: skip
        """Read the list, if there is one, and let a campaign run; what ``Bus.launch`` says."""
        now = self.timeline.now()
        name = name or f"{message}-{now:%Y%m%d-%H%M%S}".lower()
        if not _NAME.fullmatch(name):
            raise InputError(f"not a name for a campaign: `{name}`", fix="use small letters, digits, - _ and .")
        everybody = isinstance(to, str) and to == "all"
        wanted = Campaign(
            name, self.ids.new(now), message, "all" if everybody else "list", now, values=plain(values or {})
        )
        self.template(message, wanted.values, wanted.origin)  # a wrong message is found before anything is stored
        entries: Iterator[ListEntry] = iter(()) if everybody else _entries(to)
        found = await self.roll.enrol(wanted)
        if found.id != wanted.id:
            return self._same(found, wanted, entries)
        with Rejects(rejects) as aside:
            loaded = await Clerk(self.roll, self.store, self.identity, aside, told).load(wanted, entries)
        begun = await self.roll.begin(loaded)
        if begun is None:
            raise Conflict(f"another launch of `{name}` took over")
        self._rouse()
        return begun

    def _same(self, found: Campaign, wanted: Campaign, entries: Iterable[ListEntry]) -> Campaign:
        if found.digest and found.digest != digest_of(wanted, entries):
            told = f"there is a campaign `{found.name}` already, and it says something else or to others"
            raise Conflict(f"{told}; give this one another name")
        return found

    # ---- steer

    async def pause(self, name: str, *, told: Followed = lambda count: None) -> Campaign:
        """Stop handing over at once: what waits is held, page by page, and the cursor stands still.

        Args:
            told: called after each page with how many followed.

        Raises:
            NotFound: no such campaign.
            Conflict: it was stopped, or is still being loaded.
        """
        paused = await self._steer(name, Standing.PAUSED)
        while count := await self.roll.follow(name, self.timeline.now(), CHUNK):
            told(count)  # if this is cut short, workers hold what they meet
        return paused

    async def resume(self, name: str) -> Campaign:
        """Go on at the cursor; what was held is judged again, as fast as it is sent. Raises as ``pause``."""
        return await self._steer(name, Standing.RUNNING)

    async def stop(self, name: str, *, told: Followed = lambda count: None) -> Campaign:
        """End it for good, at once: what waits is dropped with the reason, page by page; what was handed over stays so.

        If this is cut short, workers go on with it, or whoever stops it once more. *told* and what it raises as ``pause``.
        """
        stopped = await self._steer(name, Standing.STOPPED)
        while count := await drop(self.roll, self.timeline, self.dropped, name, last=True):
            told(count)
        return stopped

    async def _steer(self, name: str, standing: Standing) -> Campaign:
        found = await self.get(name)
        if standing is not found.standing and standing not in STEERING[found.standing]:
            over = "it is over for good; start another under its own name"
            fix = over if found.standing is Standing.STOPPED else "wait until its list is read"
            raise Conflict(f"campaign `{name}` is {found.standing}; it cannot become {standing}; {fix}")
        steered = await self.roll.steer(name, standing, self.timeline.now())
        await self.roll.follow(name, self.timeline.now(), CHUNK)
        self._rouse()
        return steered or found

    # ---- look

    async def get(self, name: str) -> Campaign:
        """Give a campaign as it stands.

        Raises:
            NotFound: no such campaign.
        """
        found = await self.roll.campaigns(name)
        if not found:
            raise await self._unknown(name)
        return found[0]

    async def _unknown(self, name: str) -> NotFound:
        from difflib import get_close_matches  # noqa: PLC0415 - only to word an error

        near = get_close_matches(name, [each.name for each in await self.list()], 1)
        fix = f"did you mean `{near[0]}`?" if near else "`omnibus campaign list` lists them"
        return NotFound(f"no campaign `{name}`", fix=fix)

    async def list(self) -> list[Campaign]:
        """List campaigns, newest first."""
        return await self.roll.campaigns()

    async def status(self, name: str) -> Progress:
        """Add a campaign up: recipients, deliveries by state, reasons.

        Raises:
            NotFound: no such campaign.
        """
        found = await self.roll.progress(name)
        if found is None:
            raise await self._unknown(name)
        return found

    # ---- work

    def _rouse(self) -> None:
        self._idle_until = 0.0
        self.timeline.ring(())

    def look(self) -> None:
        """Look for campaigns at the next ``advance``, however short ago the last look was."""
        self._idle_until = 0.0

    async def advance(self) -> int:
        """Wake and expand every running campaign until enough of its deliveries want out, and drop a page of every stopped one.

        Returns:
            How much that was.
        """
        if self._roll is None or time.monotonic() < self._idle_until:
            return 0
        now = self.timeline.now()
        running = await self._roll.campaigns(soon=now + SOON)
        if not running:
            self._idle_until = time.monotonic() + LOOK
        return sum([await self._see_to(each, now) for each in running])

    async def _see_to(self, campaign: Campaign, now: datetime) -> int:
        if campaign.standing is Standing.STOPPED:
            return await drop(self.roll, self.timeline, self.dropped, campaign.name)
        return await self._wake(campaign, now) or await self._expand(campaign, now)

    async def _wake(self, campaign: Campaign, now: datetime) -> int:
        """Wake a page of what a pause held, unless enough of it wants out already."""
        if not campaign.asleep or campaign.pressing >= PRESSING:
            return 0
        return await self.roll.follow(campaign.name, now, CHUNK)

    async def _expand(self, campaign: Campaign, now: datetime) -> int:
        chunks = 0
        if campaign.pressing >= PRESSING:
            return 0
        try:
            templates = self.template(campaign.message, campaign.values, campaign.origin)
        except OmnibusError as error:  # its message is gone or broken now: the others go on
            await self.roll.steer(campaign.name, Standing.PAUSED, now, str(error))
            return await self.roll.follow(campaign.name, now, CHUNK)
        while campaign.pressing < PRESSING and not campaign.whole:
            ids = tuple(self.ids.several(now, CHUNK * len(templates)))
            moved = await self.roll.expand(Chunk(campaign, templates, ids, CHUNK, now))
            if moved is None:  # paused, or another worker was faster
                break
            campaign = replace(moved, pressing=campaign.pressing + moved.accepted - campaign.accepted)
            chunks += 1
        return chunks


def _entries(to: Everybody) -> Iterator[ListEntry]:
    entries = read_csv(Path(to)) if isinstance(to, str | Path) else read_ids(to)
    first = list(islice(entries, 1))  # a file that is missing or names nobody is found before anything is stored
    return chain(first, entries)
