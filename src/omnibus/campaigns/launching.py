"""LAUNCH: a list is read into the store, chunk by chunk, before its campaign runs; constant memory, however long it is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from omnibus.campaigns.lists import ListEntry, Rejects
from omnibus.errors import Conflict, InputError
from omnibus.model.campaign import Campaign
from omnibus.model.customer import Identity
from omnibus.roll import Roll
from omnibus.store import Store

CHUNK = 500  # lines in one commit


@dataclass(slots=True)
class Loading:
    """Tell how far a list is read.

    Args:
        twice: lines that name somebody who is on the list already; nobody is told twice.
        reasons: of the rejected ones; reason → lines.
    """

    lines: int = 0
    listed: int = 0
    twice: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Clerk:
    """Read lists into the store.

    Args:
        identity: kind, value → identity; raises InputError for a malformed one.
        told: called after every chunk.
    """

    roll: Roll
    store: Store
    identity: Callable[[str, str], Identity]
    rejects: Rejects
    told: Callable[[Loading], None] = lambda so_far: None
    so_far: Loading = field(default_factory=Loading)
    aside: list[tuple[int, str]] = field(default_factory=list, init=False)

    async def load(self, campaign: Campaign, entries: Iterator[ListEntry]) -> Campaign:
        """Read a list and give the campaign with its digest.

        Raises:
            Conflict: another launch under this name took over.
            InputError: it names nobody; the campaign is taken off the roll.
        """
        made = digest(campaign)
        while page := list(islice(entries, CHUNK)):
            _add(made, page)
            await self._put(campaign, page)
            self._set_aside()
            self.so_far.lines += len(page)
            self.told(self.so_far)
        if campaign.source == "list" and not self.so_far.listed:
            await self.roll.strike(campaign)
            why = ", ".join(f"{reason}: {count}" for reason, count in self.so_far.reasons.most_common(3))
            raise InputError(
                f"the list names nobody ({why or 'no lines'})", fix="nothing was launched; the name is free"
            )
        return replace(campaign, digest=made.hexdigest(), rejected=self.so_far.rejected)

    async def _put(self, campaign: Campaign, page: list[ListEntry]) -> None:
        who = await self._recognise(page)
        asked = [(each, who[each.line]) for each in page if each.line in who]
        answers = await self.roll.enlist(campaign, [customer for _, customer in asked])
        if len(answers) != len(asked):
            raise Conflict(f"another launch of `{campaign.name}` took over")
        for (each, _), answer in zip(asked, answers, strict=True):
            if answer is None:
                self._reject(each, "no such customer")
            self.so_far.listed += answer is True
            self.so_far.twice += answer is False

    async def _recognise(self, page: list[ListEntry]) -> dict[int, str]:
        """Give line → customer id, as far as anybody is named; look identities up together."""
        found: dict[int, str] = {}
        refs: dict[int, str] = {}
        for each in page:
            if each.fault:
                self._reject(each, each.fault)
            elif not each.kind:
                found[each.line] = each.value
            else:
                try:
                    refs[each.line] = self.identity(each.kind, each.value).ref
                except InputError as error:
                    self._reject(each, error.what)
        known = await self.store.find(list(refs.values())) if refs else {}
        for each in page:
            ref = refs.get(each.line)
            if ref in known:
                found[each.line] = known[ref]
            elif ref is not None:
                self._reject(each, f"no customer with this {each.kind}")
        return found

    def _reject(self, entry: ListEntry, reason: str) -> None:
        self.so_far.rejected += 1
        self.so_far.reasons[reason] += 1
        self.aside.append((entry.line, reason))

    def _set_aside(self) -> None:
        """Write down what was rejected of a page, in the order of its lines."""
        for line, reason in sorted(self.aside):
            self.rejects.write(line, reason)
        self.aside.clear()


def digest(campaign: Campaign) -> Any:
    """Begin the hash of what a launch asks for."""
    told = json.dumps([campaign.message, campaign.source, campaign.values], sort_keys=True, default=str)
    return hashlib.sha256(told.encode())


def digest_of(campaign: Campaign, entries: Iterable[ListEntry]) -> str:
    """Hash a whole launch, to compare it with one that was made before."""
    made = digest(campaign)
    _add(made, entries)
    return str(made.hexdigest())


def _add(made: Any, entries: Iterable[ListEntry]) -> None:
    for each in entries:
        made.update(f"{each.kind}\0{each.value}\0{each.fault}\0".encode())


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values as they come back from the store, so that a repeated launch compares equal."""
    return dict(json.loads(json.dumps(dict(values), default=str)))
